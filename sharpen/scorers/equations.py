"""The equations that a text states in numbers: which path its reasoning takes, and whether its calculations hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from ..grading.arithmetic import evaluate
from ..grading.reals import equal
from ..types import Group, Score
from . import Scorer

if TYPE_CHECKING:
    from ..run import Run

THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
FULL_STOP = re.compile(r"\.(?!\d)")
CHAIN = re.compile(r"[-+*/^().\d\s]*\d[-+*/^().\d\s]*(?:=[-+*/^().\d\s]*\d[-+*/^().\d\s]*)+")
DECIMALS = re.compile(r"\.(\d+)$")


def equations(text: str) -> tuple[str, ...]:
    """Return the equations between numbers in a text, in order, without blanks; money and percent signs go."""
    plain = THOUSANDS.sub("", text.replace("×", "*").replace("÷", "/").replace("$", "").replace("%", ""))
    return tuple("".join(found.split()) for found in CHAIN.findall(FULL_STOP.sub(",", plain)))


def holds(equation: str) -> bool | None:
    """Say whether all sides of an equation are equal, up to the rounding of the stated one; None if that is unknown."""
    verdicts: list[bool | None] = []
    for left, right in pairwise(equation.split("=")):
        a, b = evaluate(left), evaluate(right)
        places = DECIMALS.search(right)
        slack = Fraction(1, 2 * 10 ** len(places[1])) if places else Fraction(0)
        verdicts.append(None if a is None or b is None else equal(a, b, absolute=slack))
    return False if False in verdicts else None if None in verdicts else True


@dataclass(frozen=True)
class Calculates(Scorer):
    """1 where every equation of an attempt holds, 0 where one does not, None where none can be checked."""

    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        return [[calculates(r.text) for r in g.rollouts] for g in groups]


def calculates(text: str) -> Score:
    """Score the calculations of one text."""
    known = [verdict for e in equations(text) if (verdict := holds(e)) is not None]
    return float(all(known)) if known else None
