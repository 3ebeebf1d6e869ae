"""What must hold before a model's attempts are worth anything, tried on a few tasks at the start of every run.

Each check is about a fault that is silent elsewhere: a model that is not shown its images, a batch whose rows
disturb one another, training that breaks the end of turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from .errors import ModelError
from .models.model import Model, Read, Sampling, Write, Written
from .progress import say
from .types import Reading, Task

TASKS = 2  # tasks tried: ours
TOKENS = 64  # greedy tokens of each: ours
LEAST_AGREEING = 0.9  # ours, in half precision: the two likeliest tokens are often nearer than its rounding
TIE = 1e-3  # nats, ours: above what two ways to a log-prob lose in single precision, below what a person would see
At = tuple[int, int, int]
"""A token of an attempt: which task tried, which attempt, which place."""


@dataclass(frozen=True)
class Canary:
    """What the checks measured; `image_effect` is None where no two tasks have different images."""

    image_effect: float | None
    """Mean absolute change of a token's log-prob, in nats, when the image is another one: the least of all tasks."""
    agreement: float | None
    """Share of greedy tokens, written from a shared cache, that a plain pass finds the likeliest, too; None of none."""
    tokens: int
    ties: int = 0
    """Tokens among these that are not the likeliest but as likely, to within TIE."""


def check(model: Model, tasks: Sequence[Task]) -> Canary:
    """Try a model on a few tasks; raises ModelError where it does not see its images or its cache misleads it."""
    tried = [t for t in tasks if t.images][:TASKS] or list(tasks[:TASKS])
    sampling = Sampling(temperature=0.0, max_tokens=min(TOKENS, model.max_tokens))
    # Two attempts a prompt, so that the cache is branched; where they part, one is not the likeliest, or both are.
    written = _write(model, tried, sampling, (0, 1))
    readings = _read(model, tried, written)
    tokens = sum(len(r.rank) for r in readings.values())
    doubts = {(*at, i) for at, reading in readings.items() for i, rank in enumerate(reading.rank) if rank}
    ties = _ties(model, tried, written, readings, doubts) if model.exact else set[At]()
    wrong = sorted(doubts - ties)
    agreement = 1 - len(wrong) / tokens if tokens else None
    if agreement is not None and agreement < (1 if model.exact else LEAST_AGREEING):
        first = {tried[request].id: i for request, i in sorted({(q, i) for q, _, i in wrong}, reverse=True)}
        where = ", ".join(f"in task {name!r} not token {i}" for name, i in sorted(first.items()))
        raise ModelError(
            f"{model.name}: of {tokens} greedy tokens only {tokens - len(wrong)} are the likeliest in a plain pass "
            f"over the same ids ({where}), so what it samples is not what it would say; try another "
            f"{'attention kernel' if model.exact else 'dtype or attention kernel'}"
        )
    found = Canary(_image_effect(model, tried, tasks, written, readings), agreement, tokens, len(ties))
    say(f"  {describe(found)}")
    return found


def describe(found: Canary) -> str:
    """Say what the checks measured."""
    seen = "no two different images to compare" if found.image_effect is None else (
        f"another image changes a log-prob by {found.image_effect:.2g} nats or more in each task tried"
    )  # fmt: skip
    agree = "no greedy token to compare" if found.agreement is None else (
        f"{found.agreement:.1%} of {found.tokens} greedy tokens agree with a plain pass"
    )  # fmt: skip
    return f"canary: {seen}; {agree}{f' ({found.ties} as a tie)' if found.ties else ''}"


def stops(trained: Model, parent: Model, tasks: Sequence[Task]) -> None:
    """Raise ModelError where a trained model never ends its greedy answers though its parent does."""
    tried = list(tasks[: 2 * TASKS])
    if any(w.finish == "stop" for w in _greedy(trained, tried)):
        return
    parents = [w.finish for w in _greedy(parent, tried)]
    if "stop" in parents:
        raise ModelError(
            f"{trained.name} ends none of {len(tried)} greedy answers within {trained.max_tokens} tokens, where its "
            f"parent ends {parents.count('stop')}: training broke the end of turn; lower the learning rate or look at "
            "the examples"
        )
    say(f"  neither {trained.name} nor its parent ends a greedy answer within {trained.max_tokens} tokens")


def _greedy(model: Model, tasks: Sequence[Task]) -> list[Written]:
    return list(_write(model, tasks, Sampling(temperature=0.0, max_tokens=model.max_tokens), (0,)).values())


def _write(
    model: Model, tasks: Sequence[Task], sampling: Sampling, attempts: tuple[int, ...]
) -> dict[tuple[int, int], Written]:
    requests = [
        Write(prompt, replace(sampling, max_tokens=min(sampling.max_tokens, room)), 0, attempts)
        for task in tasks
        if (room := model.context - len((prompt := model.prompt(task)).ids)) > 0
    ]
    return {(w.request, w.attempt): w for w in model.write(requests)}


def _read(
    model: Model, tasks: Sequence[Task], written: Mapping[tuple[int, int], Written]
) -> dict[tuple[int, int], Reading]:
    order = [at for at, w in written.items() if w.part.ids]
    reads = [Read(model.prompt(tasks[request]), written[request, a].part.ids) for request, a in order]
    return {order[i]: reading for i, reading in model.read(reads)}


def _ties(
    model: Model,
    tried: Sequence[Task],
    written: Mapping[tuple[int, int], Written],
    readings: Mapping[tuple[int, int], Reading],
    doubts: set[At],
) -> set[At]:
    """Return the doubtful places whose token is as likely as the likeliest, which is read in its place."""
    order = sorted(doubts)
    others = [
        Read(model.prompt(tried[q]), (*written[q, a].part.ids[:i], readings[q, a].top[i][0])) for q, a, i in order
    ]
    best = {order[n]: reading for n, reading in model.read(others)}
    return {(q, a, i) for q, a, i in order if abs(best[q, a, i].logprobs[i] - readings[q, a].logprobs[i]) <= TIE}


def _image_effect(
    model: Model,
    tried: Sequence[Task],
    tasks: Sequence[Task],
    written: Mapping[tuple[int, int], Written],
    readings: Mapping[tuple[int, int], Reading],
) -> float | None:
    """Return how much the log-probs of a text change with the image, in the task where that is least.

    Raises ModelError where they do not in one of the tasks.
    """
    others = [_other(task, tasks) for task in tried]
    swapped = {at: w for at, w in written.items() if at[1] == 0 and at in readings and others[at[0]] is not None}
    if not swapped:
        return None
    shown = [
        replace(t, images=other.images[:1] * len(t.images)) if other else t
        for t, other in zip(tried, others, strict=True)
    ]
    effects: dict[str, float] = {}
    # Both in batches of the same shape, since another shape alone changes the last digits.
    before, after = _read(model, tried, swapped), _read(model, shown, swapped)
    for at in swapped:
        pairs = zip(before[at].logprobs, after[at].logprobs, strict=True)
        effects[tried[at[0]].id] = fmean(abs(a - b) for a, b in pairs)
    unseen = [name for name, effect in effects.items() if not effect > 0]  # NaN is no effect, either
    if unseen:
        named = ", ".join(
            f"{t.id!r} with that of {o.id!r}" for t, o in zip(tried, others, strict=True) if o and t.id in unseen
        )
        raise ModelError(
            f"{model.name} does not see its images: with another picture the same text has the same log-probs (the "
            f"picture of task {named}); check its processor and chat template"
        )
    return min(effects.values())


def _other(task: Task, tasks: Sequence[Task]) -> Task | None:
    """Return another task whose first image is none of this one's."""
    own = {i.sha256 for i in task.images}
    return next((t for t in tasks if own and t.images and t.images[0].sha256 not in own), None)
