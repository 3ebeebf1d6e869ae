# pyright: strict
"""Polynomials as dictionaries from monomials to coefficients, with the atoms by name, for `normal.py`."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

MOST_TERMS = 200
MOST_PRIME = 1000
Exponent = int | Fraction
Monomial = tuple[tuple[str, Exponent], ...]
Polynomial = dict[Monomial, Fraction]
ONE: Monomial = ()


class Unproven(Exception):
    """Beyond these modules, or too large."""


def add(a: Polynomial, b: Polynomial, factor: int = 1) -> Polynomial:
    """A + factor * b."""
    total = dict(a)
    for m, c in b.items():
        total[m] = total.get(m, Fraction(0)) + factor * c
        if not total[m]:
            del total[m]
    if len(total) > MOST_TERMS:
        raise Unproven
    return total


def constant(value: Fraction | int) -> Polynomial:
    """The polynomial of degree nought."""
    return {ONE: Fraction(value)} if value else {}


def single(name: str, exponent: Exponent = 1) -> Polynomial:
    """An atom by itself, to a power."""
    return {((name, int(exponent) if whole(exponent) else exponent),): Fraction(1)}


@lru_cache(maxsize=4096)
def factors(n: int) -> dict[int, int]:
    """The prime factors with their powers."""
    found: dict[int, int] = {}
    p = 2
    while p * p <= n and p <= MOST_PRIME:
        while n % p == 0:
            found[p], n = found.get(p, 0) + 1, n // p
        p += 1
    if n > MOST_PRIME**2:
        raise Unproven
    if n > 1:
        found[n] = found.get(n, 0) + 1
    return found


def primes(value: Fraction) -> dict[int, int]:
    """The primes of a positive fraction with their powers."""
    if value <= 0:
        raise Unproven
    top, bottom = factors(value.numerator), factors(value.denominator)
    return {**top, **{p: -k for p, k in bottom.items()}}


def whole(exponent: Exponent) -> bool:
    """Whether an exponent is an integer."""
    return isinstance(exponent, int) or exponent.denominator == 1


def key(p: Polynomial) -> str:
    """The same text for the same polynomial."""
    return repr(sorted((m, c) for m, c in p.items()))
