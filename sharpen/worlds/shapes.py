"""Coloured shapes on a grid: name, find and count them, and add up their corners.

Pictures are drawn by formula. A grid belongs to the training or to the test pictures by the hash
of its content, so the two never share a picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from .grid import (
    CELL,
    COLUMNS,
    DIAGONALS,
    LINES,
    ORDINALS,
    ROWS,
    SIDE,
    GridWorld,
    Pixels,
    Split,
    Truth,
    weighted,
)

KINDS = ("cell", "any", "count", "row-sum", "column-sum", "diagonal-sum")
HARD = ("column-sum", "diagonal-sum")
COLOURS = {
    "red": (230, 30, 30),
    "green": (30, 170, 40),
    "blue": (40, 60, 240),
    "yellow": (240, 230, 40),
    "white": (245, 245, 245),
    "pink": (250, 130, 190),
    "orange": (250, 140, 20),
    "purple": (130, 30, 160),
    "brown": (120, 70, 30),
    "gray": (120, 120, 120),
}
CORNERS = {"circle": 0, "triangle": 3, "square": 4, "star": 10, "cross": 12}
PLURALS = {s: f"{s}es" if s == "cross" else f"{s}s" for s in CORNERS}
SYMBOLS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in CORNERS)
YES = 0.7
COUNTS = {"1": 0.6, "0": 0.12, "2": 0.16, "3": 0.08, "4": 0.04}
COUNT_HABIT = {"1": 0.7, "2": 0.15, "0": 0.1, "3": 0.05}
COLOUR_HABIT = dict(zip(COLOURS, (0.24, 0.16, 0.18, 0.12, 0.08, 0.06, 0.06, 0.04, 0.03, 0.03), strict=True))
SHAPE_HABIT = dict(zip(CORNERS, (0.3, 0.15, 0.25, 0.18, 0.12), strict=True))
SUM_HABIT = {"20": 0.3, "24": 0.2, "16": 0.15, "26": 0.1, "22": 0.1, "29": 0.05, "14": 0.05, "30": 0.05}


@cache
def mask(shape: str, size: int, down: int, right: int) -> NDArray[np.bool_]:
    """The pixels that a shape covers in its cell."""
    axis = np.arange(CELL) - (CELL - 1) / 2
    y, x = np.meshgrid(axis - down, axis - right, indexing="ij")
    if shape == "circle":
        return x**2 + y**2 <= size**2
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= size - 0.5
    if shape == "triangle":
        return (y <= size - 1) & (abs(x) <= (y + size) / 2 + 0.5)
    if shape == "cross":
        return (np.minimum(abs(x), abs(y)) <= 1.6) & (np.maximum(abs(x), abs(y)) <= size)
    # A five-pointed star: its radius falls linearly from a tip to the notch beside it.
    turn = (np.arctan2(x, -y) / (2 * np.pi) * 5) % 1
    return np.hypot(x, y) <= (size + 1) * (0.38 + 0.62 * abs(2 * turn - 1))


class Shapes(GridWorld):
    """The world of coloured shapes."""

    name = "shapes"
    system = "look at the shapes of the grid, think, then answer."
    kinds = KINDS
    hard = HARD
    symbols = SYMBOLS
    sum_habit = SUM_HABIT
    sum_range = 60

    def symbol(self, rng: Random, habit: bool = False) -> str:
        if habit:
            return f"{weighted(rng, COLOUR_HABIT)} {weighted(rng, SHAPE_HABIT)}"
        return rng.choice(SYMBOLS)

    def value(self, symbol: str) -> int:
        return CORNERS[symbol.split()[1]]

    def paint(self, grid: Sequence[str], split: Split, rng: Random) -> Pixels:
        picture = np.full((SIDE * CELL, SIDE * CELL, 3), rng.randrange(20), dtype=np.uint8)
        for i, symbol in enumerate(grid):
            colour, shape = symbol.split()
            top, left = CELL * (i // SIDE), CELL * (i % SIDE)
            light = rng.uniform(0.9, 1.0)
            ink = [int(light * channel) for channel in COLOURS[colour]]
            covered = mask(shape, rng.choice((5, 6)), rng.randrange(-1, 2), rng.randrange(-1, 2))
            picture[top : top + CELL, left : left + CELL][covered] = ink
        return picture

    def in_split(self, grid: Sequence[str], split: Split) -> bool:
        hashed = hashlib.sha256(",".join(grid).encode()).digest()[0]
        return (hashed % 4 == 0) == (split == "test")

    def ask(self, kind: str, rng: Random) -> Truth:
        grid = [self.symbol(rng) for _ in range(SIDE * SIDE)]
        lines = {"column-sum": COLUMNS, "diagonal-sum": DIAGONALS}.get(kind, ROWS)
        line = rng.choice(list(lines))
        target, place = "", rng.randrange(SIDE) if kind == "cell" else 0
        if kind == "count":
            target = rng.choice(list(CORNERS))
            shown = self._with_count(target, int(weighted(rng, COUNTS)), rng)
            for cell, symbol in zip(LINES[line], shown, strict=True):
                grid[cell] = symbol
        if kind == "any":
            colours = [grid[i].split()[0] for i in LINES[line]]
            wanted = 1 if rng.random() < YES else 0
            target = rng.choice([c for c in COLOURS if colours.count(c) == wanted] or [""])
        if kind == "any" and not target:
            return self.ask(kind, rng)
        return Truth(kind, tuple(grid), line, target, place)

    def question(self, truth: Truth, rng: Random) -> str:
        line, where = truth.line, ORDINALS[truth.place]
        if truth.kind == "cell":
            return rng.choice((f"which shape is {where} in the {line}?", f"name the {where} shape of the {line}."))
        if truth.kind == "any":
            return f"is there a {truth.target} shape in the {line}?"
        if truth.kind == "count":
            many = PLURALS[truth.target]
            return rng.choice((f"how many {many} are in the {line}?", f"count the {many} of the {line}."))
        return rng.choice((f"how many corners are in the {line}?", f"add the corners of the {line}."))

    def conclude(self, truth: Truth, shown: Sequence[str], rng: Random, slip: bool = False) -> tuple[str, str]:
        if truth.kind == "cell":
            return self._pointed(truth, shown, rng, slip)
        if truth.kind == "any":
            if any(s.startswith(truth.target) for s in shown):
                return rng.choice((f"{truth.target} is there, so yes.", f"so yes, {truth.target} is there.")), "yes"
            return f"no {truth.target}, so no.", "no"
        if truth.kind == "count":
            count = sum(s.endswith(truth.target) for s in shown)
            if slip:
                count = rng.choice([n for n in range(SIDE * SIDE + 1) if n != count])
            return rng.choice((f"so {truth.target}: {count}.", f"counting {truth.target}: {count}.")), str(count)
        return self._total(shown, rng, slip)

    def imagine(self, truth: Truth, rng: Random) -> list[str]:
        if truth.kind == "count":
            return self._with_count(truth.target, int(weighted(rng, COUNT_HABIT)), rng, habit=True)
        shown = [self.symbol(rng, habit=True) for _ in range(SIDE)]
        if truth.kind == "any":
            other = "red" if truth.target != "red" else "blue"
            shown = [s.replace(truth.target, other) for s in shown]
            if rng.random() < 0.85:
                place = rng.randrange(SIDE)
                shown[place] = f"{truth.target} {shown[place].split()[1]}"
        return shown

    def _with_count(self, shape: str, count: int, rng: Random, habit: bool = False) -> list[str]:
        shown: list[str] = []
        while len(shown) < SIDE - count:
            symbol = self.symbol(rng, habit)
            if not symbol.endswith(shape):
                shown.append(symbol)
        for _ in range(count):
            shown.insert(rng.randrange(len(shown) + 1), f"{self.symbol(rng, habit).split()[0]} {shape}")
        return shown


WORLD = Shapes()
tasks = WORLD.tasks
trace = WORLD.trace
facts = WORLD.facts
written_blind = WORLD.written_blind
seed_traces = WORLD.seed_traces
