"""Small tasks and scripted readings that several tests need."""

from __future__ import annotations

import shlex
import sqlite3
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sharpen.types import Image, Reading, Task

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8db00000"
    "000049454e44ae426082"
)
"""A red picture of one pixel."""


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


class Wrapped:
    """A model around another one, alike in all that a subclass does not change."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def make_task(name: str = "t", answer: str | None = "7", question: str = "what is it?", images: int = 1) -> Task:
    return Task(name, question, tuple(Image.of(PIXEL) for _ in range(images)), answer, system="look.")


def make_reading(
    text: str,
    ranks: Sequence[int] = (),
    best: str = "*",
    shares: Sequence[tuple[float, float, float]] = (),
    layer: int = 2,
) -> Reading:
    """A reading of a text and its end of turn: `ranks` and `shares` per token, the rest expected and evenly spread."""
    n = len(text) + 1
    rank = [*ranks, *([0] * n)][:n]
    spread = [*shares, *([(0.25, 0.25, 0.25)] * n)][:n]
    return Reading((0.0,) * n, (0.0,) * n, tuple(rank), tuple((ord(best),) for _ in range(n)), {layer: tuple(spread)})


def query(folder: Path, sql: str) -> list[Any]:
    """Look into a run folder's ledger from outside."""
    database = sqlite3.connect(folder / "ledger.db")
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def options_unknown(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Options of a documented command that its `--help` does not name; nothing runs."""
    from sharpen import cli  # late: most tests need no command line

    program, *arguments = shlex.split(command, comments=True)
    assert program == "sharpen"
    name = arguments[:2] if arguments[:1] in (["run"], ["check"]) else arguments[:1]
    with pytest.raises(SystemExit) as left:
        cli.run([*name, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    return {word for word in arguments if word.startswith("--") and word not in shown}
