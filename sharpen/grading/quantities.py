# pyright: strict
"""Numbers with units, dates, clock times and ratios: how they are read and when two of them are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from .arithmetic import MOD, TOKEN, evaluate
from .reals import Number, equal, scaled


class Ambiguous(Exception):
    """Both verdicts could be defended."""


_PLAIN = re.compile(r"[-+]?([0-9]{1,30})(?:\.([0-9]{1,30}))?")
_GROUPED = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[0-9]{3}){1,9}(?:\.[0-9]{1,30})?")
_DIGITS_THEN_WORD = re.compile(r"([-+]?[0-9]{1,30}(?:\.[0-9]{1,30})?)(\s*)((?![eE][-+\d])[A-Za-z%].*)", re.S)
_PLAIN_FRACTION = re.compile(r"(-?)(?:\\frac\{([0-9]{1,30})\}\{([0-9]{1,30})\}|([0-9]{1,30})/([0-9]{1,30}))")
_DECIMAL = re.compile(r"[-+]?0*(\d*)\.(\d+)")
MONTHS = {
    m: i for i, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
NUMERALS = {
    w: i
    for i, w in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


@dataclass(frozen=True)
class Unit:
    """`factor` base units with the exponents `dims`; `noun` for a word that is no measure (apples)."""

    factor: Fraction
    dims: tuple[tuple[str, int], ...]
    noun: bool = False


# name(s) = value base: base units are those whose value is 1
_TABLE = """
m meter metre = 1 m; mm millimeter millimetre = 1/1000 m; cm centimeter centimetre = 1/100 m
dm decimeter = 1/10 m; km kilometer kilometre = 1000 m; nm nanometer = 1/1000000000 m; µm um = 1/1000000 m
in inch inche inches = 127/5000 m; ft foot feet = 381/1250 m; yd yard = 1143/1250 m; mi mile = 1609344/1000 m
g gram = 1 g; kg kilogram = 1000 g; mg milligram = 1/1000 g; t ton tonne = 1000000 g
lb pound = 45359237/100000 g; oz ounce = 45359237/1600000 g
s sec second = 1 s; ms millisecond = 1/1000 s; min minute = 60 s; h hr hour = 3600 s
day = 86400 s; week = 604800 s
year yr = 1 year; month = 1/12 year
L l liter litre = 1/1000 m^3; mL ml milliliter millilitre = 1/1000000 m^3; cL cl = 1/100000 m^3
mph = 1397/3125 m/s; kph kmh = 5/18 m/s
N newton = 1000 g*m/s^2; kN = 1000000 g*m/s^2; J joule = 1000 g*m^2/s^2; kJ = 1000000 g*m^2/s^2
W watt = 1000 g*m^2/s^3; kW = 1000000 g*m^2/s^3; Pa pascal = 1000 g/m/s^2; kPa = 1000000 g/m/s^2
Hz hertz = 1 1/s; kHz = 1000 1/s; V volt = 1 V; A amp ampere = 1 A; Ω ohm = 1 ohm; K kelvin = 1 K
°C celsius = 1 celsius; °F fahrenheit = 1 fahrenheit; mol mole = 1 mol
° deg degree = 1 deg; rad radian = 1 rad
$ dollar usd = 1 usd; cent ¢ = 1/100 usd; € euro eur = 1 eur; £ gbp = 1 gbp; ¥ yen = 1 yen; ₹ rupee = 1 rupee
unit = 1 ; ha hectare = 10000 m^2; acre = 40468564224/10000000 m^2; px pixel = 1 px
"""
_PIECE = re.compile(r"\s*(?:(?P<op>[*/·]|\\cdot|\\times|per\b)|(?P<name>°[CF]?|[A-Za-zµΩ$€£¥₹¢]+))\s*")
_EXPONENT = re.compile(r"(?:\^|\*\*)?\s*\{?\s*(-?\d)\s*\}?")


def _product(text: str, known: dict[str, tuple[Fraction, dict[str, int]]] | None) -> Unit | None:
    factor, dims, sign, at = Fraction(1), dict[str, int](), 1, 0
    power_next = 1
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            return None
        at = piece.end()
        if piece["op"]:
            sign = -1 if piece["op"] in ("/", "per") else 1
            continue
        name = piece["name"]
        if name.casefold() in ("square", "sq", "cubic", "cu"):
            power_next = 3 if name.casefold().startswith("cu") else 2
            continue
        entry = (Fraction(1), {name: 1}) if known is None else _look_up(name, known)
        if entry is None:
            return None
        exponent = _EXPONENT.match(text, at)
        at = exponent.end() if exponent else at
        n = sign * power_next * (int(exponent[1]) if exponent else 1)
        factor *= entry[0] ** n
        for base, k in entry[1].items():
            dims[base] = dims.get(base, 0) + k * n
        sign = power_next = 1
    return Unit(factor, tuple(sorted((b, k) for b, k in dims.items() if k)))


def _look_up(name: str, known: dict[str, tuple[Fraction, dict[str, int]]]) -> tuple[Fraction, dict[str, int]] | None:
    """The unit of that name: symbols by case, words without, singular or plural."""
    low = name.casefold()
    return known.get(name) or (
        known.get(low) or known.get(low.removesuffix("s")) if len(low) > 2 or low in known else None
    )


def _build() -> dict[str, tuple[Fraction, dict[str, int]]]:
    units: dict[str, tuple[Fraction, dict[str, int]]] = {}
    for entry in re.split(r"[;\n]", _TABLE):
        if not entry.strip():
            continue
        names, _, value = entry.partition("=")
        worth, _, base = value.strip().partition(" ")
        per = base.strip().removeprefix("1/")
        product = _product(("/" if per != base.strip() else "") + per, None)
        if product is None:
            raise ValueError(f"unit table: cannot read {entry!r}")
        for name in names.split():
            units[name] = (Fraction(worth), dict(product.dims))
    return units


_UNITS = _build()


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit | None:
    """Read a unit such as m/s^2 or square feet, or up to four words as a noun; None for anything else."""
    text = re.sub(r"\^\s*\\circ\s*", "°", text.strip().rstrip(".")).replace("° C", "°C").replace("° F", "°F")
    text = re.sub(r"\bdegrees? (?=celsius|fahrenheit)", "", text, flags=re.I)
    if not text or len(text) > 60:
        return None
    if unit := _product(text, _UNITS):
        return unit
    words = re.fullmatch(r"[a-z]{3,}(?: [a-z]{2,}){0,3}", text.casefold())
    if words is None:
        return None
    return Unit(Fraction(1), ((" ".join(w.removesuffix("s") for w in words[0].split()), 1),), noun=True)


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
        text = text.replace(",", "")
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
    if (word := NUMERALS.get(text.casefold())) is not None:
        return Quantity(Fraction(word))
    if MOD.search(text):
        value = evaluate(text)
        return Quantity(value) if value is not None else None
    split = _split_plain(text) or _split(text)
    if split is None:
        return None
    value, plain, rest, attached = split
    factor = Fraction(1)
    if match := re.match(r"(%|percent(?:age)?\b|pct\b)", rest, re.I):
        factor, rest = Fraction(1, 100), rest[match.end() :].strip()
    elif (match := re.match(r"[A-Za-z]+", rest)) and match[0].casefold() in SCALES:
        factor, rest = Fraction(SCALES[match[0].casefold()]), rest[match.end() :].strip()
    unit = parse_unit(rest) if rest else None
    if rest and unit is None:
        return None
    decimal = _DECIMAL.fullmatch(plain) if factor == 1 else None
    digits = len((decimal[1] + decimal[2]).lstrip("0")) if decimal else 0
    return Quantity(
        scaled(value, factor) if factor != 1 else value, unit, attached, len(decimal[2]) if decimal else None, digits
    )


def _split_plain(text: str) -> tuple[Number, str, str, bool] | None:
    """As `_split`, for digits and then a word or a percent sign."""
    match = _DIGITS_THEN_WORD.fullmatch(text)
    if match is None or (number := plain_number(match[1])) is None:
        return None
    rest = match[3].strip()
    return number.value, match[1], rest, not match[2] and len(rest) == 1 and rest.isalpha()


def _split(text: str) -> tuple[Number, str, str, bool] | None:
    """Value and spelling of the number, what follows it, and whether that is a letter written to it."""
    text = re.sub(r"^([-+]?)\s*([$€£¥₹])\s*(.*)$", r"\1\3 \2", text, flags=re.S)
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
        elif g.unit.dims != p.unit.dims:
            return False
        elif g.unit.factor != p.unit.factor:
            return equal(scaled(b, p.unit.factor), scaled(a, g.unit.factor), tolerance or 1e-9)
    verdict = equal(b, a, tolerance or 0.0)
    if verdict is False and (_rounds(g, p) or _rounds(p, g)):
        verdict = True
    if verdict and ((g.attached and not p.unit) or (p.attached and not g.unit)):
        raise Ambiguous  # "5m" may be metres or five times m
    return verdict


def _rounds(short: Quantity, full: Quantity) -> bool:
    """Whether a decimal of at least five digits is the other number rounded, as 1.4142 is the root of 2."""
    if short.places is None or short.digits < 5 or (full.places is not None and full.places <= short.places):
        return False
    if full.places is None and isinstance(full.value, Fraction) and full.value.denominator == 1:
        return False
    return equal(full.value, short.value, absolute=Fraction(1, 2 * 10**short.places)) is True


# ---- dates, times, ratios


def same_date(g: str, p: str) -> bool | None:
    """Whether two dates are the same; None where one of them is no date."""
    ours = _dates(g)
    theirs = _dates(p) if ours else set[tuple[int, int, int]]()
    if not ours or not theirs:
        return None
    if len(ours) == len(theirs) == 1 or not ours & theirs or ours == theirs:
        return ours == theirs
    raise Ambiguous  # 03/04/2020 has two readings


_DATE_LIKE = re.compile(r"\d[-/.]\d+[-/.]\d|[A-Za-z]{3}.*\d|\d.*[A-Za-z]{3}", re.S)


def _dates(text: str) -> set[tuple[int, int, int]]:
    """Every (year, month, day) that a date can mean; day 0 for a month."""
    if len(text) > 40 or "\\" in text or not _DATE_LIKE.search(text):
        return set()
    if m := re.fullmatch(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", text):
        found = {(int(m[1]), int(m[3]), int(m[4]))}
    elif m := re.fullmatch(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", text):
        found = {(int(m[4]), int(m[3]), int(m[1])), (int(m[4]), int(m[1]), int(m[3]))}
    else:
        words = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|[,.]|\bof\b", " ", text.casefold()).split()
        months = [MONTHS[w[:3]] for w in words if w.isalpha() and w[:3] in MONTHS and len(w) >= 3]
        years = [int(w) for w in words if re.fullmatch(r"\d{4}", w)]
        days = [int(w) for w in words if re.fullmatch(r"\d{1,2}", w)]
        if len(months) != 1 or len(words) != 1 + len(years) + len(days) or len(years) > 1 or len(days) > 1:
            return set()
        if not years and not days:
            return set()
        return {(years[0] if years else 0, months[0], days[0] if days else 0)}
    return {d for d in found if 1 <= d[1] <= 12 and 1 <= d[2] <= 31}


_CLOCK = re.compile(r"(\d{1,9}):(\d{1,9})(?::(\d{1,9}))?\s*([ap]\.?m\.?)?", re.I)


def same_time(g: str, p: str) -> bool | None:
    """Clock times and ratios, which share the colon; a ratio also equals its fraction."""
    a, b = _CLOCK.fullmatch(g), _CLOCK.fullmatch(p)
    if not a and not b:
        return None
    if not a or not b:
        ratio, other = (a, p) if a else (b, g)
        if ratio is None or ratio[3] or ratio[4] or len(ratio[2]) == 2 or not re.fullmatch(r"\d+\s*/\s*\d+", other):
            return False if re.fullmatch(r"[\d\s./:,-]+", other) else None
        return int(ratio[2]) != 0 and evaluate(other) == Fraction(int(ratio[1]), int(ratio[2]))
    parts = [tuple(int(x or 0) for x in m.groups()[:3]) for m in (a, b)]
    clocks = [len(m[2]) == 2 for m in (a, b)]
    if not a[3] and not b[3] and not all(clocks):
        return parts[0][0] * parts[1][1] == parts[1][0] * parts[0][1]
    halves = [(m[4] or "").casefold().replace(".", "") for m in (a, b)]
    if all(halves) or not any(halves):
        return parts[0] == parts[1] and halves[0] == halves[1]
    hours = [h % 12 + 12 * (half == "pm") if half else h for (h, _, _), half in zip(parts, halves, strict=True)]
    return parts[0][1:] == parts[1][1:] and (hours[0] == hours[1] or parts[0][0] == parts[1][0])
