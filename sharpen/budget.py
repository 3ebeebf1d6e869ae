"""The same spending for every method: a round's number of samples is chosen so that it costs what another's did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal

from .examples import Example
from .incoming import PORTION
from .methods import Method
from .run import Run
from .store import Store
from .types import Task
from .variants import split, with_samples

Unit = Literal["tokens", "attempts"]
Equal = Literal["tokens", "attempts", "none"]


def own_samples(method: Method) -> int | None:
    """Return a method's number of samples; None for a method that has no such setting."""
    named = {f.name for f in fields(method)}  # type: ignore[arg-type]  # a Method is a dataclass
    return int(getattr(method, "samples")) if "samples" in named else None  # noqa: B009


def can_choose(word: str, method: Method) -> bool:
    """Whether another number of samples is more or less of the same.

    Not where the method has no such number or its word sets it, and not where it is greedy: its attempts are all alike.
    """
    return own_samples(method) is not None and "samples" not in split(word)[1] and getattr(method, "temperature", 1) > 0


@dataclass(frozen=True)
class Budgeted:
    """A method that spends about `targets[round - 1]` tokens or attempts in each round.

    A round is tried with half of the method's samples first; what it spends then, it spends in proportion.
    The trial's attempts are the first ones of the real collection, which finds them in the ledger.
    """

    whole: ClassVar[bool] = True  # one number of samples for all tasks of a round
    method: Method
    samples: int
    unit: Unit
    targets: Sequence[float]
    chosen: dict[int, int] = field(default_factory=dict[int, int], compare=False)
    """Samples by round, as they are chosen."""

    @property
    def lr_share(self) -> float:
        """Its share of the model's recommended learning rate: the method's."""
        return getattr(self.method, "lr_share", 1.0)

    @property
    def start(self) -> Literal["base", "last"]:
        """Which weights each round trains: the method's."""
        return self.method.start

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Example]:
        """Try, choose the number of samples, and collect with it."""
        trial = max(1, self.samples // 2)
        _collect(with_samples(self.method, trial), run, tasks)
        spent = spending(run.store, run.round, self.unit)
        run.store.set_aside(run.scope, run.round)  # takes back what the trial counted; its attempts and scores stay
        target = self.targets[run.round - 1]
        self.chosen[run.round] = n = max(1, round(trial * target / spent)) if spent else self.samples
        run.note("budget", f"{n} samples instead of {self.samples}, to spend {target:,.0f} {self.unit}")
        return _collect(with_samples(self.method, n), run, tasks)


def _collect(method: Method, run: Run, tasks: Sequence[Task]) -> list[Example]:
    """Collect as the loop does: in portions whose calls are counted anew."""
    size = len(tasks) if getattr(method, "whole", False) else PORTION
    return [e for part, some in run.portions(tasks, size) for e in method.collect(part, some)]


def spending(store: Store, round: int, unit: Unit) -> int:
    """Return what the attempts that a round counts came to."""
    found = store.tally(round, 0, 0)
    return found.tokens if unit == "tokens" else found.attempts + found.resumed
