"""What must hold before a model's attempts are worth anything, tried on a few tasks at the start of every run.

Each check is about a fault that is silent elsewhere: a model that is not shown its images, a batch whose rows
disturb one another, training that breaks the end of turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from .errors import ModelError
from .models.model import Model, Read, Sampling, Write, Written
from .progress import say
from .types import Image, Reading, Task

TASKS = 2  # tasks tried: ours
TOKENS = 64  # greedy tokens of each: ours
LEAST_AGREEING = 0.9  # ours: in half precision two likeliest tokens may be equal


@dataclass(frozen=True)
class Canary:
    """What the checks measured; `image_effect` is None where no two tasks have different images."""

    image_effect: float | None
    """Mean absolute change of a token's log-prob, in nats, when the image is another one."""
    agreement: float | None
    """Share of greedy tokens, written from a shared cache, that a plain pass finds the likeliest, too; None of none."""
    tokens: int


def check(model: Model, tasks: Sequence[Task]) -> Canary:
    """Try a model on a few tasks; raises ModelError where it does not see its images or its cache misleads it."""
    tried = [t for t in tasks if t.images][:TASKS] or list(tasks[:TASKS])
    sampling = Sampling(temperature=0.0, max_tokens=min(TOKENS, model.max_tokens))
    # Two attempts a prompt, so that the cache is branched; greedy ones must be equal.
    written = _write(model, tried, sampling, (0, 1))
    readings = _read(model, tried, written)
    agreement, tokens = _agreement(written, readings)
    if agreement is not None and agreement < LEAST_AGREEING:
        raise ModelError(
            f"{model.name}: of {tokens} greedy tokens only {agreement:.0%} are the likeliest in a plain pass over the "
            "same ids, so what it samples is not what it would say; try another dtype or attention kernel"
        )
    found = Canary(_image_effect(model, tried, tasks, written, readings), agreement, tokens)
    seen = "no two different images to compare" if found.image_effect is None else (
        f"another image changes a log-prob by {found.image_effect:.2g} nats"
    )  # fmt: skip
    agree = "no greedy token to compare" if agreement is None else f"{agreement:.0%} of {tokens} greedy tokens agree"
    say(f"  canary: {seen}; {agree} with a plain pass")
    return found


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
    model: Model, tasks: Sequence[Task], written: dict[tuple[int, int], Written]
) -> dict[tuple[int, int], Reading]:
    order = [at for at, w in written.items() if w.part.ids]
    reads = [Read(model.prompt(tasks[request]), written[request, a].part.ids) for request, a in order]
    return {order[i]: reading for i, reading in model.read(reads)}


def _agreement(
    written: dict[tuple[int, int], Written], readings: dict[tuple[int, int], Reading]
) -> tuple[float | None, int]:
    """Return the share of tokens that both attempts have and the plain pass ranks first, and how many there are."""
    agreeing = total = 0
    for (request, attempt), reading in readings.items():
        other = written[request, 1 - attempt].part.ids
        for i, (token, rank) in enumerate(zip(written[request, attempt].part.ids, reading.rank, strict=True)):
            agreeing += rank == 0 and other[i : i + 1] == (token,)
            total += 1
    return (agreeing / total if total else None), total


def _image_effect(
    model: Model,
    tried: Sequence[Task],
    tasks: Sequence[Task],
    written: dict[tuple[int, int], Written],
    readings: dict[tuple[int, int], Reading],
) -> float | None:
    """Return how much log-probs of the same text change with the image; raises ModelError where they do not."""
    others = [_other(task, tasks) for task in tried]
    swapped = {at: w for at, w in written.items() if at[1] == 0 and at in readings and others[at[0]] is not None}
    if not swapped:
        return None
    shown = [replace(t, images=(o,) * len(t.images)) if o else t for t, o in zip(tried, others, strict=True)]
    again = _read(model, shown, swapped)
    effect = fmean(
        abs(a - b)
        for at, reading in again.items()
        for a, b in zip(reading.logprobs, readings[at].logprobs, strict=True)
    )
    if not effect > 0:  # NaN is no effect, either
        raise ModelError(
            f"{model.name} does not see its images: the same {len(again)} texts have the same log-probs with other "
            "pictures; check its processor and chat template"
        )
    return effect


def _other(task: Task, tasks: Sequence[Task]) -> Image | None:
    """Return an image of another task that is none of this one's."""
    own = {i.sha256 for i in task.images}
    return next((i for t in tasks for i in t.images if own and i.sha256 not in own), None)
