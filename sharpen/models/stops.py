"""Stop strings: which rows of a step said one with their last token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

EDGE = 8
"""Characters that may read otherwise where a run of tokens begins or ends in the middle of a text: parts of a character
of four bytes, a blank that some tokenizers leave out, blanks that others clean up."""

Texts = Callable[[Sequence[Sequence[int]]], Sequence[str]]
"""Returns the text of each run of ids."""


class Row(Protocol):
    """Tokens that a row stands behind, and those that it has written."""

    given: tuple[int, ...]
    ids: list[int]


def said(rows: Sequence[Row], stops: Sequence[str], texts: Texts) -> list[bool]:
    """Say of each row whether its last token completed a stop string; no token before had done so.

    Only as many of its last tokens are put into words as a stop string can reach back to, all rows at once. That text
    may begin with a character cut in two, so where it holds a stop string the whole text decides.
    """
    reach = max(map(len, stops)) + EDGE
    own = [len(text) for text in texts([row.ids[-1:] for row in rows])]
    found, left, count = [False] * len(rows), list(range(len(rows))), reach // 2
    while left:
        tails = texts([last(rows[i], count) for i in left])
        for i, text in zip(left, tails, strict=True):
            found[i] = any(stop in text for stop in stops) and holds(rows[i], stops, texts)
        # Tokens may be parts of characters or have no text, so it is the text that must reach back.
        left = [
            i
            for i, text in zip(left, tails, strict=True)
            if not found[i] and len(text) - own[i] < reach and count < len(rows[i].given) + len(rows[i].ids)
        ]
        count *= 2
    return found


def holds(row: Row, stops: Sequence[str], texts: Texts) -> bool:
    """Whether the whole text of a row holds a stop string that does not stand in what is given already."""
    before, text = texts([row.given, [*row.given, *row.ids]])
    at = len(before.rstrip("\ufffd"))
    return any(text.find(stop, max(0, at - len(stop) + 1)) >= 0 for stop in stops)


def last(row: Row, count: int) -> list[int]:
    """Return the last tokens of a row, given ones included."""
    own = row.ids[-count:]
    missing = count - len(own)
    return [*row.given[-missing:], *own] if missing else own
