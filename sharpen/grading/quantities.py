# pyright: strict
"""Numbers with units: how they are read and when two of them are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import localcontext
from fractions import Fraction
from functools import lru_cache

from .arithmetic import MOD, TOKEN, evaluate
from .numerals import SCALES, ordinal, spoken
from .reals import CTX, PI, ULP, Ball, Number, equal, negative, over, plus, scaled, times
from .units import Unit, parse_unit


class Ambiguous(Exception):
    """Both verdicts could be defended."""


_PLAIN = re.compile(r"[-+]?([0-9]{1,30})(?:\.([0-9]{1,30}))?")
_GROUPED = re.compile(
    r"[-+]?[1-9][0-9]{0,2}(?:(?:,[0-9]{3}){1,9}|(?:'[0-9]{3}){1,9}|(?:_[0-9]{3}){1,9})(?:\.[0-9]{1,30})?"
)
_DIGITS_THEN_WORD = re.compile(r"([-+]?[0-9]{1,30}(?:\.[0-9]{1,30})?)(\s*)((?![eE][-+\d])[A-Za-z%].*)", re.S)
_PLAIN_FRACTION = re.compile(r"(-?)(?:\\frac\{([0-9]{1,30})\}\{([0-9]{1,30})\}|([0-9]{1,30})/([0-9]{1,30}))")
_DECIMAL = re.compile(r"[-+]?0*(\d*)\.(\d+)")
_SCALE_LETTERS = {"k": 10**3, "M": 10**6, "mn": 10**6, "B": 10**9, "bn": 10**9, "tn": 10**12}
_NEARLY = re.compile(
    r"(?:(?:about|approximately|approx\.?|around|roughly|circa|ca\.)\s+|[~\u2248]\s*|\\approx\s*|#|(?:no\.|number)\s*)"
    r"(?=[-+$\u20ac\u00a3]?\.?\d)",
    re.I,
)
_MINUS = re.compile(r"(?:minus|negative)\s+(?=[^\s\-+])", re.I)
_FEET = re.compile(r"(?:(\d+(?:\.\d+)?) ?'(?!'))? ?(?:(\d+(?:\.\d+)?) ?(?:\"|''))?")
_CHOSEN = re.compile(r"([CP])\((\d{1,4}), ?(\d{1,4})\)")
_REPEATING = re.compile(r"(-?\d{1,30})?\.(\d{0,30})\\overline ?\{(\d{1,30})\}")
_COMPOUND = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)(?:\s*,)?(?:\s+and)?\s*")


_ORDINAL = Unit(Fraction(1), (("th", 1),), noun=True)


@dataclass(frozen=True)
class Quantity:
    """A number with an optional unit; `places` and `digits` are set for plain decimals."""

    value: Number
    unit: Unit | None = None
    attached: bool = False
    places: int | None = None
    digits: int = 0


def quantity(text: str) -> Quantity | None:
    """Read a number, with currency, percent, scale word and unit; None where it is something else."""
    return _short_quantity(text) if len(text) <= 100 else _quantity(text)


def plain_number(text: str) -> Quantity | None:
    """The number where it is written in one of the commonest ways; the same as `quantity`, at a tenth of its cost."""
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "").replace("'", "").replace("_", "")
    if match := _PLAIN.fullmatch(text):
        decimals = match[2]
        if decimals is None:
            return Quantity(Fraction(int(text)))
        digits = (match[1] + decimals).lstrip("0")
        value = Fraction(int(match[1] + decimals), 10 ** len(decimals))
        return Quantity(-value if text[0] == "-" else value, places=len(decimals), digits=len(digits))
    if match := _PLAIN_FRACTION.fullmatch(text):
        top, bottom = match[2] or match[4], match[3] or match[5]
        if int(bottom):
            return Quantity(Fraction(int(match[1] + top), int(bottom)))
    return None


def _quantity(text: str) -> Quantity | None:
    if plain := plain_number(text):
        return plain
    if not text[:1].isdigit() and (match := _NEARLY.match(text)) and match.end() < len(text):
        return _quantity(text[match.end() :])
    if text[:1].isalpha() and (match := _MINUS.match(text)):
        positive = _quantity(text[match.end() :])
        return replace(positive, value=negative(positive.value)) if positive else None
    if (word := _in_words(text)) or (word := _in_signs(text)):
        return word
    if MOD.search(text):
        value = evaluate(text)
        return Quantity(value) if value is not None else None
    split = _split_plain(text) or _split(text)
    if split is None:
        return None
    value, plain, rest, attached = split
    factor = Fraction(1)
    if match := re.match(r"(%|per ?cent(?:age)?\b|pct\b)", rest, re.I):
        factor, rest = Fraction(1, 100), rest[match.end() :].strip()
    elif (match := re.match(r"[A-Za-z]+", rest)) and match[0].casefold() in SCALES:
        factor, rest = Fraction(SCALES[match[0].casefold()]), rest[match.end() :].strip()
    elif match and match[0] in _SCALE_LETTERS and (len(match[0]) > 1 or plain + match[0] in text):
        factor, rest = Fraction(_SCALE_LETTERS[match[0]]), rest[match.end() :].strip()
        attached = False
    unit = parse_unit(rest) if rest else None
    if rest and unit is None:
        return _compound(text)
    decimal = _DECIMAL.fullmatch(plain) if factor == 1 else None
    digits = len((decimal[1] + decimal[2]).lstrip("0")) if decimal else 0
    return Quantity(
        scaled(value, factor) if factor != 1 else value, unit, attached, len(decimal[2]) if decimal else None, digits
    )


def _in_words(text: str) -> Quantity | None:
    """A number in words, with a percent sign or unit after it; 1st and first have a unit that 1 lacks."""
    if text[:1].isdigit() and text[-1:] not in "tdhTDH}":
        return None
    if (n := ordinal(text)) is not None:
        return Quantity(Fraction(n), _ORDINAL)
    if (value := spoken(text)) is not None:
        return Quantity(value)
    words = text.split(" ")
    if len(words) > 1 and len(text) < 80 and text[0].isalpha():
        for cut in (len(words) - 1, len(words) - 2):
            value = spoken(" ".join(words[:cut])) if cut > 0 else None
            if value is not None and words[cut] not in ("a", "an", "and") and words[0] not in ("a", "an"):
                return _quantity(f"{value} {' '.join(words[cut:])}")
    return None


def _in_signs(text: str) -> Quantity | None:
    """Feet and inches as 5'3", choices as C(5,2) and P(5,2), and repeating decimals."""
    if text[-1:] in "'\"" and (match := _FEET.fullmatch(text)):
        parts = [f"{n} {unit}" for n, unit in zip(match.groups(), ("ft", "in"), strict=True) if n]
        return _quantity(" ".join(parts)) if parts else None
    if text[-1:] == ")" and (match := _CHOSEN.fullmatch(text)):
        n, k = int(match[2]), int(match[3])
        value = evaluate(rf"\binom{{{n}}}{{{k}}}" + (f"*{k}!" if match[1] == "P" else "")) if k <= n else None
        return Quantity(value) if value is not None else None
    if text[-1:] == "}" and (match := _REPEATING.fullmatch(text)):
        before, shift = (match[1] or "0").lstrip("-"), 10 ** len(match[2])
        value = Fraction(int(before + match[2]), shift) + Fraction(int(match[3]), (10 ** len(match[3]) - 1) * shift)
        return Quantity(-value if text[0] == "-" else value)
    return None


def _compound(text: str) -> Quantity | None:
    """A quantity in several units of one kind, the largest first: 1 hour and 30 minutes."""
    at, total, last = 0, Fraction(0), None
    while at < len(text):
        match = _COMPOUND.match(text, at)
        unit = parse_unit(match[2]) if match else None
        if match is None or unit is None or unit.noun or unit.zero:
            return None
        if last and (last.dims != unit.dims or last.factor <= unit.factor):
            return None
        total, last, at = total + Fraction(match[1]) * unit.factor, unit, match.end()
    return Quantity(total, replace(last, factor=Fraction(1))) if last else None


def _split_plain(text: str) -> tuple[Number, str, str, bool] | None:
    """As `_split`, for digits and then a word or a percent sign."""
    match = _DIGITS_THEN_WORD.fullmatch(text)
    if match is None or (number := plain_number(match[1])) is None:
        return None
    rest = match[3].strip()
    return number.value, match[1], rest, not match[2] and len(rest) == 1 and rest.isalpha()


def _split(text: str) -> tuple[Number, str, str, bool] | None:
    """Value and spelling of the number, what follows it, and whether that is a letter written to it."""
    text = re.sub(r"^([-+]?)\s*((?:US)?[$€£¥₹]|USD|EUR|GBP|INR|Rs\.?(?![a-z]))\s*(.*)$", r"\1\3 \2", text, flags=re.S)
    at = 0
    while at < len(text) and (match := TOKEN.match(text, at)):
        at = match.end()
        if match["op"] and text.startswith("^\\circ", at - 1):
            at -= 1
            break
        if text[at : at + 1] == "," and text[at + 1 : at + 4].isdigit():
            at += 1
    number, rest = text[:at].strip(), text[at:].strip()
    if not number or (plain := _ungroup(number)) is None or (value := evaluate(plain)) is None:
        return None
    if re.fullmatch(r"\d+(?:-\d+)+|\d+(?:/\d+){2,}", plain):
        return None  # a range, a score or a date
    attached = bool(rest) and not text[at - 1].isspace() and len(rest) == 1 and rest.isalpha()
    return value, plain, rest, attached


_short_quantity = lru_cache(maxsize=1 << 16)(_quantity)


def _ungroup(text: str) -> str | None:
    """Thousands separators out: 1,234.5 and 1 234.5 and 1.234,5; None where the commas are a list."""
    if re.fullmatch(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?", text):
        return text.replace(" ", "")
    if "," not in text:
        return text.replace(".", "") if re.fullmatch(r"[-+]?[1-9]\d{0,2}(?:\.\d{3}){2,}", text) else text
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+,\d+", text):
        return text.replace(".", "").replace(",", ".")
    text = re.sub(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])", lambda m: m[0].replace(",", ""), text)
    return None if "," in text else text


def same_quantity(g: Quantity, p: Quantity, tolerance: float | None) -> bool | None:
    """Whether the found `p` is the gold `g`, units included; None where the values cannot be told apart."""
    a, b = g.value, p.value
    if g.unit and p.unit:
        if g.unit.noun or p.unit.noun:
            if g.unit.dims != p.unit.dims:
                if equal(b, a) is not False:
                    raise Ambiguous  # 5 cars, 5 vehicles
                return False
        elif g.unit.dims != p.unit.dims and {g.unit, p.unit} != {_DEGREE, _RADIAN}:
            return False
        elif g.unit.dims == _TEMPERATURE and (g.unit.zero, g.unit.factor) != (p.unit.zero, p.unit.factor):
            return _same_temperature(g, p, g.unit, p.unit, tolerance)
        elif g.unit.dims == p.unit.dims and g.unit.factor != p.unit.factor:
            verdict = equal(scaled(b, p.unit.factor), scaled(a, g.unit.factor), tolerance or 1e-9)
            if verdict is False and g.unit.dims == _BYTES:
                worths = [_BINARY.get(u.factor, u.factor) for u in (p.unit, g.unit)]
                if equal(scaled(b, worths[0]), scaled(a, worths[1]), 1e-9):
                    raise Ambiguous  # 2 GB and 2048 MB: some count a kilobyte as 1024 bytes
            return verdict
    if g.unit != p.unit and _DEGREE in (g.unit, p.unit):
        a, b = _in_radians(g, p), _in_radians(p, g)
    verdict = equal(b, a, tolerance or 0.0)
    if verdict is False and (_rounds(g, p) or _rounds(p, g)):
        verdict = True
    if verdict and ((g.attached and not p.unit) or (p.attached and not g.unit)):
        raise Ambiguous  # "5m" may be metres or five times m
    return verdict


_DEGREE, _RADIAN = Unit(Fraction(1), (("deg", 1),)), Unit(Fraction(1), (("rad", 1),))


def _in_radians(q: Quantity, other: Quantity) -> Number:
    """The value, of degrees in radians where the other is an angle in those: marked so, or a multiple of pi."""
    if q.unit != _DEGREE or not (other.unit == _RADIAN or isinstance(other.value, Ball)):
        return q.value
    with localcontext(CTX):
        return times(q.value, over(Ball(PI, ULP), Fraction(180)))


_TEMPERATURE = (("K", 1),)
_BYTES = (("byte", 1),)
_BINARY = {Fraction(1000**k): Fraction(1024**k) for k in range(1, 5)}


def _same_temperature(g: Quantity, p: Quantity, ours: Unit, theirs: Unit, tolerance: float | None) -> bool | None:
    """Whether two temperatures on different scales are the same, compared on that of the gold.

    Raises Ambiguous where they are only as differences, which have no zero, or only to the whole degree.
    """
    with localcontext(CTX):
        shifted = plus(scaled(p.value, theirs.factor), theirs.zero - ours.zero)
    on_ours = scaled(shifted, 1 / ours.factor)
    verdict = equal(on_ours, g.value, tolerance or 1e-9)
    if verdict is False:
        difference = g.value != 0 and equal(scaled(p.value, theirs.factor), scaled(g.value, ours.factor), 1e-9)
        if difference or equal(on_ours, g.value, absolute=Fraction(1, 2)):
            raise Ambiguous
    return verdict


def _rounds(short: Quantity, full: Quantity) -> bool:
    """Whether a decimal of at least five digits is the other number rounded, as 1.4142 is the root of 2."""
    if short.places is None or short.digits < 5 or (full.places is not None and full.places <= short.places):
        return False
    if full.places is None and isinstance(full.value, Fraction) and full.value.denominator == 1:
        return False
    return equal(full.value, short.value, absolute=Fraction(1, 2 * 10**short.places)) is True
