# pyright: strict
"""Take the answer out of a text and say whether it is right.

A verdict has three outcomes. "unknown" means that this grader cannot tell, with a reason; it is never
counted as wrong. Finding the answer is one place (`extract`), comparing another (`equality.py`);
algebra runs in processes that are killed at a limit (`symbolic.py`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal

from .grading import symbolic
from .grading.equality import BadGold, clean, same, yes_no
from .grading.quantities import Ambiguous, parse_unit, quantity
from .types import Task

Outcome = Literal["right", "wrong", "unknown"]
Step = Literal["tag", "boxed", "option", "number"]

VERSION = 1
DEFAULT_STEPS: tuple[Step, ...] = ("tag", "boxed", "option", "number")


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


# ---- extraction

_TAG = re.compile(r"<(/?)answer>", re.I)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{|(\\?\w+))")
_STATED = re.compile(
    r"(?:\banswers?\b[*_]{0,3}\s{0,3}(?:is|are|was|:|=|\uff1a)|答案(?:是|为|:|\uff1a))\s*:?[*_\s]{0,9}", re.I
)
_SENTENCE_END = re.compile(r"\n|\.(?=\s|$)|</?[a-z]|$", re.I)
_LETTER = r"[\[(]?[*_]{0,3}([A-Z])[*_]{0,3}[\])]?(?![\w'])"
_OPTIONS = (
    re.compile(r"(?i:\b(?:answer|option|choice)s?[*_]{0,3}\s{0,3}(?:is|are|:|=|would be)?\s{0,3}:?\s{0,3}"
               r"[*_]{0,3}(?:option |choice )?|答案(?:是|为)?[:\uff1a]?\s?)"
               + _LETTER + r"(?!(?<=[AI])\s+(?!because|since|as\b|and\b|which)[a-z])"),
    re.compile(r"(?:^|\n)[ \t]*" + _LETTER + r"(?:[.:)][^\n]*)?\s*$"),
    re.compile(r"\(([A-Z])\)"),
    re.compile(r"(?<![\w'])([A-Z])[.*\s]{0,5}$"),
)  # fmt: skip
_NUM = r"[-+\u2212]?[$\u20ac\u00a3\u00a5]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
_CANDIDATE = re.compile(
    r"\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,2000}\$|\\\((?:(?!\\[()]).){1,2000}\\\)|\\\[(?:(?!\\[\[\]]).){1,2000}\\\]"
    r"|[\[(]\s*" + _NUM + r"(?:\s*,\s*" + _NUM + r"){1,50}\s*[\])]"
    r"|(?<![\w.,/\\])" + _NUM + r"(?:\s*/\s*\d+(?![\d/]))?(?:\s*%|\s*percent\b)?",
    re.S,
)  # fmt: skip
_SQUARED = r"(?:\^?[23\u00b2\u00b3])?"
_UNIT = re.compile(r"\s?(?!in\s+\w)((?:\u00b0[CF]?|[A-Za-z\u00b5]+)" + _SQUARED + r"(?:/[A-Za-z]+" + _SQUARED + ")?)")
_PROSE = re.compile(
    r"\b(?:is|are|was|were|has|have|there|so|because|thus|(?-i:I)|we|it|this|that|to|answer|hence|therefore|since|can)\b",
    re.I,
)
_WORDS = re.compile(r"(?<![\\\w])[^\W\d_]{2,}")
_CHOICE = re.compile(r"\(?([A-Za-z])\)?(?:\s*[.:)]\s*(.*))?|\(([A-Za-z])\)\s*(.*)", re.S)
_MOST_WORDS = 8
_LABEL = re.compile(r"(?:the )?(?:option|choice)\s+", re.I)
_FLOAT = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")


def extract(text: str, steps: Sequence[Step] = DEFAULT_STEPS) -> str | None:
    r"""Take the answer out of `text` by the first of `steps` that finds one.

    "tag" is the last complete <answer>…</answer>; "boxed" the last \boxed{…}; "option" the last option
    letter stated as the answer; "number" the text itself when it is nothing but an answer, else what
    follows the last "answer is" or "Answer:", else the last number or formula. What follows a closed
    </think> is searched first.
    """
    return _extract(text, steps, numeric=True)


def _extract(text: str, steps: Sequence[Step], numeric: bool) -> str | None:
    thought, _, said = text.rpartition("</think>")
    for part in (said, text) if thought else (text,):
        for step in steps:
            found = _number(part, numeric) if step == "number" else _STEPS[step](part)
            if found is not None and (found := found.strip()):
                return found
    return None


def _tag(text: str) -> str | None:
    marks = list(_TAG.finditer(text))
    for opening, closing in zip(reversed(marks[:-1]), reversed(marks[1:]), strict=True):
        if not opening[1] and closing[1]:
            inner = text[opening.end() : closing.start()]
            return _boxed(inner) or inner
    return None


def _boxed(text: str) -> str | None:
    for match in list(_BOX.finditer(text))[-1:-4:-1]:
        inner = match[1] or _braced(text, match.end())
        if inner.strip(" {}$"):
            return inner
    return None


def _braced(text: str, at: int) -> str:
    """The group that opens at `at`; one that never closes ends with its line."""
    depth, i = 0, at
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 1
        elif c in "{}":
            depth += 1 if c == "{" else -1
            if depth == 0:
                return text[at + 1 : i]
        i += 1
    return text[at + 1 :].split("\n")[0].rstrip(" $")


def _option(text: str) -> str | None:
    text = text.rstrip()
    for pattern in _OPTIONS:
        letters = pattern.findall(text)
        if letters:
            return letters[-1]
    return None


def _number(text: str, numeric: bool = True) -> str | None:
    """The last quantity; without `numeric`, only a text or statement that is nothing but an answer."""
    text = text.strip()
    if max(text.rfind("\\["), text.rfind("\\(")) > max(text.rfind("\\]"), text.rfind("\\)")):
        return None  # it stops inside a formula
    if _is_bare(text):
        return text
    if stated := _last(_STATED, text):
        rest = text[stated.end() :]
        end = _SENTENCE_END.search(rest)
        said = rest[: end.start() if end else None].strip(" *_")
        if _is_bare(said):
            return said
        if numeric and (first := _CANDIDATE.search(said)):
            return _with_unit(said, first)
    last = _last(_CANDIDATE, text) if numeric else None
    return _with_unit(text, last) if last else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return deque(pattern.finditer(text), maxlen=1).pop() if pattern.search(text) else None


def _with_unit(text: str, match: re.Match[str]) -> str:
    unit = _UNIT.match(text, match.end())
    known = unit and (unit_of := parse_unit(unit[1])) and not unit_of.noun
    return match[0] + (" " + unit[1] if unit and known else "")


def _is_bare(text: str) -> bool:
    """Whether a text is nothing but an answer: one line of few words, none of which makes a sentence."""
    if not text or "\n" in text or "\\boxed" in text or _PROSE.search(text[:1000]):
        return False
    words = _WORDS.findall(text)
    return len(words) <= (_MOST_WORDS if len(text) <= 1000 else 0) and all(len(w) <= 25 for w in words)


_STEPS: dict[Step, Callable[[str], str | None]] = {"tag": _tag, "boxed": _boxed, "option": _option}


# ---- grading


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
        if self.limit_s <= 0 or (self.tolerance or 0) < 0:
            raise ValueError(f"limit_s={self.limit_s} must be above 0 and tolerance={self.tolerance} not below it")

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
        verdicts: list[Verdict | symbolic.Check] = [self._first(text, task) for text, task in items]
        checks = [v for v in verdicts if isinstance(v, symbolic.Check)]
        replies = iter(symbolic.check(checks, self.limit_s))
        return [
            _verdict((reply := next(replies)).same, reply.reason, v.found) if isinstance(v, symbolic.Check) else v
            for v in verdicts
        ]

    def _first(self, text: str, task: Task) -> Verdict | symbolic.Check:
        """The verdict, or the check that it depends on."""
        if task.answer is None:
            raise ValueError(f"task {task.id!r} has no answer; grading needs one (label it or leave it out)")
        gold = clean(task.answer)
        if not gold:
            return Verdict("unknown", "gold_unparsable")
        found = self._find(text, task, gold)
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
        found = _extract(text, steps, numeric or bool(task.choices))
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
