"""What a call of `write` depends on, fixed before any model runs: prompts, prefixes, addresses and ledger keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from .models.model import Write, Written
from .types import Part, Prefix, Rollout, Task


@dataclass(frozen=True)
class Job:
    """One prompt to write after: a task as shown and, where it goes on from a prefix, that prefix."""

    task: Task
    seen: Task
    prefix: Prefix | None = None

    @cached_property
    def standing(self) -> tuple[Part, ...]:
        """The parts that stand before the new one, their texts not yet known."""
        return standing(self.prefix) if self.prefix else ()

    @property
    def address(self) -> tuple[object, ...]:
        """What tells this job's draws from another's within a call."""
        p = self.prefix
        return (self.task.id, p.parent.key, p.keep, p.then) if p else (self.task.id,)


@dataclass(frozen=True)
class Planned:
    """A job with all that its attempts depend on, and the ledger keys that follow from it."""

    job: Job
    request: Write
    keys: tuple[str, ...]

    def rollout(self, written: Written, model: str) -> Rollout:
        """Make the rollout of one finished attempt."""
        given = tuple(
            replace(part, text=text) for part, text in zip(self.job.standing, written.given_texts, strict=True)
        )
        parent = self.job.prefix.parent.key if self.job.prefix else None
        parts = (*given, written.part)
        key = self.keys[written.attempt]
        return Rollout(key, self.job.task, self.job.seen, parts, written.finish, model, len(given), parent)


def standing(prefix: Prefix) -> tuple[Part, ...]:
    """Return the parts of a prefix: those of its parent up to the cut, then the forced ids."""
    parts: list[Part] = []
    left = prefix.keep
    for part in prefix.parent.parts:
        if left > 0:
            logprobs = part.logprobs[:left] if part.logprobs else None
            parts.append(replace(part, ids=part.ids[:left], text="", logprobs=logprobs))
            left -= len(part.ids)
    if prefix.then:
        parts.append(Part(prefix.then, "", prefix.by))
    return tuple(parts)
