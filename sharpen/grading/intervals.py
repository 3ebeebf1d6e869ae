# pyright: strict
"""Sets of real numbers written as intervals, as inequalities in one variable, or as unions of either."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import localcontext
from fractions import Fraction
from functools import cmp_to_key

from .quantities import Ambiguous, Quantity, quantity, same_quantity
from .reals import CTX, ball, equal

LONGEST = 300
_EVIDENT = re.compile(r"[<>]|^[A-Za-z] in [\[(]|\\(?:cup|le|ge|lt|gt)(?![a-zA-Z])")
_UNION = re.compile(r"\s*(?:\\cup(?![a-zA-Z])|\\lor(?![a-zA-Z])|\bor\b)\s*")
JOINT = re.compile(
    r"\s*(?:,?\s+and\s+|,(?=\s*[A-Za-z]\s*(?:[<>]|\\(?:le|ge|lt|gt)(?![a-zA-Z])))|\\(?:land|wedge)(?![a-zA-Z]))\s*"
)
_IN = re.compile(r"^([A-Za-z])\s*(?:\\|(?<=\s))in(?![a-zA-Z])\s*")
_INTERVAL = re.compile(r"([\[(])([^,;]+)[,;]([^,;]+)([\])])")
_COMPARISON = re.compile(r"\s*(<|>|\\(?:le|ge|lt|gt)(?![a-zA-Z]))\s*")
_NAME = re.compile(r"[A-Za-z]|\\(?:alpha|beta|theta|lambda|mu|phi)")
_INFINITE = re.compile(r"([-+]?)\s*(?:\\infty|infinity|inf)\s*")


class _Unread(Exception):
    pass


@dataclass(frozen=True)
class End:
    """`infinite` is -1 or 1 for the ends of the line, where `at` means nothing."""

    at: Quantity
    closed: bool
    infinite: int = 0


Interval = tuple[End, End]
_ZERO = Quantity(Fraction(0))


def same_region(g: str, p: str) -> bool | None:
    """Whether two texts name the same set of numbers; None where one is no such text, or an end cannot be told."""
    if max(len(g), len(p)) > LONGEST or not (_EVIDENT.search(g) or _EVIDENT.search(p)):
        return None
    names: set[str] = set()
    try:
        ours, theirs = (_merged([_meet(part, names) for part in _UNION.split(t)]) for t in (g, p))
        if len(names) > 1:
            return None
        if not (ours and theirs) and any(JOINT.search(t) for t in (g, p)):
            # x < 1 and x > 3 for no number, or, as many write it, for the two regions
            apart = same_region(JOINT.sub(" or ", g), JOINT.sub(" or ", p))
            if apart and (ours or theirs):
                raise Ambiguous
            return apart
        if len(ours) != len(theirs):
            return False
        return all(_same_end(a, b) for pair in zip(ours, theirs, strict=True) for a, b in zip(*pair, strict=True))
    except _Unread:
        return None


def _meet(text: str, names: set[str]) -> Interval:
    """The numbers for which all conditions hold that "and" joins."""
    low, high = _interval((parts := JOINT.split(text))[0], names)
    for part in parts[1:]:
        other = _interval(part, names)
        order = _order(low, other[0])
        low = other[0] if order < 0 or (order == 0 and low.closed) else low
        order = _order(high, other[1])
        high = other[1] if order > 0 or (order == 0 and high.closed) else high
    return low, high


def _interval(text: str, names: set[str]) -> Interval:
    text = text.strip()
    if match := _IN.match(text):
        names.add(match[1])
        text = text[match.end() :]
    if match := _INTERVAL.fullmatch(text):
        return _end(match[2], match[1] == "["), _end(match[3], match[4] == "]")
    parts = _COMPARISON.split(text)
    if len(parts) not in (3, 5):
        raise _Unread
    sides, signs = parts[::2], parts[1::2]
    downward = [sign in (">", "\\ge", "\\gt") for sign in signs]
    if len(set(downward)) > 1:
        raise _Unread
    if downward[0]:
        sides, signs = sides[::-1], signs[::-1]
    closed = [sign in ("\\le", "\\ge") for sign in signs]
    at = 1 if len(sides) == 3 else 0 if _NAME.fullmatch(sides[0]) else 1
    if not _NAME.fullmatch(sides[at]) or sides[at] in ("e", "i"):
        raise _Unread
    names.add(sides[at])
    low = _end(sides[at - 1], closed[0]) if at else End(_ZERO, False, -1)
    high = _end(sides[at + 1], closed[-1]) if at + 1 < len(sides) else End(_ZERO, False, 1)
    return low, high


def _end(text: str, closed: bool) -> End:
    text = text.strip()
    if match := _INFINITE.fullmatch(text):
        if closed:
            raise _Unread
        return End(_ZERO, False, -1 if match[1] == "-" else 1)
    value = quantity(text)
    if value is None or value.unit:
        raise _Unread
    return End(value, closed)


def _order(a: End, b: End) -> int:
    if a.infinite or b.infinite:
        return (a.infinite > b.infinite) - (a.infinite < b.infinite)
    alike = equal(a.at.value, b.at.value)
    if alike is None:
        raise _Unread
    if alike:
        return 0
    with localcontext(CTX):
        return 1 if ball(a.at.value).mid > ball(b.at.value).mid else -1


def _empty(interval: Interval) -> bool:
    low, high = interval
    order = _order(low, high)
    return order > 0 or (order == 0 and not (low.closed and high.closed))


def _by_start(a: Interval, b: Interval) -> int:
    return _order(a[0], b[0]) or b[0].closed - a[0].closed


def _merged(intervals: list[Interval]) -> list[Interval]:
    """Apart and in order, so that there is one way to write a set."""
    merged: list[Interval] = []
    for low, high in sorted((i for i in intervals if not _empty(i)), key=cmp_to_key(_by_start)):
        if merged:
            last = merged[-1][1]
            gap = _order(low, last)
            if gap < 0 or (gap == 0 and (low.closed or last.closed)):
                order = _order(high, last)
                if order > 0 or (order == 0 and high.closed):
                    merged[-1] = (merged[-1][0], high)
                continue
        merged.append((low, high))
    return merged


def _same_end(a: End, b: End) -> bool:
    if a.infinite or b.infinite or a.closed != b.closed:
        return a.infinite == b.infinite and a.closed == b.closed
    verdict = same_quantity(a.at, b.at, None)
    if verdict is None:
        raise _Unread
    return verdict
