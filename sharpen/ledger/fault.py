# pyright: strict
"""What `sharpen check` finds wrong with a folder, and pictures that a row names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .visible import word

HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a folder: the table, or the files, which row, and what it means."""

    table: str
    row: str
    problem: str

    @property
    def line(self) -> str:
        """The fault in one line."""
        named = f"{self.table} {word(self.row)}" if self.row else self.table
        return f"{named}: {word(self.problem)}"


def picture(folder: Path, sha: str) -> Iterator[str]:
    """Yield what is wrong with a name of a picture: it is no hash, or no file has it."""
    if not HASH.fullmatch(sha):
        yield f"it names {sha!r} as an image, which is no sha256"
    elif not (folder / sha).is_file():
        yield f"its image {sha} is not in {folder.name}/; it cannot be shown again"
