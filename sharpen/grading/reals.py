# pyright: strict
"""Real numbers of bounded size: fractions while they are small, then sixty digits with a proven error bound.

The exponent of a `Ball` may have eighteen digits: enough to tell 9^9^9 from 5 without computing it. The
operations expect the decimal context `CTX`; `equal` and `scaled` set it themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction

MAX_BITS = 4096
CTX = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
ULP = Decimal("1e-57")
TINY = Decimal("1e-1000")
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


class Undefined(Exception):
    """Not a calculation this module knows, or one without a real value."""


@dataclass(frozen=True)
class Ball:
    """A real number within `rad` of `mid`; an infinite `mid` is too large for the exponent."""

    mid: Decimal
    rad: Decimal


Number = Fraction | Ball


def ball(value: Number) -> Ball:
    """The number as a ball."""
    if isinstance(value, Ball):
        return value
    return make(Decimal(value.numerator) / Decimal(value.denominator), Decimal(0))


def make(mid: Decimal, rad: Decimal) -> Ball:
    """A ball whose radius also covers the rounding of `mid`, and the little that is left of an underflow."""
    if mid.is_nan() or rad.is_nan():
        raise Undefined
    if mid.is_infinite():
        return Ball(mid, Decimal(0))
    return Ball(mid, rad + (abs(mid) * ULP if mid else TINY))


def exact(value: Fraction) -> Number:
    """The fraction itself while it is small enough to go on computing with."""
    small = max(value.numerator.bit_length(), value.denominator.bit_length()) <= MAX_BITS
    return value if small else ball(value)


def literal(text: str) -> Number:
    """A number as written, exact unless it has too many digits."""
    mantissa, _, exponent = text.lower().partition("e")
    digits = len(mantissa) + abs(int(exponent or 0))
    return Fraction(text.rstrip(".")) if digits <= 1000 else make(+Decimal(text), Decimal(0))


def equal(a: Number, b: Number, relative: float = 0.0, absolute: Fraction = Fraction(0)) -> bool | None:
    """Whether `a` is within `absolute` + `relative` * |b| of `b`; None where the bounds do not say."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        if a == b or not (relative or absolute):
            return a == b
        return abs(a - b) <= Fraction(repr(relative)) * abs(b) + absolute
    with localcontext(CTX):
        x, y = ball(a), ball(b)
        if x.mid.is_infinite() or y.mid.is_infinite():
            return None if x.mid == y.mid else False
        gap, slack = abs(x.mid - y.mid), x.rad + y.rad
        allowed = Decimal(repr(relative)) * abs(y.mid) + ball(absolute).mid
        if gap > slack + allowed:
            return False
        sure = slack <= max(Decimal(1), abs(y.mid)) * Decimal("1e-25") and y.mid.adjusted() < 1000
        return True if sure or gap + slack < allowed else None


def scaled(value: Number, factor: Fraction) -> Number:
    """The number times an exact factor."""
    with localcontext(CTX):
        return times(value, factor)


def plus(a: Number, b: Number) -> Number:
    """The sum."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return exact(a + b)
    x, y = ball(a), ball(b)
    return make(x.mid + y.mid, x.rad + y.rad)


def negative(a: Number) -> Number:
    """The number with the other sign."""
    return -a if isinstance(a, Fraction) else Ball(-a.mid, a.rad)


def times(a: Number, b: Number) -> Number:
    """The product."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return exact(a * b)
    if a == 0 or b == 0:
        return Fraction(0)
    x, y = ball(a), ball(b)
    if (x.mid.is_infinite() and abs(y.mid) < 1) or (y.mid.is_infinite() and abs(x.mid) < 1):
        raise Undefined  # nor a part of it
    return make(x.mid * y.mid, abs(x.mid) * y.rad + (abs(y.mid) + y.rad) * x.rad)


def over(a: Number, b: Number) -> Number:
    """The quotient."""
    if isinstance(b, Fraction):
        if b == 0:
            raise Undefined
        return times(a, 1 / b)
    if abs(b.mid) <= 2 * b.rad:
        raise Undefined
    rad = b.rad / (abs(b.mid) * (abs(b.mid) - b.rad)) if b.mid.is_finite() else TINY
    return times(a, make(1 / b.mid, rad))


def power(a: Number, b: Number) -> Number:
    """`a` to the power `b`, where that is real and decided by the bounds."""
    whole = isinstance(b, Fraction) and b.denominator == 1
    if isinstance(a, Fraction) and isinstance(b, Fraction) and whole:
        if a == 0 and b <= 0:
            raise Undefined
        bits = max(a.numerator.bit_length(), a.denominator.bit_length())
        if a in (0, 1) or abs(b.numerator) * bits <= MAX_BITS:
            return a if a in (0, 1) else Fraction(a**b.numerator)
    x, y = ball(a), ball(b)
    if isinstance(b, Fraction) and whole and x.mid + x.rad < 0:
        size = power(negative(a), b)
        return negative(size) if b.numerator % 2 else size
    if a == 0 and y.mid > y.rad:
        return Fraction(0)
    if x.mid <= x.rad or abs(x.mid - 1) <= x.rad:
        raise Undefined  # complex, or a base too near 0 or 1 to say anything
    if x.mid.is_infinite() and 0 <= y.mid - y.rad < 1:
        raise Undefined  # the root of what is too large for the exponent need not be
    mid = x.mid**y.mid
    if mid.is_infinite() or mid == 0:
        return make(mid, TINY)
    return make(mid, mid * 2 * (abs(y.mid) * x.rad / x.mid + (abs(x.mid.ln()) + 1) * y.rad))


def root(a: Number, degree: Number) -> Number:
    """The root of that degree, exact where it is rational."""
    if isinstance(a, Fraction) and isinstance(degree, Fraction) and degree.denominator == 1 and degree > 0:
        n = degree.numerator
        if a < 0 and n % 2:
            return negative(root(-a, degree))
        top, bottom = _int_root(a.numerator, n), _int_root(a.denominator, n)
        if top is not None and bottom is not None:
            return Fraction(top, bottom)
    return power(a, over(Fraction(1), degree))


def square_root(a: Number) -> Number:
    """The square root."""
    return root(a, Fraction(2))


def nth_root(degree: Number, a: Number) -> Number:
    """The root as LaTeX writes it, degree first."""
    return root(a, degree)


def _int_root(value: int, n: int) -> int | None:
    """The n-th root if it is whole."""
    if value < 0 or n > 64 or value.bit_length() > 1000:
        return None
    guess = math.isqrt(value) if n == 2 else round(value ** (1 / n))
    return guess if guess**n == value else None


def factorial(a: Number, step: int = 1) -> Number:
    """The factorial; with several marks the multifactorial, which goes down in steps of their number."""
    if isinstance(a, Fraction) and (a.denominator != 1 or a < 0):
        raise Undefined
    if isinstance(a, Fraction) and a <= 500:
        return exact(Fraction(math.prod(range(a.numerator, 0, -step))))
    n = ball(a).mid
    if step > 1 or n < 500:
        raise Undefined
    if n.is_infinite() or n.adjusted() > 17:
        return Ball(Decimal("Infinity"), Decimal(0))
    # Stirling; for n >= 500 the terms left out are below 1e-16
    log = n * n.ln() - n + (2 * PI * n).ln() / 2 + 1 / (12 * n) - 1 / (360 * n**3)
    mid = log.exp()
    wrong = Decimal("1e-15") + ball(a).rad * (n.ln() + 1)
    return make(mid, mid * 2 * wrong if wrong < 1 else mid)


def binomial(n: Number, k: Number) -> Number:
    """N choose k."""
    if not (isinstance(n, Fraction) and isinstance(k, Fraction)) or not 0 <= k <= n or n > 10**17:
        raise Undefined
    if n.denominator == 1 == k.denominator and n <= 2000:
        return exact(Fraction(math.comb(n.numerator, k.numerator)))
    return over(factorial(n), times(factorial(k), factorial(n - k)))
