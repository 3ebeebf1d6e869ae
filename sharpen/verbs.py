"""The verbs that cost nothing: pure functions from groups to groups, prefixes and examples."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from .examples import Examples, Imitate, Prefer, Reinforce
from .types import Author, Group, Named, Prefix, Reading, Rollout, Task, digest


def each(groups: Iterable[Group]) -> list[Rollout]:
    """Return all attempts of all groups, in order."""
    return [r for g in groups for r in g.rollouts]


def where(groups: Iterable[Group], keep: Callable[[Rollout], bool]) -> list[Group]:
    """Keep the attempts for which `keep` holds; a group left empty stays, so that tasks can be counted."""
    return [Group(g.task, tuple(r for r in g.rollouts if keep(r))) for g in groups]


def right(groups: Iterable[Group], scorer: Named) -> list[Group]:
    """Keep the attempts scored 1; an unknown score is not right."""
    return where(groups, lambda r: r[scorer] == 1)


def wrong(groups: Iterable[Group], scorer: Named) -> list[Group]:
    """Keep the attempts scored 0; an unknown score is not wrong."""
    return where(groups, lambda r: r[scorer] == 0)


def merge(*batches: Iterable[Group]) -> list[Group]:
    """Join groups of the same task, in the order in which tasks and attempts first appear."""
    tasks: dict[str, Group] = {}
    for group in (g for batch in batches for g in batch):
        seen = tasks.get(group.task.id)
        tasks[group.task.id] = Group(group.task, (seen.rollouts if seen else ()) + group.rollouts)
    return list(tasks.values())


def dedupe(groups: Iterable[Group], same: Callable[[Rollout], object] = lambda r: r.ids) -> list[Group]:
    """Keep the first of the attempts of a task that `same` maps to one value; by default equal ids."""
    result: list[Group] = []
    for group in groups:
        first: dict[object, Rollout] = {}
        for rollout in group.rollouts:
            first.setdefault(same(rollout), rollout)
        result.append(Group(group.task, tuple(first.values())))
    return result


def cap(groups: Iterable[Group], most: int, seed: int = 0) -> list[Group]:
    """Keep at most `most` attempts a task, drawn by an address so that other tasks do not matter."""
    result: list[Group] = []
    for group in groups:
        rollouts = group.rollouts
        if len(rollouts) > most:
            draw = random.Random(digest("cap", seed, group.task.id))
            kept = sorted(draw.sample(range(len(rollouts)), most))
            rollouts = tuple(rollouts[i] for i in kept)
        result.append(Group(group.task, rollouts))
    return result


def best(groups: Iterable[Group], most: int, by: Named) -> list[Group]:
    """Keep the `most` highest-scored attempts of each task; unknown scores come last."""
    result: list[Group] = []
    for group in groups:
        ranked = sorted(group.rollouts, key=lambda r: -float("inf") if (s := r[by]) is None else s, reverse=True)
        result.append(Group(group.task, tuple(ranked[:most])))
    return result


def cut(rollout: Rollout, keep: int, then: tuple[int, ...] = (), by: Author = "model") -> Prefix:
    """Return the prefix that keeps the first `keep` ids of the response and goes on with `then`.

    Raises ValueError where `keep` is not within the response.
    """
    if not 0 <= keep <= len(rollout.ids):
        raise ValueError(
            f"cannot keep {keep} tokens of attempt {rollout.key[:12]}, which has {len(rollout.ids)}; "
            "give a position within the response"
        )
    return Prefix(rollout, keep, then, by)


def first_unexpected(reading: Reading, k: int, start: int = 0) -> int | None:
    """Return the first position from `start` whose token is not among the k likeliest; None if all are."""
    return next((i for i, rank in enumerate(reading.rank) if i >= start and rank >= k), None)


@dataclass(frozen=True)
class ZScore:
    """The name under which `zscore` stores its result."""

    of: Named

    @property
    def name(self) -> str:
        return f"zscore({self.of.name})"


def zscore(groups: Iterable[Group], scorer: Named) -> list[Group]:
    """Score each attempt by its distance from the mean of its task, in population standard deviations.

    0 where the attempts do not differ or there is one (ours: the paper leaves it open);
    None where the score is unknown, which also stays out of mean and deviation.
    Source: VISTA (arXiv 2605.11931), vision-aware attention score.
    """
    result: list[Group] = []
    for group in groups:
        known = [s for r in group.rollouts if (s := r[scorer]) is not None]
        mean, deviation = (fmean(known), pstdev(known)) if known else (0.0, 0.0)

        def standard(value: float | None, mean: float = mean, deviation: float = deviation) -> float | None:
            if value is None:
                return None
            return (value - mean) / deviation if deviation > 0 else 0.0

        scored = tuple(r.scored(ZScore(scorer), standard(r[scorer])) for r in group.rollouts)
        result.append(Group(group.task, scored))
    return result


def solution(task: Task) -> str | None:
    """Return the reference solution (a seed trace) in a task's meta, as `solution` or `rationale`; None without one."""
    found = (task.meta.get(name) for name in ("solution", "rationale"))
    return next((text for text in found if isinstance(text, str) and text.strip()), None)


def rounded(value: float, *address: object) -> int:
    """Round up or down by a draw at an address, such that the mean over draws is `value`."""
    return math.floor(value + random.Random(digest("rounded", *address)).random())


def imitate(groups: Iterable[Group], weight: float = 1.0) -> list[Imitate]:
    """Make an example of each attempt."""
    return [Imitate(r, weight) for r in each(groups)]


def prefer(chosen: Iterable[Group], rejected: Iterable[Group], seed: int = 0) -> list[Prefer]:
    """Pair each chosen attempt with one rejected one of its task, drawn by address; no pair where there is none."""
    losers: Mapping[str, Sequence[Rollout]] = {g.task.id: g.rollouts for g in merge(rejected)}
    pairs: list[Prefer] = []
    for rollout in each(chosen):
        pool = losers.get(rollout.task.id, ())
        if pool:
            pairs.append(Prefer(rollout, random.Random(digest("prefer", seed, rollout.key)).choice(pool)))
    return pairs


def reinforce(groups: Iterable[Group], advantage: Named) -> list[Reinforce]:
    """Make an example of each attempt whose advantage is known."""
    return [Reinforce(r, a) for r in each(groups) if (a := r[advantage]) is not None]


def rollouts_of(examples: Examples) -> list[Rollout]:
    """Return the attempts that examples hold, each once, chosen before rejected."""
    return list({r.key: r for e in examples for r in e.rollouts}.values())
