"""Tasks that are read as far as they are asked for, so that a run of many begins with the first of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from .errors import UserError
from .types import Task, digest

PORTION = 512
"""Tasks prepared and collected at a time (ours): their attempts are in memory together, those of all tasks are not."""


class Incoming(Sequence[Task]):
    """A sequence of tasks that reads on when it is asked further: its length, and whatever needs all, reads to the end.

    What was read stays. `source` gives a hash of what the tasks are made from.
    """

    def __init__(self, batches: Iterable[Sequence[Task]], source: Callable[[], str], total: int | None = None) -> None:
        self._batches: Iterator[Sequence[Task]] | None = iter(batches)
        self._read: list[Task] = []
        self._source, self._total = source, total
        self._failed: BaseException | None = None

    @overload
    def __getitem__(self, at: int) -> Task: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Task]: ...
    def __getitem__(self, at: int | slice) -> Task | Sequence[Task]:
        ends = [at.start, at.stop] if isinstance(at, slice) else [at]
        last = at.stop if isinstance(at, slice) else at + 1
        self._reach(None if last is None or any(end is not None and end < 0 for end in ends) else last)
        return self._read[at]

    def __len__(self) -> int:
        self._reach(None)
        return len(self._read)

    def __bool__(self) -> bool:
        self._reach(1)
        return bool(self._read)

    @property
    def total(self) -> int | None:
        """How many there are, None where that is not known yet."""
        return len(self._read) if self._batches is None else self._total

    @property
    def identity(self) -> str:
        """A hash of the first tasks and of what the others are made from: the same for the same tasks."""
        return digest([t.fingerprint for t in self[:PORTION]], self._source())

    def then(self, act: Callable[[Sequence[Task]], Sequence[Task]], *said: object) -> Incoming:
        """Return these tasks as `act` makes them, a portion at a time; `said` tells its settings, for the identity."""
        return Incoming((act(some) for some in portions(self)), lambda: digest(self._source(), said))

    def _reach(self, count: int | None) -> None:
        """Read until there are as many, all for None; what once failed fails again, since the rest is not known."""
        if self._failed is not None:
            raise self._failed
        while self._batches is not None and (count is None or len(self._read) < count):
            try:
                self._read += next(self._batches)
            except StopIteration:
                self._batches = None
            except BaseException as error:
                self._failed = error
                raise


def portions(tasks: Sequence[Task], size: int = PORTION) -> Iterator[Sequence[Task]]:
    """Yield tasks a portion at a time, reading no further than the portion."""
    at = 0
    while some := tasks[at : at + size]:
        yield some
        at += len(some)


def total_of(tasks: Sequence[Task]) -> int | None:
    """Return how many tasks there are, None where that is not known yet."""
    return tasks.total if isinstance(tasks, Incoming) else len(tasks)


def identity_of(tasks: Sequence[Task]) -> str:
    """Return a hash of tasks by which others are told from them."""
    return tasks.identity if isinstance(tasks, Incoming) else digest([t.fingerprint for t in tasks])


def distinct(tasks: Sequence[Task], seen: set[str] | None = None) -> None:
    """Raise UserError where two tasks share an id, or have one of `seen`, which they join.

    Their attempts could not be told apart.
    """
    seen = set() if seen is None else seen
    for task in tasks:
        if task.id in seen:
            raise UserError(f"two tasks have the id {task.id!r}; give each one of its own, training and test together")
        seen.add(task.id)
