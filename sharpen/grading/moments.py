# pyright: strict
"""Dates, clock times and ratios: how they are read and when two of them are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .arithmetic import evaluate
from .numerals import NUMERALS
from .quantities import Ambiguous

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = {name[:n]: i for i, name in enumerate(MONTHS, 1) for n in range(3, len(name) + 1)} | {"sept": 9}
_DAYS = {name[:n]: name for name in DAYS for n in range(3, len(name) + 1)}
CENTURY = 70  # of a year in two digits: those below are of this century

Date = tuple[int, int, int]
"""Year, month and day; 0 for what is not said."""


def same_date(g: str, p: str) -> bool | None:
    """Whether two dates, or names of months or days, are the same; None where one of them is neither."""
    if g.isalpha() and p.isalpha():
        return True if (name := _name(g)) and name == _name(p) else None
    ours = _dates(g)
    theirs = _dates(p) if ours else []
    if not ours or not theirs:
        return None
    if len(set(ours)) == len(set(theirs)) == 1:
        (year, *day), (other, *other_day) = ours[0], theirs[0]
        if day == other_day and day[1] and (not year or not other) and year != other:
            raise Ambiguous  # "March 5" for one of 2020: the year may go without saying
        return ours[0] == theirs[0]
    if ours == theirs:
        return True  # whatever the order of its numbers, it is that of both
    if not set(ours) & set(theirs):
        return False
    raise Ambiguous  # 03/04/2020 has two readings


_DATE_LIKE = re.compile(r"\d{4}[-/]\d|\d/\d{4}|\d[-/.]\d+[-/.]\d|[A-Za-z]{3}.*\d|\d.*[A-Za-z]{3}", re.S)
_NUMERIC = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})")


def _dates(text: str) -> list[Date]:
    """Every date that a text can mean, in the order day first, month first, year first."""
    if len(text) > 40 or "\\" in text or not _DATE_LIKE.search(text):
        return []
    if m := _NUMERIC.fullmatch(text):
        return _numeric(m[1], m[3], m[4], m[2])
    text = re.sub(r"^(?:on )?(?:the )?", "", text, flags=re.I)
    if m := re.fullmatch(r"(?P<y>\d{4})[-/](?P<m>\d{1,2})|(?P<n>\d{1,2})/(?P<z>\d{4})", text):
        year, month = int(m["y"] or m["z"]), int(m["m"] or m["n"])
        return [(year, month, 0)] if 1 <= month <= 12 else []
    words = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|[,.]|\bof\b", " ", text.casefold()).split()
    words = [w for w in words if w not in _DAYS]
    months = [_MONTHS[w] for w in words if w in _MONTHS]
    years = [int(w) for w in words if re.fullmatch(r"\d{4}", w)]
    days = [int(w) for w in words if re.fullmatch(r"\d{1,2}", w)]
    if len(months) != 1 or len(words) != 1 + len(years) + len(days) or len(years) > 1 or len(days) > 1:
        return []
    return [(sum(years), months[0], sum(days))] if years or days else []


def _name(word: str) -> str | int | None:
    """The month or day of the week that a word is the beginning of."""
    return _MONTHS.get(word.casefold()) or _DAYS.get(word.casefold())


def _numeric(first: str, second: str, third: str, mark: str) -> list[Date]:
    lengths = len(first), len(third)
    a, b, c = int(first), int(second), int(third)
    if lengths[0] == 4 and lengths[1] <= 2:
        found = [(a, b, c)]
    elif lengths[1] == 4 and lengths[0] <= 2:
        found = [(c, b, a), (c, a, b)]
    elif lengths == (2, 2) or (lengths == (1, 2) and mark != "."):  # a year in two digits
        found = [(_year(c), b, a), (_year(c), a, b), *([(_year(a), b, c)] if lengths[0] == 2 else [])]
    else:
        return []
    return [d for d in found if 1 <= d[1] <= 12 and 1 <= d[2] <= 31]


def _year(digits: int) -> int:
    return digits + (2000 if digits < CENTURY else 1900)


# ---- times and ratios

_COLONS = re.compile(r"(\d{1,9}):(\d{1,9})(?::(\d{1,9}))?")
_HOUR = r"(?P<hour>\d{1,2}|" + "|".join(NUMERALS) + ")"
_HALF = r"(?:\s*(?P<half>[ap])\.?\s?m\b\.?|\s+(?:in the |at )(?P<part>morning|afternoon|evening|night))"
_CLOCK = re.compile(
    rf"(?:(?P<to>half past|quarter past|quarter to|(?:\d{{1,2}}|[a-z]+) (?:minutes? )?(?:past|to)) )?{_HOUR}"
    rf"(?:(?::|\.(?=\d\d\s*[ap]))(?P<minute>\d\d)(?::(?P<second>\d\d))?)?(?P<spoken>\s*o'? ?clock)?(?:{_HALF})?",
    re.I,
)
_NAMED = {"noon": (12, "p"), "midday": (12, "p"), "midnight": (12, "a")}
_TIME_LIKE = re.compile(r":|[ap]\.?\s?m\b|clock|noon|midday|midnight|\b(?:past|to)\b|\b(?:in the|at) ", re.I)


@dataclass(frozen=True)
class Clock:
    """A time of day; `half` is "a", "p" or empty, and without it the hour may count to twelve or to 24."""

    hour: int
    minute: int
    second: int
    half: str
    twelve: bool = False  # said as on a dial, which has no other hours
    day: bool = False  # written as 07:00 or 19:00, which says the half, too


def _clock(text: str) -> Clock | None:
    """Read a time of day; None for anything else, and for a bare number."""
    if not _TIME_LIKE.search(text) or len(text) > 60:
        return None
    text = re.sub(r"^(?:at|it is|it's) ", "", text.casefold())
    if named := _NAMED.get(text):
        return Clock(named[0], 0, 0, named[1])
    match = _CLOCK.fullmatch(text)
    if match is None or not (match["minute"] or match["spoken"] or match["half"] or match["part"] or match["to"]):
        return None
    hour = int(match["hour"]) if match["hour"].isdigit() else NUMERALS[match["hour"]]
    minute, second = int(match["minute"] or 0), int(match["second"] or 0)
    half = match["half"] or {None: "", "morning": "a", "night": ""}.get(match["part"], "p")
    spoken = bool(match["spoken"] or match["to"])
    if match["to"]:
        if match["minute"] or (minutes := _minutes(match["to"])) is None:
            return None
        hour, minute = divmod(hour * 60 + minutes, 60)
    if not 0 <= hour <= 24 or minute > 59 or second > 59 or (half and not 1 <= hour <= 12):
        return None
    day = not half and (hour > 12 or hour == 0 or (match["hour"][0] == "0" and len(match["hour"]) == 2))
    return Clock(hour, minute, second, half, spoken, day)


def _minutes(said: str) -> int | None:
    """Minutes after the hour, negative before it, of "quarter to" and the like."""
    word = said.split()[0]
    known = {"half": 30, "quarter": 15, **NUMERALS}
    n = int(word) if word.isdigit() else known.get(word)
    return None if n is None or n > 59 else -n if said.endswith("to") else n


def same_time(g: str, p: str) -> bool | None:
    """Clock times and ratios, which share the colon; a ratio also equals its fraction."""
    if not (_TIME_LIKE.search(g) or _TIME_LIKE.search(p)):
        return None
    a, b = _COLONS.fullmatch(g), _COLONS.fullmatch(p)
    if a and b and not (len(a[2]) == len(b[2]) == 2) and not a[3] and not b[3]:
        return int(a[1]) * int(b[2]) == int(b[1]) * int(a[2])
    x, y = _clock(g), _clock(p)
    if x and y:
        return _same_clock(x, y)
    if a and b:
        return [int(n or 0) for n in a.groups()] == [int(n or 0) for n in b.groups()]
    if a or b:
        ratio, other = (a, p) if a else (b, g)
        if ratio is not None and not ratio[3] and len(ratio[2]) != 2 and re.fullmatch(r"\d+\s*/\s*\d+", other):
            return int(ratio[2]) != 0 and evaluate(other) == Fraction(int(ratio[1]), int(ratio[2]))
    clock, other = (x, p) if x else (y, g)
    if clock and not clock.minute and not clock.second and other.lstrip("0") == str(clock.hour):
        raise Ambiguous  # "7" for 7:00
    return False if (a or b) and re.fullmatch(r"[\d\s./:,-]+", other) else None


def _same_clock(a: Clock, b: Clock) -> bool:
    if (a.minute, a.second) != (b.minute, b.second) or (a.hour - b.hour) % 12:
        return False
    if a.half and b.half:
        return a.half == b.half
    if a.twelve or b.twelve:
        return a.half == b.half or not (a.half and b.half)
    if a.half or b.half:
        one, other = (a, b) if a.half else (b, a)
        return not other.day or other.hour % 24 == one.hour % 12 + 12 * (one.half == "p")
    if a.hour % 24 == b.hour % 24 or (a.day and b.day):
        return a.hour % 24 == b.hour % 24
    raise Ambiguous  # 7:00 for 19:00, where the other is not said to count to 24
