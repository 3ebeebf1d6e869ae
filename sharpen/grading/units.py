# pyright: strict
"""Units of measurement: their names, their prefixes, and what one is worth in base units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache


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
dm decimeter = 1/10 m; km kilometer kilometre = 1000 m; nm nanometer = 1/1000000000 m; µm μm um micrometer = 1/1000000 m
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
$ US$ dollar usd = 1 usd; cent ¢ = 1/100 usd; € euro eur = 1 eur; £ gbp = 1 gbp; ¥ yen = 1 yen; ₹ rupee rs inr = 1 rupee
unit = 1 ; ha hectare = 10000 m^2; acre = 40468564224/10000000 m^2; px pixel = 1 px
Nm = 1000 g*m^2/s^2; F_ farad = 1 farad; C_ coulomb = 1 coulomb; byte = 1 byte; bit = 1/8 byte
eV electronvolt = 1 eV; cal calorie = 523/125 g*m^2/s^2
KiB = 1024 byte; MiB = 1048576 byte; GiB = 1073741824 byte; TiB = 1099511627776 byte
"""
# symbols and the prefixes they are used with; names take all. TV, MS and pm are left to their other meanings
_PREFIXED = """
A: n μ m k; V: n μ m k M; W: n μ m k M G; J: m k M G; N: m k M; Pa: h k M G; Hz: k M G T; Ω: m k M G; ohm: k M
F_: p n μ m; C_: n μ m; eV: k M G; g: n μ m k; s: n μ m; L: μ m; mol: n μ m; cal: k; byte B: k K M G T; bit b: k K M G T
"""
_PREFIXES = {"p": -12, "n": -9, "μ": -6, "m": -3, "h": 2, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12}
_SPOKEN = {"nano": -9, "micro": -6, "milli": -3, "kilo": 3, "mega": 6, "giga": 9, "tera": 12}
_CELSIUS = Fraction("273.15")
_ZEROS = {
    **dict.fromkeys(("°C", "C", "celsius", "centigrade"), _CELSIUS),
    **dict.fromkeys(("°F", "F", "fahrenheit"), _CELSIUS - Fraction(160, 9)),
}
_PIECE = re.compile(r"\s*(?:(?P<op>[*/·]|\\cdot|\\times|per\b)|(?P<name>°[CF]?|[A-Za-zµμΩ$€£¥₹¢]+))\s*")
_EXPONENT = re.compile(r"(?:\s*(?:\^|\*\*)\s*\{?\s*|(?=-?\d))(-?\d)\s*\}?\s*")


_Entry = tuple[Fraction, dict[str, int]]


def _product(text: str, known: dict[str, _Entry] | None) -> Unit | None:
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


def _look_up(name: str, known: dict[str, _Entry]) -> _Entry | None:
    """The unit of that name: symbols by case, words without, singular or plural."""
    low = name.casefold()
    return known.get(name) or (
        known.get(low) or known.get(low.removesuffix("s")) if len(low) > 2 or low in known else None
    )


def _build() -> dict[str, _Entry]:
    units: dict[str, _Entry] = {}
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
    for name, entry in _prefixed(units):
        units.setdefault(name, entry)
    return units


def _prefixed(units: Mapping[str, _Entry]) -> Iterator[tuple[str, _Entry]]:
    """Milliamperes, megahertz and their like, by symbol and by name."""
    for entry in re.split(r"[;\n]", _PREFIXED.strip()):
        symbols, _, prefixes = entry.partition(":")
        base, *other = symbols.split()
        factor, dims = units[base]
        for prefix in prefixes.split():
            worth = (factor * Fraction(10) ** _PREFIXES[prefix], dims)
            for symbol in other or [base.removesuffix("_")]:
                yield prefix + symbol, worth
                if prefix == "μ":
                    yield "u" + symbol, worth
    for name in [name for name in units if name.isalpha() and name.islower() and len(name) > 2]:
        factor, dims = units[name]
        yield from ((prefix + name, (factor * Fraction(10) ** n, dims)) for prefix, n in _SPOKEN.items())


_UNITS = _build()


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit | None:
    """Read a unit such as m/s^2 or square feet, or up to four words as a noun; None for anything else."""
    text = (
        re.sub(r"\^\s*\\circ\s*", "°", text.strip().rstrip("."))
        .replace("sq.", "sq")
        .replace("° C", "°C")
        .replace("° F", "°F")
    )
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
