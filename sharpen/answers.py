# pyright: strict
"""Take the answer out of a text and say whether it is right.

A verdict has three outcomes. "unknown" means that this grader cannot tell, with a reason; it is never
counted as wrong. Finding the answer is one place (`extraction.py`), comparing another (`equality.py`);
algebra runs in processes that are killed at a limit (`symbolic.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from math import inf
from typing import Literal

from .errors import require
from .grading import symbolic
from .grading.equality import BadGold, same, yes_no
from .grading.extraction import DEFAULT_STEPS, Step, extract, take
from .grading.quantities import Ambiguous, quantity
from .grading.spelling import clean
from .types import Task

Outcome = Literal["right", "wrong", "unknown"]

VERSION = 2
__all__ = ["DEFAULT_STEPS", "VERSION", "Grader", "Outcome", "Step", "Verdict", "choose", "extract", "overlap"]


@dataclass(frozen=True)
class Verdict:
    """What the grader says of one text.

    `reason` is set when unknown: "no_answer", "gold_unparsable", "timeout", "crash" or "ambiguous".
    `found` is the answer as it was taken from the text.
    """

    outcome: Outcome
    reason: str | None = None
    found: str | None = None

    @property
    def score(self) -> float | None:
        """1.0, 0.0 or, when unknown, None."""
        return {"right": 1.0, "wrong": 0.0, "unknown": None}[self.outcome]


_CHOICE = re.compile(r"\(?([A-Za-z])\)?(?:\s*[.:)]\s*(.*))?|\(([A-Za-z])\)\s*(.*)", re.S)
_LABEL = re.compile(r"(?:the )?(?:option|choice)\s+", re.I)
_FLOAT = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")


class _NeedsAlgebra(Exception):
    pass


def _decide(gold: str, found: str) -> bool:
    raise _NeedsAlgebra


@lru_cache(maxsize=1 << 16)
def _compare(gold: str, found: str, tolerance: float | None) -> Verdict | None:
    """The verdict without algebra; None where algebra has to decide."""
    try:
        return _verdict(same(gold, found, _decide, tolerance), None, found)
    except _NeedsAlgebra:
        return None
    except Ambiguous:
        return Verdict("unknown", "ambiguous", found)
    except BadGold:
        return Verdict("unknown", "gold_unparsable", found)
    except TimeoutError:
        return Verdict("unknown", "timeout", found)


def _verdict(same: bool | None, reason: str | None, found: str) -> Verdict:
    return Verdict("unknown", reason, found) if same is None else Verdict("right" if same else "wrong", None, found)


@dataclass(frozen=True)
class Grader:
    """Grades texts against the gold answers of their tasks; settings are per benchmark.

    `extract` are the extraction steps in order; "option" counts only for tasks with choices.
    `tolerance` is relative (ChartQA: 0.05). With `iou`, the gold answer is a box of four numbers
    x1 y1 x2 y2, and an overlap of at least that is right. Without `symbolic`, what only algebra could
    decide is unknown. `limit_s` is the hard limit of one algebraic check, in seconds.
    """

    extract: tuple[Step, ...] = DEFAULT_STEPS
    tolerance: float | None = None
    symbolic: bool = True
    limit_s: float = 5.0
    iou: float | None = None

    def __post_init__(self) -> None:
        unknown = set(self.extract) - set(DEFAULT_STEPS)
        if unknown or not self.extract:
            raise ValueError(f"extract={self.extract}: the steps are {', '.join(DEFAULT_STEPS)}")
        require(0 < self.limit_s < inf, "grader.limit-s", self.limit_s, "a number of seconds above 0")
        require(self.tolerance is None or 0 <= self.tolerance < inf, "grader.tolerance", self.tolerance, "0 or more")
        require(self.iou is None or 0 < self.iou <= 1, "grader.iou", self.iou, "more than 0 and at most 1")

    @property
    def name(self) -> str:
        """The grader's version and the settings that are not the default."""
        changed = [f"{f.name}={v!r}" for f in fields(self) if (v := getattr(self, f.name)) != f.default]
        return f"answers-{VERSION}" + (f"({', '.join(changed)})" if changed else "")

    def grade(self, text: str, task: Task) -> Verdict:
        """Say whether `text` answers `task`; raises ValueError where the task has no answer."""
        return self.grade_all([(text, task)])[0]

    def grade_all(self, items: Sequence[tuple[str, Task]]) -> list[Verdict]:
        """Grade a batch; checks that need algebra go to the workers together."""
        return self._settle([self._first(text, task) for text, task in items])

    def grade_golds(self, tasks: Sequence[Task]) -> list[Verdict]:
        """Grade each task's gold answer against itself, as it stands; what is not right can never be answered."""
        return self._settle([self._first(None, task) for task in tasks])

    def _settle(self, verdicts: Sequence[Verdict | symbolic.Check]) -> list[Verdict]:
        checks = [v for v in verdicts if isinstance(v, symbolic.Check)]
        replies = iter(symbolic.check(checks, self.limit_s))
        return [
            _verdict((reply := next(replies)).same, reply.reason, v.found) if isinstance(v, symbolic.Check) else v
            for v in verdicts
        ]

    def _first(self, text: str | None, task: Task) -> Verdict | symbolic.Check:
        """The verdict on a text, or on the gold answer itself for None, or the check that it depends on."""
        if task.answer is None:
            raise ValueError(f"task {task.id!r} has no answer; grading needs one (label it or leave it out)")
        gold = clean(task.answer)
        if not gold:
            return Verdict("unknown", "gold_unparsable")
        found = task.answer if text is None else self._find(text, task, gold)
        if found is None:
            return Verdict("unknown", "no_answer")
        if self.iou is not None:
            return _grade_box(task.answer, found, self.iou)
        if task.choices:
            return self._grade_choice(gold, found, task)
        return self._grade_value(task.answer, found)

    def _find(self, text: str, task: Task, gold: str) -> str | None:
        steps: list[Step] = [s for s in self.extract if s != "option" or task.choices]
        numeric = any(c.isdigit() or c in "\\^_+=$" for c in gold) or len(gold) < 3 or quantity(gold) is not None
        found = take(text, steps, numeric or bool(task.choices))
        if found is None and "number" in steps and yes_no(gold) is not None and len(gold) <= 5:
            truth = yes_no(text.rpartition("</think>")[2].strip())
            return None if truth is None else "yes" if truth else "no"
        return found

    def _grade_value(self, gold: str, found: str) -> Verdict | symbolic.Check:
        compare = _compare if len(gold) + len(found) < 500 else _compare.__wrapped__
        verdict = compare(gold, found, self.tolerance)
        if verdict is not None:
            return verdict
        if not self.symbolic:
            return Verdict("unknown", "ambiguous", found)
        return symbolic.Check(gold, found, self.tolerance)

    def _grade_choice(self, gold: str, found: str, task: Task) -> Verdict | symbolic.Check:
        right = choose(gold, task.choices, by_text_first=True)
        if right is None:
            return Verdict("unknown", "gold_unparsable", found)
        try:
            index = choose(clean(found), task.choices)
        except Ambiguous:
            return Verdict("unknown", "ambiguous", found)
        if index is None:
            return self._grade_value(task.choices[right], found)
        return _verdict(index == right or task.choices[index] == task.choices[right], None, found)


def choose(answer: str, choices: Sequence[str], by_text_first: bool = False) -> int | None:
    """The position of the choice that a cleaned answer names by letter or by text; None where it names none.

    Raises:
        Ambiguous: the letter names one choice and the text another, or the text fits several.
    """
    texts = [_unlabelled(choice) for choice in choices]
    exact = [i for i, text in enumerate(texts) if text.casefold() == answer.casefold()]
    if len(exact) == 1 and (by_text_first or len(answer) > 1):
        return exact[0]
    match = _CHOICE.fullmatch(_LABEL.sub("", answer))
    letter = ((match[1] or match[3]) if match else None) or ""
    index = ord(letter.upper()) - ord("A") if letter else len(choices)
    said = clean((match[2] or match[4] or "") if match else "")
    named = _by_text(said if index < len(choices) and match else answer, texts)
    if index >= len(choices):
        return exact[0] if exact else _only(named)
    if named and index not in named:
        raise Ambiguous
    return index


def _only(named: list[int]) -> int | None:
    if len(named) > 1:
        raise Ambiguous
    return named[0] if named else None


def _unlabelled(choice: str) -> str:
    text = clean(choice)
    return re.sub(r"^(?:\([A-Z]\)|[A-Z][.):])\s+(?=\S)", "", text)


def _by_text(answer: str, texts: Sequence[str]) -> list[int]:
    verdicts = [_compare(text, answer, None) if answer and text else None for text in texts]
    return [i for i, v in enumerate(verdicts) if v is not None and v.outcome == "right"]


def _grade_box(gold: str, found: str, least: float) -> Verdict:
    boxes = [[float(n) for n in _FLOAT.findall(text)] for text in (gold, re.sub(r"bbox_2d|bbox2d", "", found))]
    if len(boxes[0]) != 4:
        return Verdict("unknown", "gold_unparsable", found)
    return _verdict(len(boxes[1]) == 4 and overlap(boxes[0], boxes[1]) >= least, None, found)


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x1 y1 x2 y2."""
    wide, high = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = [max(0.0, c[2] - c[0]) * max(0.0, c[3] - c[1]) for c in (a, b)]
    union = sum(areas) - wide * high
    return wide * high / union if union > 0 else 0.0
