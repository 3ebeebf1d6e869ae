"""From rows to tasks that a run can learn from: what each of them has to be, and what is left out, with reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Literal

from .answers import Grader, Verdict
from .data.load import read
from .errors import TaskError
from .grading.golds import fault
from .grading.spelling import clean
from .ledger.visible import word
from .progress import say
from .types import Task, digest

if TYPE_CHECKING:
    from .data.contamination import Overlap

UNSEEN = 200  # tasks to measure on where none are named: ours
BAD_GOLD = 0.01  # share of gold answers that may fail their own grader: ours
SHOWN = 20  # rows left out that are named on the screen; the ledger names all


class Intake:
    """The labelled tasks of a source as they are read: all have an answer which its own grader takes.

    Rows are checked when they are read, so the shares that stop are those of the rows so far; `left_out` grows.
    One without an answer is a row that cannot be used.
    """

    def __init__(
        self,
        spec: str,
        split: Literal["train", "test"] = "train",
        max_bad: float = 0.0,
        grader: Grader | None = None,
        allow_bad_gold: bool = False,
        format: str = "",
    ) -> None:
        self.spec = spec
        self.left_out: list[tuple[str, str]] = []
        self._reading = read(spec, split=split, format=format)
        self._max_bad, self._grader, self._allow_bad_gold = max_bad, grader or Grader(), allow_bad_gold
        self._state, self._content = self._reading.state(), ""
        self._tasks = self._announced = 0
        self._new: list[tuple[str, str]] = []
        self._refused: list[tuple[str, str]] = []
        self._without: list[tuple[str, str]] = []
        self._batches = self._graded()

    def first(self, enough: float = inf, held_out: int = 0) -> list[Task]:
        """Return the tasks of the first `enough` rows, and of more until `held_out` of them can be held out.

        Raises TaskError where too many cannot be used, of which are those without an answer.
        """
        found: list[Task] = []
        for batch in self._batches:
            found += batch
            if self._reading.rows >= enough and len(held_out_of(found, held_out)) == held_out:
                break
        if self._reading.read_as and self._tasks:  # before a refusal, too: it says which column was the answer
            say(f"  {self.spec} read as {self._reading.read_as}")
        self._reading.require(self._max_bad, self._without)
        self._require_golds()
        self._announce()
        return found

    def rest(self) -> Iterator[list[Task]]:
        """Yield the tasks of the other rows as they are read.

        Raises TaskError once too many cannot be used, of which are those without an answer, and where the rows are no
        longer those of the same content as the first ones.
        """
        while (batch := self._next()) is not None:
            self._reading.require(self._max_bad, self._without)
            self._require_golds()
            self._announce()
            yield batch

    @property
    def whole(self) -> bool:
        """Whether all rows are read."""
        return self._reading.whole

    def identity(self) -> str:
        """Return a hash of the content that the rows are read from, as it was when that began."""
        if not self._content:
            try:
                content = self._reading.identity()
            except OSError as gone:
                raise self._changed() from gone
            if self._reading.state() != self._state:  # the first rows may be of what it was before
                raise self._changed()
            self._content = content
        return self._content

    def _next(self) -> list[Task] | None:
        """Return the tasks of the next rows, None at the end; rows of a file that was cut end early, or are broken."""
        try:
            batch = next(self._batches, None)
        except TaskError:
            self._require_same(whole=False)
            raise
        self._require_same(whole=batch is None)
        return batch

    def _require_same(self, whole: bool) -> None:
        state = self._reading.state()
        if state == self._state and not (whole and self._content):
            return
        try:
            same = self._reading.identity() == self._content
        except OSError:  # it is gone
            same = False
        if not same:
            raise self._changed()
        self._state = state  # it was touched

    def _changed(self) -> TaskError:
        return TaskError(
            f"task file {self.spec!r} changed while it was being read: its first rows and the others are not of one "
            "file; the same command with the file as it was goes on from there, another --out begins with it as it is"
        )

    def _graded(self) -> Iterator[list[Task]]:
        """Grade the gold answers of batch after batch; `first` and `rest` judge what that finds."""
        skipped = 0
        for batch in self._reading.batches:
            new, skipped = self._reading.skipped[skipped:], len(self._reading.skipped)
            self._tasks += len(batch)
            without = [(t.id, "has no answer") for t in batch if t.answer is None]
            asked = [t for t in batch if t.answer is not None]
            golds = zip(asked, self._grader.grade_golds(asked), strict=True)
            refused = {t.id: refusal(t, verdict) for t, verdict in golds if verdict.outcome != "right"}
            self._without += without
            self._refused += refused.items()
            self._new += [*new, *refused.items(), *without]
            self.left_out += [*new, *refused.items(), *without]
            yield [t for t in asked if t.id not in refused]

    def _require_golds(self) -> None:
        refused, golds = len(self._refused), self._tasks - len(self._without)
        if refused < golds and (refused / golds <= BAD_GOLD or self._allow_bad_gold):
            return
        name, reason = self._refused[0]
        raise TaskError(
            f"{refused} of {self._count(golds)} gold answers in {self.spec} are not right by their own grader, such as "
            f"{name!r}: {reason}; write them as one plain answer, or leave them out with --allow-bad-gold",
            self.left_out,
        )

    def _count(self, some: int) -> str:
        return f"{some}" if self.whole else f"the first {some}"

    def _announce(self) -> None:
        """Say which rows became no task since it was said last."""
        for name, reason in self._new[: max(0, SHOWN - self._announced)]:
            say(f"  left out {word(name)}: {word(reason)}")
        self._announced += len(self._new)
        if self._new:
            gone, rows = self._announced, self._reading.rows
            more = f", {gone - SHOWN} of them not named here" if gone > SHOWN else ""
            so_far = "" if self.whole else f"the first {rows} rows of "
            say(f"  {gone} of {so_far or f'{rows} rows of '}{self.spec} ({gone / rows:.1%}) are left out{more};")
            say("  `sharpen show DIR --left-out` on the run's folder names all of them")
        self._new = []


def refusal(task: Task, verdict: Verdict) -> str:
    """Say why a gold answer is none by its own grader."""
    why = verdict.reason or "it is not the same as itself"
    if verdict.reason == "gold_unparsable" and not task.choices and (damage := fault(clean(task.answer or ""))):
        why += f": {damage}"
    return f"its gold answer {task.answer!r} fails its grader ({why})"


def held_out_of(tasks: Sequence[Task], most: int = UNSEEN) -> list[Task]:
    """Return a tenth of the tasks, by a hash of their ids so that it is the same tenth each time, but no more."""
    return list(islice((t for t in tasks if int(digest("held out", t.id)[:8], 16) % 10 == 0), most))


class Apart:
    """Tells which tasks to learn from the unseen ones repeat, and with `drop` leaves them out; the lists grow."""

    def __init__(self, test: Sequence[Task], drop: bool, left_out: list[tuple[str, str]]) -> None:
        from .data.contamination import Unseen

        self.contaminated: list[Overlap] = []
        self._unseen, self._drop, self._left_out = Unseen(test), drop, left_out
        self._found = self._seen = 0

    def __call__(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Return those of some tasks that may be learnt from, and say what was found."""
        found = self._unseen.overlaps(tasks)
        for overlap in found[: max(0, SHOWN - self._found)]:
            say(f"  task {word(overlap.train)} {word(overlap.reason)}")
        self._found += len(found)
        self._seen += len(tasks)
        if not found:
            return tasks
        more = f", {self._found - SHOWN} of them not named here" if self._found > SHOWN else ""
        say(f"  {self._found} of {self._seen} tasks to learn from are measured on, too{more};")
        if not self._drop:
            say("  accuracy on them is no accuracy on unseen tasks; leave them out with --drop-contaminated")
            self.contaminated += found
            return tasks
        say("  they are left out")
        self._left_out += [(overlap.train, overlap.reason) for overlap in found]
        names = {overlap.train for overlap in found}
        return [task for task in tasks if task.id not in names]
