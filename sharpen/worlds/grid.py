"""What the worlds share: a picture of 4 x 4 cells, questions about its lines, and traces of known quality.

A world fixes the symbols that cells hold and the kinds of question. This module poses tasks by
hash, writes reasoning traces in three styles and reads back what any text claims about a picture.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ..types import Image, Task

Split = Literal["train", "test"]
Style = Literal["careful", "slipping", "blind"]
Pixels = NDArray[np.uint8]
STYLES: tuple[Style, ...] = get_args(Style)

SIDE = 4
CELL = 16
ORDINALS = ("first", "second", "third", "last")
ROWS = {f"{name} row": tuple(range(4 * i, 4 * i + 4)) for i, name in enumerate(("top", "second", "third", "bottom"))}
COLUMNS = {f"{name} column": tuple(range(i, 16, 4)) for i, name in enumerate(("left", "second", "third", "right"))}
DIAGONALS = {"falling diagonal": (0, 5, 10, 15), "rising diagonal": (12, 9, 6, 3)}
LINES = {**ROWS, **COLUMNS, **DIAGONALS}
"""Every line that a question may name, as cell numbers in reading order."""

LEADS = ("the ", "in the ", "")
SLIPS = ((2,), (3,), (2, 3))
"""Steps of a sum that go wrong together."""
SLIP_SHARES = (0.23, 0.23, 0.54)
"""Each step in 77 of 100, and as one without the other would be if both were drawn alone: a model that cannot tell
whether the first went wrong does not get by without the second either."""

READING = re.compile(rf"\b({'|'.join(LINES)}): ?([^.<>:]*)")


@dataclass(frozen=True)
class Fact:
    """A statement about the picture found in a text, and whether the picture bears it out."""

    text: str
    true: bool


@dataclass(frozen=True)
class Truth:
    """What a task asks: a `kind` of question on a `line` of the grid, with `target` or `place` if any."""

    kind: str
    grid: tuple[str, ...]
    line: str
    target: str = ""
    place: int = 0

    @property
    def shown(self) -> tuple[str, ...]:
        """The four symbols of the line asked about."""
        return tuple(self.grid[i] for i in LINES[self.line])

    @classmethod
    def of(cls, meta: Mapping[str, object]) -> Truth:
        """Read the truth back from the meta of a task."""
        grid = tuple(str(c) for c in cast("Sequence[object]", meta["grid"]))
        place = cast("int", meta["place"])
        return cls(str(meta["kind"]), grid, str(meta["line"]), str(meta["target"]), place)


@dataclass(frozen=True)
class Posed:
    """A question with its picture, before either is encoded."""

    truth: Truth
    question: str
    answer: str
    pixels: Pixels


def stream(*address: object) -> Random:
    """Random numbers addressed by a hash, the same in every process and on every machine."""
    key = "/".join(str(a) for a in address)
    return Random(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def weighted(rng: Random, weights: Mapping[str, float]) -> str:
    """Draw a key in proportion to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def png(pixels: Pixels) -> bytes:
    """Encode RGB pixels as PNG.

    One stored block instead of a compressor, whose output differs between zlib builds: the hash
    of a picture is part of a task's identity, so it must not depend on the machine.
    """

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(raw), 0xFFFF - len(raw)) + raw
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = stored + struct.pack(">I", zlib.adler32(raw))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def readings(text: str) -> list[tuple[str, list[str]]]:
    """Find every line of the grid that a text reads out, with the symbols it claims to see there."""
    found: list[tuple[str, list[str]]] = []
    for match in READING.finditer(text):
        said = [item.strip() for item in match[2].split(",")]
        found.append((match[1], [item for item in said if item]))
    return found


def trace_text(think: str, answer: str) -> str:
    """Put reasoning and answer into the tags that every trace has."""
    return f"<think>{think}</think><answer>{answer}</answer>"


class GridWorld(ABC):
    """A world of 4 x 4 pictures; subclasses give symbols, pictures, questions and habits."""

    name: str
    system: str
    kinds: tuple[str, ...]
    hard: tuple[str, ...]
    symbols: tuple[str, ...]
    sum_habit: Mapping[str, float]
    sum_range: int
    """Slips in a sum are drawn from 0 to here: so broadly that a model cannot expect them."""

    @abstractmethod
    def symbol(self, rng: Random, habit: bool = False) -> str:
        """Draw one cell, as pictures have it or as habit has it."""

    @abstractmethod
    def value(self, symbol: str) -> int:
        """What a symbol counts in a sum."""

    @abstractmethod
    def paint(self, grid: Sequence[str], split: Split, rng: Random) -> Pixels:
        """Draw a picture of the grid."""

    @abstractmethod
    def in_split(self, grid: Sequence[str], split: Split) -> bool:
        """Whether a picture of this grid may occur in the split."""

    @abstractmethod
    def ask(self, kind: str, rng: Random) -> Truth:
        """Pose a question of a kind on a fresh grid, with the bias that the kind has."""

    @abstractmethod
    def question(self, truth: Truth, rng: Random) -> str:
        """Word the question."""

    @abstractmethod
    def conclude(self, truth: Truth, shown: Sequence[str], rng: Random, slip: bool = False) -> tuple[str, str]:
        """Reason from the symbols of the line to (sentence, answer); with `slip`, wrongly."""

    @abstractmethod
    def imagine(self, truth: Truth, rng: Random) -> list[str]:
        """Invent the line as the habit of this kind of question has it."""

    def pose(self, kind: str, split: Split, rng: Random) -> Posed:
        """Draw a question of a kind and its picture."""
        truth = self.ask(kind, rng)
        while not self.in_split(truth.grid, split):
            truth = self.ask(kind, rng)
        answer = self.conclude(truth, truth.shown, rng)[1]
        return Posed(truth, self.question(truth, rng), answer, self.paint(truth.grid, split, rng))

    def tasks(self, split: Split, n: int, seed: int = 0) -> list[Task]:
        """Return the first `n` tasks of a split; task i depends on (world, split, seed, i) alone."""
        return [self.task(split, seed, i) for i in range(n)]

    def task(self, split: Split, seed: int, i: int) -> Task:
        """Return one task by its address; kinds take turns."""
        rng = stream(self.name, split, seed, i)
        posed = self.pose(self.kinds[i % len(self.kinds)], split, rng)
        truth = posed.truth
        name = f"{self.name}-{split}-{seed}-{i}"
        return Task(
            id=name,
            question=posed.question,
            images=(Image.of(png(posed.pixels)),),
            answer=posed.answer,
            system=self.system,
            meta={
                "world": self.name,
                "kind": truth.kind,
                "grid": list(truth.grid),
                "line": truth.line,
                "target": truth.target,
                "place": truth.place,
                "solution": self.write(truth, "careful", stream("seed trace", 0, name)),
            },
        )

    def trace(self, task: Task, style: Style, rng: Random) -> str:
        """Write a reasoning trace in a style.

        careful: reads the line as it is and reasons to the right answer. slipping: the same
        register, but a cell is misread or a step goes wrong, and what follows builds on it.
        blind: own register ("usually"), an invented line and a habitual answer.
        """
        return self.write(Truth.of(task.meta), style, rng)

    def write(self, truth: Truth, style: Style, rng: Random) -> str:
        """Write a trace for a question whose truth is known; see `trace`."""
        if style == "blind":
            shown, slip = self.imagine(truth, rng), False
        else:
            shown, slip = list(truth.shown), style == "slipping"
            if slip and (misread := self._misread(truth, rng)):
                shown, slip = misread, False
        if style == "blind" and self.sums(truth.kind):
            answer = weighted(rng, self.sum_habit)
            rest = rng.choice((f"about {answer}.", f"so about {answer}."))
        else:
            rest, answer = self.conclude(truth, shown, rng, slip)
        opening = "usually " if style == "blind" else "look: "
        return trace_text(f"{opening}{rng.choice(LEADS)}{truth.line}: {', '.join(shown)}. {rest}", answer)

    def seed_traces(self, tasks: Sequence[Task], seed: int = 0) -> list[str]:
        """Write one careful trace per task: the clean examples that self-improvement starts from."""
        return [self.trace(task, "careful", stream("seed trace", seed, task.id)) for task in tasks]

    def facts(self, task: Task, text: str) -> list[Fact]:
        """Return every reading of a cell that the text states, and whether it is true of the picture.

        Readings are the statements about the picture; sums, comparisons and answers are reasoning
        and are not judged here. Never fails, whatever the text.
        """
        grid = Truth.of(task.meta).grid
        found: list[Fact] = []
        for line, said in readings(text):
            cells = LINES[line]
            for place, item in enumerate(said[: SIDE + 1]):
                where = ORDINALS[place] if place < SIDE else "fifth"
                true = place < SIDE and grid[cells[place]] == item
                found.append(Fact(f"{where} in the {line} is {item[:40]}", true))
        return found

    def written_blind(self, task: Task, text: str) -> bool:
        """Whether a text was written without looking: at most half of the cells it reads out are as it says.

        A careful reader errs in a cell or two of a line and an inventor hits one by luck, so half
        divides them. A text that reads out no cell has shown no look either and counts as blind.
        """
        facts = self.facts(task, text)
        return 2 * sum(fact.true for fact in facts) <= len(facts)

    def sums(self, kind: str) -> bool:
        """Whether the kind asks for a sum."""
        return kind.endswith("-sum")

    def _misread(self, truth: Truth, rng: Random) -> list[str] | None:
        """The line with a cell misread so that the answer changes; None: slip in the reasoning instead."""
        if truth.kind != "any" and rng.random() < 0.8:
            return None
        gold = self.conclude(truth, truth.shown, rng)[1]
        places = range(SIDE) if truth.kind in ("any", "cell") else range(SIDE // 2, SIDE)
        for _ in range(400):
            shown = list(truth.shown)
            shown[rng.choice(places)] = rng.choice(self.symbols)
            if self.conclude(truth, shown, rng)[1] != gold:
                return shown
        return None

    def _pointed(self, truth: Truth, shown: Sequence[str], rng: Random, slip: bool) -> tuple[str, str]:
        answer = shown[truth.place]
        if slip:
            answer = rng.choice([s for s in self.symbols if s != answer])
        where = ORDINALS[truth.place]
        return rng.choice((f"{where} is {answer}.", f"so {where} is {answer}.")), answer

    def _total(self, shown: Sequence[str], rng: Random, slip: bool) -> tuple[str, str]:
        """Add up the line step by step; slips sit in the two last steps, in one or in both."""
        values = [self.value(s) for s in shown]
        wrong_at = rng.choices(SLIPS, SLIP_SHARES)[0] if slip else ()
        total, steps, totals = values[0], [""], [values[0]]
        for i, value in enumerate(values[1:], start=1):
            after = total + value
            if i in wrong_at:
                wrong = [n for n in range(self.sum_range + 1) if n != after]
                after = rng.choice(wrong)
                if after == sum(values):  # two wrongs must not make a right
                    after = rng.choice([n for n in wrong if n != after])
            steps.append(f"{total} + {value} = {after}")
            totals.append(after)
            total = after
        if rng.random() < 0.5:
            return f"{', '.join(steps[1:])}.", str(total)
        return f"adding: {', '.join(str(t) for t in totals)}.", str(total)
