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
from .grading.boxes import boxes, ordered, overlap
from .grading.equality import YES_NO, BadGold, same, yes_no
from .grading.extraction import DEFAULT_STEPS, Step, extract, is_moment, said_of, stated, take
from .grading.finals import bare, bounded, position, refused, said_again, was_exclaimed
from .grading.golds import is_notation, unread
from .grading.lists import alternatives, items
from .grading.quantities import Ambiguous, quantity
from .grading.spelling import clean
from .grading.words import plain
from .types import Task

Outcome = Literal["right", "wrong", "unknown"]

VERSION = 5
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

    @property
    def answer(self) -> str | None:
        """The answer as votes and comparisons of attempts take it: equal answers are equal texts but for case."""
        return None if self.found is None else self.found.strip().casefold()


_CHOICE = re.compile(r"\(?([A-Za-z])\)?(?:\s*[.:)]\s*(.*))?|\(([A-Za-z])\)\s*(.*)", re.S)
_GLOSSED = re.compile(
    r"(?i:it is |it's )?[\[{(]?([A-Z])[\]})]?(?:,? (?:because|since) .*|,? -+ (.*)| \((.*)\)| (.*)|\.?)"
    r"|(.*\S) \(([A-Z])\)",
    re.S,
)
"""A letter with the text or the reason of its choice beside it, or in brackets."""
_TWICE = re.compile(r"([^()]{1,60}?)\s+\(([^()]{1,60})\)")
_LABEL = re.compile(r"(?:the )?(?:option|choice)\s+", re.I)


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


def _said_once(text: str) -> str:
    """The text without what it says a second time in brackets, a number in digits and in words: "7 (seven)"."""
    match = _TWICE.fullmatch(text) if text.endswith(")") else None
    if match is None or any(c.isdigit() for c in match[1]) == any(c.isdigit() for c in match[2]):
        return text
    said = _compare(match[1], match[2], None)
    return match[1] if said is not None and said.outcome == "right" else text


def _verdict(same: bool | None, reason: str | None, found: str | None) -> Verdict:
    return Verdict("unknown", reason, found) if same is None else Verdict("right" if same else "wrong", None, found)


@dataclass(frozen=True)
class Grader:
    """Grades texts against the gold answers of their tasks; settings are per benchmark."""

    extract: tuple[Step, ...] = DEFAULT_STEPS
    """The extraction steps in order; `option` counts only for tasks with choices."""
    tolerance: float | None = None
    """Relative error that a number may have and be right (ChartQA: 0.05)."""
    symbolic: bool = True
    """Compare by algebra; without it, what only algebra could decide is unknown."""
    limit_s: float = 5.0
    """Hard limit of one algebraic check, in seconds; the start of a worker, once in a process, comes on top."""
    iou: float | None = None
    """Least overlap that is right, where the gold answer is a box of four numbers x1 y1 x2 y2."""

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
        """Grade each task's gold answer against itself, as it stands; what is not right can never be answered.

        A gold that algebra has to read must be readable, too, or at least be well-formed notation, which is
        compared as it is written: it would be the same as itself without.
        """
        verdicts = self._settle([self._first(None, task) for task in tasks])
        if not self.symbolic or self.iou is not None:
            return verdicts
        parts = {i: unread(clean(t.answer or "")) for i, t in enumerate(tasks) if not t.choices}
        checks = dict.fromkeys(symbolic.Check(part, None) for found in parts.values() for part in found)
        replies = dict(zip(checks, symbolic.check(list(checks), self.limit_s), strict=True))
        return [
            Verdict("unknown", "gold_unparsable", v.found)
            if any(replies[symbolic.Check(p, None)].same is False and not is_notation(p) for p in parts.get(i, []))
            else v
            for i, v in enumerate(verdicts)
        ]

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
        if self.iou is not None:
            return _grade_box(task.answer, self._region(text) if text is not None else task.answer, self.iou)
        try:
            found = task.answer if text is None else self._find(text, task, gold)
        except Ambiguous:
            return Verdict("unknown", "ambiguous", text)
        if found is None:
            return Verdict("unknown", "no_answer")
        if task.choices:
            return self._grade_choice(gold, found, task)
        verdict = self._grade_said(task.answer, found)
        if text is not None and verdict == Verdict("wrong", None, found) and was_exclaimed(found, text):
            factorial = self._grade_value(task.answer, found + "!")
            if isinstance(factorial, Verdict) and factorial.outcome == "right":
                return factorial if "!" in task.answer else Verdict("unknown", "ambiguous", found)
        return verdict

    def _grade_said(self, gold: str, found: str) -> Verdict | symbolic.Check:
        """The verdict on an answer as it stands or else without what is said about it: "exactly 7, not 8"."""
        verdict = self._grade_value(gold, found)
        if isinstance(verdict, Verdict) and verdict.outcome == "right":
            return verdict
        cleaned = clean(found)
        if twice := said_again(cleaned):
            return self._grade_twice(gold, found, twice)
        if (limit := bounded(cleaned)) and self._grade_value(gold, limit) == Verdict("right", None, limit):
            return Verdict("unknown", "ambiguous", found)
        return verdict if (left := bare(cleaned)) is None else self._grade_value(gold, left)

    def _grade_twice(self, gold: str, found: str, twice: tuple[str, str]) -> Verdict | symbolic.Check:
        """The verdict where both wordings have the same, or the second is words that say what the first means."""
        first, second = (self._grade_value(gold, said) for said in twice)
        if isinstance(first, symbolic.Check) or isinstance(second, symbolic.Check):
            return first
        if second.outcome == "wrong" and not any(c.isdigit() for c in twice[1]) and quantity(twice[1]) is None:
            return first
        return first if first.outcome == second.outcome else Verdict("unknown", "ambiguous", found)

    def _find(self, text: str, task: Task, gold: str) -> str | None:
        steps: list[Step] = [s for s in self.extract if s != "option" or task.choices]
        numeric = any(c.isdigit() or c in "\\^_+=$" for c in gold) or quantity(gold) is not None
        numeric |= len(gold) < 3 and gold.casefold() not in YES_NO
        found = take(text, steps, numeric or bool(task.choices), moment=is_moment(gold))
        if found is None and "number" in steps and len(gold) <= 5 and yes_no(gold) is not None:
            said = said_of(text)
            truth = yes_no((stated(said) or said).strip("*_ "))
            return None if truth is None else "yes" if truth else "no"
        return found

    def _region(self, text: str) -> str | None:
        """The part of a text that states its box: a tag, a LaTeX box, or the last line with one."""
        found = take(text, [s for s in self.extract if s in ("tag", "boxed")], numeric=True)
        if found is None and "number" in self.extract:
            said = said_of(text)
            whole = stated(said)
            found = next((t for t in (whole, *reversed(said.split("\n")), said) if t and boxes(t)), None)
        return found

    def _grade_value(self, gold: str, found: str) -> Verdict | symbolic.Check:
        gold, found = _said_once(gold), _said_once(found)
        compare = _compare if len(gold) + len(found) < 500 else _compare.__wrapped__
        verdict = compare(gold, found, self.tolerance)
        if verdict is not None:
            return verdict
        if not self.symbolic:
            return Verdict("unknown", "ambiguous", found)
        return symbolic.Check(gold, found, self.tolerance)

    def _grade_choice(self, gold: str, found: str, task: Task) -> Verdict | symbolic.Check:
        try:
            right = chosen(gold, task.choices, by_text_first=True)
        except Ambiguous:
            right = frozenset[int]()
        if not right:
            return Verdict("unknown", "gold_unparsable", found)
        try:
            cleaned = clean(found)
            given = chosen(cleaned, task.choices)
            if not given and (left := bare(cleaned)):
                found, given = left, chosen(left, task.choices)
        except Ambiguous:
            return Verdict("unknown", "ambiguous", found)
        if not given and (excluded := refused(clean(found))) and (out := chosen(excluded, task.choices)):
            return Verdict("wrong", None, found) if right & out else Verdict("unknown", "ambiguous", found)
        if not given and len(right) == 1:
            return self._grade_value(task.choices[min(right)], found)
        ours, theirs = ({task.choices[i] for i in named} for named in (right, given))
        if len(ours) == 1 and ours < theirs:
            return Verdict("unknown", "ambiguous", found)
        return _verdict(ours == theirs, None, found)


def chosen(answer: str, choices: Sequence[str], by_text_first: bool = False) -> frozenset[int]:
    """The positions of the choices that a cleaned answer names, several where it joins them; none where it names none.

    Raises:
        Ambiguous: as `choose`.
    """
    if len(answer) == 1:
        one = choose(answer, choices, by_text_first)
        return frozenset([] if one is None else [one])
    listed = items(answer)
    parts = alternatives(answer) or list(listed.parts if listed and listed.kind != "()" else ())
    if not parts:
        one = choose(answer, choices, by_text_first)
        return frozenset([] if one is None else [one])
    texts = [_unlabelled(choice) for choice in choices]
    said = _unlabelled(answer)
    whole = [i for i, t in enumerate(texts) if plain(t) == plain(said) or alternatives(t) == parts]
    if len(whole) == 1:
        return frozenset(whole)
    each = [choose(part, choices) for part in parts]
    if None not in each:
        return frozenset(i for i in each if i is not None)
    one = choose(answer, choices, by_text_first)
    return frozenset([] if one is None else [one])


def choose(answer: str, choices: Sequence[str], by_text_first: bool = False) -> int | None:
    """The position of the choice that a cleaned answer names by letter or by text; None where it names none.

    Raises:
        Ambiguous: the letter names one choice and the text another, or the text fits several.
    """
    texts = [_unlabelled(choice) for choice in choices]
    exact = [i for i, text in enumerate(texts) if text.casefold() == answer.casefold()]
    if len(exact) == 1 and (by_text_first or len(answer) > 1):
        return exact[0]
    if placed := position(answer, len(texts)):
        return _placed(*placed, answer, texts)
    match = _CHOICE.fullmatch(_LABEL.sub("", answer))
    if match is None and (glossed := _GLOSSED.fullmatch(answer)):
        return _glossed(glossed, texts, _only(_by_text(answer, texts)))
    letter = ((match[1] or match[3]) if match else None) or ""
    index = ord(letter.upper()) - ord("A") if letter else len(choices)
    said = clean((match[2] or match[4] or "") if match else "")
    named = _by_text(said if index < len(choices) and match else answer, texts)
    if index >= len(choices):
        return exact[0] if exact else _only(named)
    if named and index not in named:
        raise Ambiguous
    return index


def _placed(place: int, said: str, answer: str, texts: list[str]) -> int | None:
    """The choice at a place, as in "option 2", unless that or the text beside it is the text of another one."""
    named = _by_text(clean(said) if said else _LABEL.sub("", answer), texts)
    if named and place not in named:
        raise Ambiguous
    return place if place < len(texts) else None


def _glossed(match: re.Match[str], texts: list[str], whole: int | None) -> int | None:
    """The choice of a letter beside a text; the text alone decides where it is a part of another, as in "A dog"."""
    index = ord(match[1] or match[6]) - ord("A")
    said = clean(match[2] or match[3] or match[4] or match[5] or "")
    if whole is not None or index >= len(texts):
        return whole
    named = _by_text(said, texts)
    if index in named or not said:
        return index
    if named and not match[4]:
        raise Ambiguous
    return None


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


def _grade_box(gold: str, found: str | None, least: float) -> Verdict:
    ours = boxes(gold)
    if len(ours) != 1 or overlap(ours[0], ours[0]) != 1:
        return Verdict("unknown", "gold_unparsable", found)
    theirs = boxes(found or "")
    if not theirs:
        return Verdict("unknown", "no_answer", found)
    verdicts = {overlap(ours[0], ordered(box)) >= least for box in theirs}
    return _verdict(verdicts.pop() if len(verdicts) == 1 else None, "ambiguous", found)
