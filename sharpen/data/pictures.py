# pyright: strict
"""The value of an image in a row to an `Image`: a path beside the task file, a data URI, bytes, or a table's cell."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from ..errors import TaskError
from ..types import Image
from . import images
from .fields import BadRow, line, mapping, short

DECODED = 2_000
"""Distinct pictures of a file that are decoded on loading; of the others header, size and end are looked at (ours)."""

_URI = re.compile(r"data:image/[\w.+*-]+;base64,", re.IGNORECASE)


class Cell:
    """Bytes in a table's cell: in memory until they are let go, read from the table again after that."""

    __slots__ = ("_again", "_data")

    def __init__(self, data: bytes, again: Callable[[], bytes]) -> None:
        self._data: bytes | None = data
        self._again = again

    def __call__(self) -> bytes:
        return self._again() if self._data is None else self._data

    def let_go(self) -> None:
        """Keep the bytes in memory no longer."""
        self._data = None


class Home(Protocol):
    """Where the pictures that a task file names by path lie."""

    def find(self, path: str) -> Path:
        """Return the picture as a local file; raises BadRow where it may not be read or is not there."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on this machine. A task file from elsewhere must not read what lies outside its own."""

    root: Path

    def find(self, path: str) -> Path:
        """Return the file, links resolved; it has to lie inside."""
        root = self.root.resolve()
        try:
            found = (root / path).resolve()
            inside, there = found.is_relative_to(root), found.is_file()
            if inside and there:
                found.open("rb").close()
        except (OSError, ValueError, RuntimeError) as error:  # a name too long, with a NUL, a ring of links
            raise BadRow(f"image {short(path)!r} cannot be opened ({line(error)})") from None
        if not inside:
            raise BadRow(f"image {short(path)!r} lies outside the task file's folder {root}; move it there")
        if not there:
            raise BadRow(f"image {short(path)!r} is not a file in {root}")
        return found


def image(value: object, home: Home) -> Image:
    """Return the image that a row's value stands for; raises BadRow where it stands for none."""
    parts = mapping(value)
    if parts:  # as Hugging Face datasets store it: bytes, or else a path
        value = parts["path"] if parts.get("bytes") is None and "path" in parts else parts.get("bytes")
    if isinstance(value, Cell):
        return Image(sha256(value()).hexdigest(), value)
    if isinstance(value, bytes):
        return Image.of(value)
    if not isinstance(value, str) or not value:
        raise BadRow(f"an image is {line(repr(value))}, not a path, a data URI or bytes")
    if value[:5].lower() == "data:":
        return Image.of(_from_uri(value))
    if "://" in value[:12]:
        raise BadRow(f"image {short(value)!r} is a link; put the picture beside the task file and name it by its path")
    return Image.of(home.find(value))


def _from_uri(uri: str) -> bytes:
    head = _URI.match(uri)
    if not head:
        raise BadRow(f"image {short(uri)!r} is not data:image/...;base64,...")
    try:
        return base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRow(f"image {short(uri)!r} is not base64 ({line(error)})") from None


class Inspector:
    """Tells which pictures cannot be used; each distinct one is looked at once."""

    def __init__(self) -> None:
        self.decoded = self.looked_over = 0
        self._found: dict[str, str | None] = {}

    def broken(self, pictures: Sequence[Image]) -> dict[str, str]:
        """Return why, by hash, for each of these pictures that cannot be used; lets go of what can be read again."""
        asked = {picture.sha256: picture for picture in pictures}
        new = [picture for sha, picture in asked.items() if sha not in self._found]
        room = max(0, DECODED - self.decoded)
        with ThreadPoolExecutor(4) as pool:  # decoders release the interpreter lock; few, as each may be large
            decoded = list(pool.map(partial(_refusal, images.verify), new[:room]))
        looked_over = [_refusal(images.look_over, picture) for picture in new[room:]]
        self._found |= dict(zip((picture.sha256 for picture in new), decoded + looked_over, strict=True))
        self.decoded += len(new[:room])
        self.looked_over += len(new[room:])
        for picture in pictures:
            if isinstance(picture.source, Cell):
                picture.source.let_go()
        return {sha: why for sha in asked if (why := self._found[sha]) is not None}


def _refusal(act: Callable[[Image], None], picture: Image) -> str | None:
    source = picture.source
    try:
        act(Image(picture.sha256, source()) if isinstance(source, Cell) else picture)  # just hashed: not again
    except TaskError as error:
        return str(error)
    return None
