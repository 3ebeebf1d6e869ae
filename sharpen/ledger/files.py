# pyright: strict
"""Files that a row will name: written whole or not at all, and on the disk before the row is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ..errors import StoreError

TOGETHER = 64
"""Files written before the first of them is forced to the disk (ours): a disk takes many at once faster than each."""


def put(files: Iterable[tuple[Path, bytes]]) -> None:
    """Write files of one folder, and return when they are on the disk; StoreError where one cannot be written."""
    rest = iter(files)
    while _put(islice(rest, TOGETHER)):
        pass


def _put(files: Iterable[tuple[Path, bytes]]) -> int:
    """Write some files, read one after the other, and return how many there were."""
    written: list[tuple[Path, Path]] = []
    try:
        for target, data in files:
            written.append((target.with_suffix(".partial"), target))
            written[-1][0].write_bytes(data)
        if written:
            with ThreadPoolExecutor(len(written)) as pool:  # the disk commits once for those that wait together
                list(pool.map(force, (partial for partial, _ in written)))
        for partial, target in written:
            partial.rename(target)
        if written:
            force(written[0][1].parent)
    except BaseException as error:  # what is read may be refused, too
        for partial, _ in written:
            with suppress(OSError):
                partial.unlink(missing_ok=True)  # half of it would take the space that is missing
        if not isinstance(error, OSError) or not written:
            raise
        raise StoreError(
            f"cannot write {written[-1][1]} ({error.strerror}); free some space or make it writable, and give the same "
            "command again: what was recorded before is safe"
        ) from error
    return len(written)


def sha256(file: Path) -> str:
    """Return the sha256 of a file; raises OSError."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def force(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk; raises OSError."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def force_tree(folder: Path) -> None:
    """Force all that a folder holds to the disk."""
    for path in (*folder.rglob("*"), folder):
        force(path)
