"""Real handwritten digits on a grid: read, compare and add them.

The scans are the UCI digits that come with scikit-learn. A scan belongs to the training or to the
test pictures by the hash of its own pixels, so no test picture shows a scan that training saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .grid import CELL, COLUMNS, DIAGONALS, LINES, ROWS, SIDE, GridWorld, Pixels, Split, Truth, weighted

KINDS = ("cell", "any", "largest", "row-sum", "column-sum", "diagonal-sum")
HARD = ("column-sum", "diagonal-sum")
DIGITS = tuple("0123456789")
YES = 0.7
NINE = 0.5
HABIT = dict(zip("5387196240", (0.2, 0.16, 0.14, 0.12, 0.1, 0.08, 0.06, 0.06, 0.05, 0.03), strict=True))
LARGEST_HABIT = {"9": 0.7, "8": 0.15, "7": 0.1, "6": 0.05}
SUM_HABIT = {"18": 0.3, "20": 0.2, "15": 0.15, "16": 0.1, "21": 0.1, "17": 0.05, "22": 0.05, "14": 0.05}


@cache
def scans() -> Mapping[tuple[Split, str], list[NDArray[np.uint8]]]:
    """The 16 x 16 scans of each digit in each split."""
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    data = cast("Any", load_digits())
    found: dict[tuple[Split, str], list[NDArray[np.uint8]]] = {}
    for scan, label in zip(data.images, data.target, strict=True):
        small = np.minimum(scan * 16, 255).astype(np.uint8)
        split: Split = "test" if hashlib.sha256(small.tobytes()).digest()[0] % 4 == 0 else "train"
        large: NDArray[np.uint8] = small.repeat(2, axis=0).repeat(2, axis=1)
        found.setdefault((split, str(label)), []).append(large)
    return found


class Digits(GridWorld):
    """The world of handwritten digits."""

    name = "digits"
    system = "read the digits of the grid, think, then answer."
    kinds = KINDS
    hard = HARD
    symbols = DIGITS
    sum_habit = SUM_HABIT
    sum_range = 60

    def symbol(self, rng: Random, habit: bool = False) -> str:
        return weighted(rng, HABIT) if habit else rng.choice(DIGITS)

    def value(self, symbol: str) -> int:
        return int(symbol)

    def paint(self, grid: Sequence[str], split: Split, rng: Random) -> Pixels:
        picture = np.zeros((SIDE * CELL, SIDE * CELL), dtype=np.uint8)
        for i, digit in enumerate(grid):
            top, left = CELL * (i // SIDE), CELL * (i % SIDE)
            picture[top : top + CELL, left : left + CELL] = rng.choice(scans()[split, digit])
        return np.repeat(picture[:, :, None], 3, axis=2)

    def in_split(self, grid: Sequence[str], split: Split) -> bool:
        return True  # the scans themselves are divided

    def ask(self, kind: str, rng: Random) -> Truth:
        grid = [self.symbol(rng) for _ in range(SIDE * SIDE)]
        lines = {"column-sum": COLUMNS, "diagonal-sum": DIAGONALS}.get(kind, ROWS)
        line = rng.choice(list(lines))
        target, place = "", rng.randrange(SIDE) if kind == "cell" else 0
        if kind == "largest":
            largest = "9" if rng.random() < NINE else rng.choice(DIGITS[4:9])
            for cell, digit in zip(LINES[line], self._with_largest(largest, rng), strict=True):
                grid[cell] = digit
        if kind == "any":
            shown = [grid[i] for i in LINES[line]]
            wanted = 1 if rng.random() < YES else 0
            target = rng.choice([d for d in DIGITS if shown.count(d) == wanted] or [""])
        if kind == "any" and not target:
            return self.ask(kind, rng)
        return Truth(kind, tuple(grid), line, target, place)

    def question(self, truth: Truth, rng: Random) -> str:
        line, where = truth.line, ("first", "second", "third", "last")[truth.place]
        if truth.kind == "cell":
            return rng.choice((f"which digit is {where} in the {line}?", f"read the {where} digit of the {line}."))
        if truth.kind == "any":
            return f"is there a {truth.target} in the {line}?"
        if truth.kind == "largest":
            return rng.choice((f"what is the largest digit in the {line}?", f"find the largest digit of the {line}."))
        return rng.choice((f"what is the sum of the {line}?", f"add the digits of the {line}."))

    def conclude(self, truth: Truth, shown: Sequence[str], rng: Random, slip: bool = False) -> tuple[str, str]:
        if truth.kind == "cell":
            return self._pointed(truth, shown, rng, slip)
        if truth.kind == "any":
            if truth.target in shown:
                return rng.choice((f"{truth.target} is there, so yes.", f"so yes, {truth.target} is there.")), "yes"
            return f"no {truth.target}, so no.", "no"
        if truth.kind == "largest":
            largest = max(shown)
            if slip:
                largest = rng.choice([d for d in DIGITS if d != largest])
            return rng.choice((f"largest is {largest}.", f"so largest is {largest}.")), largest
        return self._total(shown, rng, slip)

    def imagine(self, truth: Truth, rng: Random) -> list[str]:
        if truth.kind == "largest":
            return self._with_largest(weighted(rng, LARGEST_HABIT), rng, habit=True)
        shown = [self.symbol(rng, habit=True) for _ in range(SIDE)]
        if truth.kind == "any":
            shown = [d if d != truth.target else "5" if truth.target != "5" else "3" for d in shown]
            if rng.random() < 0.85:
                shown[rng.randrange(SIDE)] = truth.target
        return shown

    def _with_largest(self, largest: str, rng: Random, habit: bool = False) -> list[str]:
        shown: list[str] = []
        while len(shown) < SIDE - 1:
            digit = self.symbol(rng, habit)
            if digit <= largest:
                shown.append(digit)
        shown.insert(rng.randrange(SIDE), largest)
        return shown


WORLD = Digits()
tasks = WORLD.tasks
trace = WORLD.trace
facts = WORLD.facts
written_blind = WORLD.written_blind
seed_traces = WORLD.seed_traces
