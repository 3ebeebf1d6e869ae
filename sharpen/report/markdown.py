# pyright: strict
"""Markdown written so that nothing can be forgotten: text is escaped unless it is already `Md`.

Text comes from models and data sets, so it is taken to be hostile: it makes no markup, no HTML, no link and no
mention, and stands in cells of tables and in code only, where nothing depends on how a line begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..ledger.visible import visible, word

NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "[": "&#91;", "]": "&#93;", "$": "&#36;", "@": "&#64;"}
MARKUP = re.compile(r"[&<>\[\]$@\\`*_~|#!]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What means something inside a line to CommonMark, to GitHub or to the Hub."""


class Md(str):
    """Text that is Markdown already."""

    __slots__ = ()


def plain(text: object) -> Md:
    """Return a value as Markdown on one line that shows it as it is."""
    return text if isinstance(text, Md) else Md(MARKUP.sub(_escaped, word(text)))


def _escaped(found: re.Match[str]) -> str:
    mark = found[0]
    return NAMED.get(mark) or (f"&#{ord(mark)};" if mark in ":." else f"\\{mark}")


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Md:
    """Lay out rows of a table; each cell is escaped unless it is Markdown."""
    lines = [head, *rows]
    told = [f"| {' | '.join(plain(cell) for cell in line)} |" for line in lines]
    return Md("\n".join([told[0], f"|{'---|' * len(head)}", *told[1:]]))


def code(text: str, language: str = "") -> Md:
    """Put text in a block in which nothing is markup; its fence is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Md(f"{fence}{language}\n{visible(text)}\n{fence}")


def page(*parts: str) -> str:
    """Join parts of a page; those that are empty are left out."""
    return "\n\n".join(plain(part) for part in parts if part) + "\n"
