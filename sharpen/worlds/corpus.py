"""What the tiny model is pretrained on: descriptions of pictures, careful traces, then traces of mixed quality.

The order gives it a skill before the web gives it habits. Like a large model's web text, the traces of the
web are mostly not good: some are careful, many slip late, most are written from habit. How often
each, per kind of question, is the main dial of the base model: `MIX`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from . import digits, shapes
from .grid import LINES, ORDINALS, ROWS, STYLES, GridWorld, Pixels, stream

WORLDS: dict[str, GridWorld] = {"shapes": shapes.WORLD, "digits": digits.WORLD}

Phase = Literal["describing", "careful", "web", "rare"]

MIX = {
    "cell": (0.25, 0.05, 0.70),
    "any": (0.25, 0.05, 0.70),
    "largest": (0.24, 0.06, 0.70),
    "count": (0.24, 0.06, 0.70),
    "row-sum": (0.20, 0.10, 0.70),
    "column-sum": (0.04, 0.26, 0.70),
    "diagonal-sum": (0.04, 0.26, 0.70),
}
"""Shares of careful, slipping and blind traces of each kind, in the web phase."""

RARE = (0.01, 0.29, 0.70)
"""The same for the hard kinds in the phase after that, which leaves their skill rare but not absent."""

PICKING = 3.0
"""How much oftener than sums the careful phase asks to find something: that is learnt more slowly."""
DESCRIBED: dict[Phase, float] = {"describing": 1.0, "careful": 0.2, "web": 0.08, "rare": 0.08}
"""Share of descriptions in each phase."""
IMAGELESS = 0.05
"""Share of web traces whose picture is withheld; all of these are blind."""


@dataclass(frozen=True)
class Lesson:
    """One training example: a conversation turn with its picture, or without."""

    system: str
    question: str
    response: str
    pixels: Pixels | None
    question_first: bool


def describe(world: GridWorld, rng: Random) -> Lesson:
    """Ask for the whole picture, for one line of it read out, or for one cell."""
    posed = world.pose("cell", "train", rng)
    grid = posed.truth.grid
    what = rng.choices(("picture", "line", "cell"), (0.6, 0.25, 0.15))[0]
    line = rng.choice(list(LINES))
    if what == "cell":
        place = rng.randrange(len(ORDINALS))
        question = f"describe the {ORDINALS[place]} cell of the {line}."
        response = f"{ORDINALS[place]} is {grid[LINES[line][place]]}."
    else:
        lines = list(ROWS) if what == "picture" else [line]
        question = f"describe the {'picture' if what == 'picture' else line}."
        response = " ".join(f"the {name}: {', '.join(grid[i] for i in LINES[name])}." for name in lines)
    return Lesson(world.system, question, response, posed.pixels, rng.random() < 0.5)


def trace(world: GridWorld, phase: Phase, rng: Random) -> Lesson:
    """A question of any kind, answered carefully or, as on the web, in one of the three styles."""
    mixed = phase in ("web", "rare")
    weights = [1.0 if kind.endswith("-sum") or mixed else PICKING for kind in world.kinds]
    kind = rng.choices(world.kinds, weights)[0]
    posed = world.pose(kind, "train", rng)
    shares = RARE if phase == "rare" and kind in world.hard else MIX[kind]
    style = rng.choices(STYLES, shares)[0] if mixed else "careful"
    imageless = mixed and rng.random() < IMAGELESS
    response = world.write(posed.truth, "blind" if imageless else style, rng)
    pixels = None if imageless else posed.pixels
    return Lesson(world.system, posed.question, response, pixels, rng.random() < 0.5)


def lesson(number: int, seed: int, phase: Phase) -> Lesson:
    """Return one lesson by its address; no lesson is ever repeated."""
    rng = stream("corpus", seed, number)
    world = WORLDS[rng.choice(("shapes", "digits"))]
    return describe(world, rng) if rng.random() < DESCRIBED[phase] else trace(world, phase, rng)


def texts(n: int, seed: int) -> list[str]:
    """Text for the tokenizer to learn from; every number is there, so that each becomes one token."""
    found = ["system\nuser\nassistant\n"] * 2000 + [" ".join(str(i) for i in range(100))] * 500
    for number in range(n):
        each = lesson(number, seed, "describing" if number % 8 == 0 else "web")
        found += [each.system, each.question, each.response]
    return found
