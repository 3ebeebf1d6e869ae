# pyright: strict
"""Expressions decided without sympy: refuted by their values at points, proven by normal forms.

"wrong" means that the values at a point differ by more than their proven error; "right" that the normal forms
are equal, or, of two constants, that they agree to twenty-five digits. Whatever is neither is left to the workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction

from .expressions import Node, names, parse, value
from .normal import prove, same_equation
from .quantities import Quantity, quantity, same_quantity
from .reals import equal

POINTS = 4


def same_expressions(gold: str, found: str, tolerance: float | None = None) -> bool | None:
    """Whether two cleaned expressions are the same; None where that is not decided here."""
    if len(gold) + len(found) > 1000:
        return None
    a, b = parse(gold), parse(found)
    if a is None or b is None:
        return None
    variables = sorted(names(a) | names(b))
    if not variables:
        return _same_constants(a, b, gold, found, tolerance)
    first = _alike(a, b, variables, gold, found, range(1))
    if first and prove(a, b):
        return True  # and so at every other point
    rest = _alike(a, b, variables, gold, found, range(1, POINTS)) if first is not False else False
    if rest is False:
        return None if "i" in variables else False  # i may be the imaginary unit
    return True if rest and not first and prove(a, b) else None


def same_equations(gold: Sequence[str], found: Sequence[str]) -> bool | None:
    """Whether two equations of two sides each have the same solutions; None where that is not decided here."""
    if len(gold) != 2 or len(found) != 2:
        return None
    sides = [parse(side) for side in (*gold, *found)]
    a, b, c, d = sides
    if a is None or b is None or c is None or d is None or any("i" in names(x) for x in (a, b, c, d)):
        return None
    return same_equation(Node("add", (a, Node("neg", (b,)))), Node("add", (c, Node("neg", (d,)))))


def _same_constants(a: Node, b: Node, gold: str, found: str, tolerance: float | None) -> bool | None:
    x, y = value(a, {}), value(b, {})
    if x is None or y is None:
        return None
    return same_quantity(quantity(gold) or Quantity(x), quantity(found) or Quantity(y), tolerance)


def _alike(a: Node, b: Node, variables: list[str], gold: str, found: str, points: range) -> bool | None:
    """Whether the values agree at points, which depend on both texts, so that none is safe to err at.

    None where they have none.
    """
    alike = None
    for k in points:
        at = _point(variables, f"{k}|{gold}|{found}", positive=k < 2)
        x = value(a, at)
        y = value(b, at) if x is not None else None
        if x is None or y is None:
            continue
        if (same := equal(x, y)) is False:
            return False
        alike = alike or same
    return alike


def _point(variables: list[str], seed: str, positive: bool) -> dict[str, Fraction]:
    draw = hashlib.blake2b(seed.encode(), digest_size=64).digest()
    return {
        n: Fraction((draw[2 * i % 60] % 89 + 5) * (1 if positive or draw[2 * i % 60 + 1] % 2 else -1), 97)
        for i, n in enumerate(variables)
    }
