# pyright: strict
"""Numbers in words: cardinals, ordinals, halves and dozens."""

from __future__ import annotations

import re
from fractions import Fraction

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_ZERO = ("none", "zero", "nought")
NUMERALS = {word: i for i, word in enumerate(_SMALL)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_TENS = {
    **{"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90},
}
_ORDINALS = {
    **{"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8},
    **{"ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12},
}
_PARTS = {
    **{"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7},
    **{"eighth": 8, "ninth": 9, "tenth": 10},
}
_WORDS = {*NUMERALS, *_TENS, *SCALES, *_PARTS, *_ORDINALS, "hundred", "dozen", "a", "an", "and"}
_LONGEST = 80


def spoken(text: str) -> Fraction | None:
    """The number that a text of nothing but number words says; None for any other text."""
    if len(text) > _LONGEST or not text[:1].isalpha():
        return None
    words = text.casefold().replace("-", " ").split()
    if len(words) == 1 and words[0] in _ZERO:
        return Fraction(0)
    if any(w not in _WORDS and w.removesuffix("s") not in _PARTS for w in words) or words[-1] in ("a", "an", "and"):
        return None
    if words[-1] == "dozen" and len(words) < 3:
        first = _cardinal(words[:1]) if len(words) == 2 else 1
        return None if first is None else Fraction(12 * first)
    if (part := _PARTS.get(words[-1]) or _PARTS.get(words[-1].removesuffix("s"))) and (len(words) > 1 or part == 2):
        return _with_part(words[:-1], part)
    value = _cardinal(words)
    return None if value is None else Fraction(value)


def _with_part(words: list[str], part: int) -> Fraction | None:
    """Three quarters, a half, two and a half."""
    whole, count = 0, words
    if "and" in words:
        at = len(words) - 1 - words[::-1].index("and")
        first = _cardinal(words[:at])
        if first is None:
            return None
        whole, count = first, words[at + 1 :]
    n = _cardinal(count) if count else 1
    return None if n is None or n >= part else whole + Fraction(n, part)


def _cardinal(words: list[str]) -> int | None:
    if words in (["a"], ["an"]):
        return 1
    total = group = 0
    last = 10**15
    for i, word in enumerate(words):
        small = NUMERALS.get(word, _TENS.get(word))
        if small is not None:
            unit = 1 if small < 10 else 10 if small >= 20 else 1
            if group % 100 and not (group % 10 == 0 and group % 100 >= 20 and 0 < small < 10):
                return None
            group += small
            last = min(last, 10**15 * unit)
        elif word in ("a", "an") and i == 0:
            group = 1
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in SCALES and group and SCALES[word] < last:
            total, group, last = total + group * SCALES[word], 0, SCALES[word]
        elif word != "and" or i == 0:
            return None
    return total + group if words else None


def ordinal(text: str) -> int | None:
    """The number of 1st, 2nd, first, twelfth; None for any other text."""
    if match := re.fullmatch(r"(\d{1,6})(?:st|nd|rd|th|\^\{?(?:st|nd|rd|th)\}?)", text, re.I):
        return int(match[1])
    tens, _, last = text.casefold().replace("-", " ").rpartition(" ")
    n = _ORDINALS.get(last)
    return n if not tens or n is None else _TENS[tens] + n if n < 10 and tens in _TENS else None
