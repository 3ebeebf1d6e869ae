# pyright: strict
"""Elementary functions of the numbers of `reals.py`, with a proven error bound.

Every function is a value at the middle of the ball, good to more digits than are kept, and the radius times
a bound of the derivative over the ball.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction

from .reals import CTX, PI, Ball, Number, Undefined, ball, factorial, make, negative, over, plus

MORE = Context(prec=76, Emax=CTX.Emax, Emin=CTX.Emin, traps=[])
LONG_PI = Decimal("3.141592653589793238462643383279502884197169399375105820974944592307816406286208998628")
SMALLEST = Decimal("1e-74")
FARTHEST = Decimal(10) ** 6  # angles beyond would lose digits to the reduction by pi
ROUNDING = Decimal("1e-58")


def _series(first: Decimal, ratio: Callable[[int], Decimal]) -> Decimal:
    """First * (1 + r1 + r1 r2 + …) until nothing is added."""
    total, term, n = first, first, 1
    while abs(term) > SMALLEST and n < 200:
        term *= ratio(n)
        total += term
        n += 1
    return total


def _sin_cos(x: Decimal, want_cos: bool) -> Decimal:
    with localcontext(MORE):
        quarter = (2 * x / LONG_PI).to_integral_value()
        rest = x - quarter * LONG_PI / 2
        turn = (int(quarter) + want_cos) % 4
        square = -rest * rest
        if turn % 2:
            value = _series(Decimal(1), lambda n: square / ((2 * n - 1) * 2 * n))
        else:
            value = _series(rest, lambda n: square / (2 * n * (2 * n + 1)))
        return -value if turn > 1 else value


def _atan(x: Decimal) -> Decimal:
    with localcontext(MORE):
        if abs(x) > 1:
            return (LONG_PI / 2).copy_sign(x) - _atan(1 / x)
        for _ in range(3):
            x = x / (1 + (1 + x * x).sqrt())
        total, term, square, n = x, x, -x * x, 1
        while abs(term) > SMALLEST and n < 400:
            term *= square
            n += 2
            total += term / n
        return 8 * total


def _ball(value: Decimal, rad: Decimal) -> Ball:
    return make(+value, rad + ROUNDING)


def sin(a: Number) -> Number:
    """The sine."""
    return _circular(a, False)


def cos(a: Number) -> Number:
    """The cosine."""
    return _circular(a, True)


def _circular(a: Number, want_cos: bool) -> Number:
    x = ball(a)
    if not abs(x.mid) < FARTHEST or x.rad > 1:
        raise Undefined
    return _ball(_sin_cos(x.mid, want_cos), x.rad)


def tan(a: Number) -> Number:
    """The tangent."""
    return over(sin(a), cos(a))


def exp(a: Number) -> Number:
    """The exponential."""
    x = ball(a)
    if not abs(x.mid) < FARTHEST or x.rad > 1:
        raise Undefined
    mid = x.mid.exp()
    return make(mid, mid * 2 * x.rad)


def ln(a: Number) -> Number:
    """The natural logarithm."""
    x = ball(a)
    low = x.mid - x.rad
    if not low > 0 or x.mid.is_infinite():
        raise Undefined  # the logarithm of what is too large for the exponent need not be
    return Fraction(0) if a == 1 else _ball(x.mid.ln(), x.rad / low)


def log(base: Number, a: Number) -> Number:
    """The logarithm to a base."""
    return over(ln(a), ln(base))


def arctan(a: Number) -> Number:
    """The inverse of the tangent."""
    x = ball(a)
    if x.mid.is_infinite():
        raise Undefined
    return _ball(_atan(x.mid), x.rad)


def arcsin(a: Number) -> Number:
    """The inverse of the sine."""
    x = ball(a)
    if a == 1 or a == -1:
        return make(PI / 2 * x.mid, Decimal(0))
    most = abs(x.mid) + x.rad
    if not most < 1:
        raise Undefined
    with localcontext(MORE):
        value = _atan(x.mid / (1 - x.mid * x.mid).sqrt())
        slope = 1 / ((1 - most) * (1 + most)).sqrt()
    return _ball(value, (x.rad + ROUNDING) * slope * 2)


def arccos(a: Number) -> Number:
    """The inverse of the cosine."""
    return plus(make(PI / 2, Decimal(0)), negative(arcsin(a)))


def sinh(a: Number) -> Number:
    """The hyperbolic sine."""
    return over(plus(exp(a), negative(exp(negative(a)))), Fraction(2))


def cosh(a: Number) -> Number:
    """The hyperbolic cosine."""
    return over(plus(exp(a), exp(negative(a))), Fraction(2))


def tanh(a: Number) -> Number:
    """The hyperbolic tangent."""
    return over(sinh(a), cosh(a))


def absolute(a: Number) -> Number:
    """The size."""
    return abs(a) if isinstance(a, Fraction) else make(abs(a.mid), a.rad)


def inverted(function: Callable[[Number], Number]) -> Callable[[Number], Number]:
    """One over a function."""
    return lambda a: over(Fraction(1), function(a))


FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    "sin": sin, "cos": cos, "tan": tan, "cot": lambda a: over(cos(a), sin(a)), "sec": inverted(cos),
    "csc": inverted(sin), "arcsin": arcsin, "arccos": arccos, "arctan": arctan, "sinh": sinh, "cosh": cosh,
    "tanh": tanh, "ln": ln, "exp": exp, "abs": absolute, "factorial": factorial,
}  # fmt: skip
