"""What methods share: the settings of sampling, verified attempts, seed traces, and prefix resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import require
from .scorers.correct import correct
from .types import Group, Prefix, Rollout, Task, View
from .verbs import cap, cut, each, first_unexpected, solution, where
from .views import asked, question_first

if TYPE_CHECKING:
    from .run import Run

Start = Literal["base", "last"]
Calibration = Literal["question_first", "asked"]
CALIBRATIONS: Mapping[str, View] = {"question_first": question_first, "asked": asked}


def at_least(settings: object, least: float, *names: str) -> None:
    """Raise UserError for a setting below `least`; None is a setting left open."""
    for name in names:
        value = getattr(settings, name)
        require(value is None or value >= least, name.replace("_", "-"), value, f"{least:g} or more")


@dataclass(frozen=True)
class Sampled:
    """Settings of a method that samples and verifies; a subclass says what its paper has."""

    samples: int = 10  # K
    temperature: float = 1.0
    max_tokens: int | None = None  # None takes the model's own
    start: Start = "base"  # the weights that each round trains

    def __post_init__(self) -> None:
        at_least(self, 1, "samples", "max_tokens")
        at_least(self, 0, "temperature")

    def attempts(
        self, run: Run, tasks: Sequence[Task], n: int | Sequence[int] | None = None, view: View | None = None
    ) -> list[Group]:
        """Write n attempts at each task, `samples` for None, and verify them."""
        n = self.samples if n is None else n
        groups = run.sample(tasks, n, view=view, temperature=self.temperature, max_tokens=self.max_tokens)
        return run.score(groups, correct)


@dataclass(frozen=True)
class Repairing(Sampled):
    """Settings of a method that resumes failed attempts from their good prefix (VISTA, arXiv 2605.11931)."""

    resamples: int = 3  # J, continuations of a prefix; 0 is no prefix resampling
    top: int = 5  # k, critical token
    calibration: Calibration = "question_first"  # the order in which failed attempts are read; `asked`: not swapped

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "resamples")
        at_least(self, 1, "top")

    def prefixes(self, run: Run, groups: Sequence[Group]) -> list[Prefix]:
        """Return the prefixes of all attempts not verified as correct, in order."""
        failed = each(where(groups, lambda r: r[correct] != 1))
        return prefixes(run, failed, self.top, CALIBRATIONS[self.calibration]) if self.resamples else []

    def rescue(self, run: Run, groups: Sequence[Group]) -> list[Group]:
        """Resume each attempt not verified as correct from its good prefix; one group per prefix."""
        return self.resumed(run, self.prefixes(run, groups), self.resamples)

    def resumed(self, run: Run, found: Sequence[Prefix], n: int | Sequence[int]) -> list[Group]:
        """Write n continuations of each prefix with the original prompt, and verify them."""
        groups = run.resume(found, n, temperature=self.temperature, max_tokens=self.max_tokens)
        return run.score(groups, correct)


def prefixes(run: Run, failed: Sequence[Rollout], top: int = 5, view: View = question_first) -> list[Prefix]:
    """Cut each failed attempt at its critical token and put the likeliest token there.

    The critical token is the first that is not among the `top` likeliest when the attempt is read as `view`
    shows its task; an attempt without one is left out and noted (ours: the paper leaves it open).
    Source: VISTA (arXiv 2605.11931), prefix resampling.
    """
    found: list[Prefix] = []
    for rollout, reading in zip(failed, run.read(failed, view=view, top=top), strict=True):
        at = first_unexpected(reading, top)
        if at is None:
            run.note("no critical token", f"all tokens among the {top} likeliest", rollout)
        else:
            found.append(cut(rollout, at, then=reading.top[at][:1]))
    return found


def limited(run: Run, found: Sequence[Group], most: int | None) -> list[Group]:
    """Keep a seeded draw of at most `most` attempts a question, all for None, and note the rest as dropped."""
    kept = list(found) if most is None else cap(found, most, run.seed)
    run.drop(found, kept, f"more than {most} correct attempts at one question")
    return kept


def tokens_after(prefix: Prefix) -> int:
    """Return how many tokens its attempt had after the critical one: what a continuation is expected to take."""
    return max(0, len(prefix.parent.ids) - prefix.keep - len(prefix.then))


def seed_traces(run: Run, tasks: Sequence[Task]) -> list[Group]:
    """Return the reference solutions of the tasks as ready-made attempts; a task without one is noted."""
    for task in (t for t in tasks if solution(t) is None):
        run.note("no seed trace", "the task carries no reference solution", task=task)
    return run.given([(task, text) for task in tasks if (text := solution(task)) is not None])
