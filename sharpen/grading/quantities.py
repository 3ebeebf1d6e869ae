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
_COMPOUND = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)(?:\s*,)?(?:\s+and)?\s*")


@dataclass(frozen=True)
class Unit:
    """`factor` base units with the exponents `dims`; `noun` for a word that is no measure (apples).

    `zero` is what 0 of it are in base units; only a temperature by itself has one.
    """

    factor: Fraction
    dims: tuple[tuple[str, int], ...]
    noun: bool = False
    zero: Fraction = Fraction(0)


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
Wh = 3600000 g*m^2/s^2; kWh = 3600000000 g*m^2/s^2
mph = 1397/3125 m/s; kph kmh = 5/18 m/s
N newton = 1000 g*m/s^2; kN = 1000000 g*m/s^2; J joule = 1000 g*m^2/s^2; kJ = 1000000 g*m^2/s^2
W watt = 1000 g*m^2/s^3; kW = 1000000 g*m^2/s^3; Pa pascal = 1000 g/m/s^2; kPa = 1000000 g/m/s^2
Hz hertz = 1 1/s; kHz = 1000 1/s; V volt = 1 V; A amp ampere = 1 A; Ω ohm = 1 ohm; K kelvin = 1 K
°C C celsius centigrade = 1 K; °F F fahrenheit = 5/9 K; mol mole = 1 mol
° deg degree = 1 deg; rad radian = 1 rad
$ dollar usd = 1 usd; cent ¢ = 1/100 usd; € euro eur = 1 eur; £ gbp = 1 gbp; ¥ yen = 1 yen; ₹ rupee = 1 rupee
unit = 1 ; ha hectare = 10000 m^2; acre = 40468564224/10000000 m^2; px pixel = 1 px
"""
_CELSIUS = Fraction("273.15")
_ZEROS = {
    **dict.fromkeys(("°C", "C", "celsius", "centigrade"), _CELSIUS),
    **dict.fromkeys(("°F", "F", "fahrenheit"), _CELSIUS - Fraction(160, 9)),
}
_PIECE = re.compile(r"\s*(?:(?P<op>[*/·]|\\cdot|\\times|per\b)|(?P<name>°[CF]?|[A-Za-zµΩ$€£¥₹¢]+))\s*")
_EXPONENT = re.compile(r"(?:\s*(?:\^|\*\*)\s*\{?\s*|(?=-?\d))(-?\d)\s*\}?\s*")


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
        exponent = _EXPONENT.match(text, piece.end("name"))
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
    text = re.sub(r"^deg(?:ree)?s?\.? (?=(?:celsius|centigrade|fahrenheit|kelvin|[CFK])$)", "", text, flags=re.I)
    if not text or len(text) > 60:
        return None
    if unit := _product(text, _UNITS):
        zero = _ZEROS.get(text) or _ZEROS.get(text.casefold())
        return replace(unit, zero=zero) if zero else unit
    words = re.fullmatch(r"[a-z]{3,}(?: [a-z]{2,}){0,3}", text.casefold())
    if words is None:
        return None
    return Unit(Fraction(1), ((" ".join(w.removesuffix("s") for w in words[0].split()), 1),), noun=True)


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
    if word := _in_words(text):
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
    elif match and match[0] in _SCALE_LETTERS and plain + match[0] in text:
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
    text = re.sub(r"^([-+]?)\s*([$€£¥₹]|USD|EUR|GBP)\s*(.*)$", r"\1\3 \2", text, flags=re.S)
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
            return equal(scaled(b, p.unit.factor), scaled(a, g.unit.factor), tolerance or 1e-9)
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
