# pyright: strict
"""Shares such as "3 out of 4", ranges such as 5-7%, and numbers with a base such as 213_5."""

from __future__ import annotations

import re
from fractions import Fraction

from .quantities import Ambiguous, Quantity, quantity, same_quantity
from .reals import equal

_SHARE = re.compile(r"(\d{1,15}) (?:out of|in|of) (\d{1,15})")
_BASED = re.compile(r"(\d{1,30})_(?:\{(?=\d+\}))?(\d{1,2})\}?")
_RANGE = re.compile(r"(?:from )?([^\s\-]+)(?:\s*-\s*| to )([^\s\-]+.*)")


def same_share(g: str, p: str) -> bool | None:
    """Whether one is a share such as "3 out of 4" and the other its value; None where neither is one.

    Raises Ambiguous where the other is its first number alone.
    """
    shares = [_SHARE.fullmatch(x) if " o" in x or " in " in x else None for x in (g, p)]
    if all(shares) or not any(shares):
        return None
    share, other = (shares[0], quantity(p)) if shares[0] else (shares[1], quantity(g))
    if share is None or other is None or not int(share[2]):
        return None
    if equal(other.value, Fraction(int(share[1]), int(share[2]))):
        return True
    if equal(other.value, Fraction(int(share[1]))):
        raise Ambiguous
    return False


def same_range(g: str, p: str) -> bool | None:
    """Whether two ranges such as 5-7%, 5%-7% and "5 to 7 percent" are the same; None where one is no range."""
    ends: list[list[Quantity]] = []
    for text in (g, p):
        match = _RANGE.fullmatch(text) if "-" in text or " to " in text else None
        if match is None or "=" in text:
            return None
        high, low = quantity(match[2]), quantity(match[1])
        if low is None or high is None:
            return None
        if (low.unit is None and high.unit) or match[2].endswith(("%", "percent")) > match[1].endswith("%"):
            low = quantity(match[1] + match[2][len(re.match(r"[\d.,]*", match[2])[0]) :])  # type: ignore[index]
        ends.append([low or high, high])
    verdicts = [same_quantity(a, b, None) for a, b in zip(*ends, strict=True)]
    return None if None in verdicts else all(verdicts)


def same_in_base(g: str, p: str) -> bool | None:
    """Whether two numbers with a base are the same; None where neither has one.

    Raises Ambiguous where only one of them has one, and the other its digits or its value.
    """
    based = [_BASED.fullmatch(x) if "_" in x else None for x in (g, p)]
    values = [_in_base(m[1], int(m[2])) if m else None for m in based]
    if all(based):
        return None if None in values else values[0] == values[1]
    one = next((m for m in based if m), None)
    other = quantity(p if based[0] else g)
    if one is None or other is None or other.unit:
        return None
    if other.value in (Fraction(int(one[1])), values[0] if based[0] else values[1]):
        raise Ambiguous
    return False


def _in_base(digits: str, base: int) -> Fraction | None:
    return Fraction(int(digits, base)) if 2 <= base <= 36 and all(int(d, 36) < base for d in digits) else None
