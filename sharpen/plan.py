"""What a call of `write` depends on, fixed before any model runs: prompts, prefixes, addresses and ledger keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from .models.model import Model, Sampling, Write, Written
from .types import Part, Prefix, Rollout, Task, digest

KEY = 32
"""Hexadecimal digits of a key: 128 bits, of which 24 are the task's."""
TASK_DIGITS = 6
"""Leading digits that attempts at one task share."""

Counts = int | Sequence[int]
"""How many attempts: one number for all jobs of a call, or one for each."""


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
    prompt: str
    """Key of the prompt."""
    call: int
    """Number of the call in the ledger."""
    room: int
    """Most new tokens."""

    @cached_property
    def origin(self) -> tuple[str, int, int, str]:
        """Where its attempts come from, as the ledger holds it: prompt, call, room, address."""
        return (self.prompt, self.call, self.room, json.dumps(self.job.address))

    def rollout(self, written: Written, model: str) -> Rollout:
        """Make the rollout of one finished attempt."""
        given = tuple(
            replace(part, text=text) for part, text in zip(self.job.standing, written.given_texts, strict=True)
        )
        parent = self.job.prefix.parent.key if self.job.prefix else None
        parts = (*given, written.part)
        key = self.keys[written.attempt]
        return Rollout(key, self.job.task, self.job.seen, parts, written.finish, model, len(given), parent)


@dataclass(frozen=True)
class Refused:
    """A job after which nothing can be written, and why."""

    kind: str
    reason: str


def per_job(jobs: Sequence[Job], n: Counts) -> list[tuple[Job, int]]:
    """Return each job with its number of attempts; raises ValueError where there is not one number for each."""
    counts = [n] * len(jobs) if isinstance(n, int) else list(n)
    if len(counts) != len(jobs) or any(count < 0 for count in counts):
        raise ValueError(f"{len(counts)} numbers of attempts for {len(jobs)} prompts, or one below 0: {counts[:5]}")
    return list(zip(jobs, counts, strict=True))


def plan(
    writer: Model, call: tuple[object, ...], number: int, job: Job, n: int, sampling: Sampling
) -> Planned | Refused:
    """Fix what a job's n attempts depend on; `call` is the address of the call, `number` its id in the ledger."""
    prompt = writer.prompt(job.seen)
    given = tuple(part.ids for part in job.standing)
    used = sum(map(len, given))
    room = min(sampling.max_tokens, writer.context - len(prompt.ids)) - used
    if room <= 0:
        return Refused("too long", f"prompt of {len(prompt.ids)} and prefix of {used} tokens leave no room")
    if given and given[-1][-1] in writer.stop_ids:
        return Refused("already ended", "the prefix ends the turn")
    limits = replace(sampling, max_tokens=room)
    seed = int(digest(call, job.address)[:15], 16)
    shown = prompt_key(prompt.ids, [image.sha256 for image in job.seen.images])
    keys = rollout_keys(writer.identity, shown, given, limits.as_dict(), call, job.address, range(n))
    return Planned(job, Write(prompt, limits, seed, tuple(range(n)), given), keys, shown, number, room)


def prompt_key(ids: Sequence[int], images: Sequence[str]) -> str:
    """Return the key of a prompt: its ids, and the hashes of its images."""
    return digest(list(ids), list(images))[:KEY]


def task_digits(task: str) -> str:
    """Return the digits with which the keys of a task's attempts begin, given the task's id."""
    return digest(task)[:TASK_DIGITS]


def rollout_keys(
    model: str,
    prompt: str,
    given: Sequence[Sequence[int]],
    settings: Mapping[str, object],
    call: Sequence[object],
    address: Sequence[object],
    attempts: Sequence[int],
) -> tuple[str, ...]:
    """Return the keys of attempts: the hash of all they depend on.

    That is weights and processor (`model`), prompt with images, given ids, sampling settings with the room
    left, and the address: run seed, scope, round, call, verb, task, prefix, attempt. The first digits are the
    task's, so that its attempts lie together in the ledger's indexes, whatever the number of tasks.
    """
    shown = digest(model, prompt, [list(run) for run in given], settings, list(call), list(address))
    together = task_digits(str(address[0]))
    return tuple(together + digest(shown, attempt)[: KEY - TASK_DIGITS] for attempt in attempts)


def given(task: Task, part: Part) -> Rollout:
    """Return a ready-made response as a rollout that no call sampled; equal responses to a task are one."""
    key = task_digits(task.id) + digest("given", task.fingerprint, part.ids, part.by)[: KEY - TASK_DIGITS]
    return Rollout(key, task, task, (part,), "stop", "given", given=1)


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
