"""Before a run: what the tasks are, how the model is shown them, and what the run will take.

Everything but the plan is measured: prompts are made by the model's own renderer, and speed and length are those
of a few attempts. What the plan says is a bound or an extrapolation, and says which.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean, median

from .canary import Canary, check
from .models.model import IMAGE, Model, Prompt, Sampling, Write
from .packing import pack_parts
from .progress import Progress
from .types import Task

LOOKED_AT = 200  # tasks whose prompts are made, evenly spread: ours
TRIED = 8  # tasks that speed and length are measured on, with TRIED attempts each: ours
ROW_BYTES = 500  # what an attempt's row takes in the ledger beside its packed parts, with its indexes: ours


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the greatest of some counts, and the task of the greatest."""

    least: int
    median: float
    most: int
    where: str

    @classmethod
    def of(cls, counts: Sequence[tuple[int, str]]) -> Spread | None:
        """Return the spread of (count, task); None of none."""
        if not counts:
            return None
        numbers = [n for n, _ in counts]
        return cls(min(numbers), median(numbers), *max(counts))


@dataclass(frozen=True)
class Tried:
    """What a few attempts at temperature 1 took."""

    attempts: int
    mean_tokens: float
    tokens_per_second: float
    bytes_per_attempt: float
    unfinished: int


@dataclass(frozen=True)
class Planned:
    """What a run would come to: `attempts` is an upper bound, the rest follows from what was tried."""

    attempts: int
    tokens: float
    hours: float
    gigabytes: float
    prefix_attempts: int
    """How many of the attempts are continuations, all of them only where every first attempt fails."""


@dataclass(frozen=True)
class Preflight:
    """What was found about the tasks and the model."""

    tasks: int
    kinds: dict[str, int]
    images: dict[int, int]
    """How many tasks have so many images."""
    with_choices: int
    looked_at: int
    prompt: Spread | None
    image: Spread | None
    """Tokens of all images of a task, where it has any."""
    too_long: int
    """Of the prompts looked at, those after which fewer tokens are left than an attempt may have."""
    context: int
    max_tokens: int
    canary: Canary | None
    tried: Tried | None
    planned: Planned | None
    examples: list[Prompt] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        """Return the figures for JSON, without the prompts."""
        bare = replace(self, examples=[])  # their pictures may lie in a file that is open, which has no copy
        return {name: value for name, value in asdict(bare).items() if name != "examples"}


@dataclass(frozen=True)
class Plan:
    """What a run is asked to do."""

    rounds: int
    samples: int
    resamples: int
    measured: int
    eval_samples: int
    trained_bytes: int
    """What the weights of one round take on the disk."""


def preflight(model: Model, tasks: Sequence[Task], plan: Plan) -> Preflight:
    """Look at tasks as the model will be shown them, try it on a few, and say what the planned run takes."""
    step = max(1, len(tasks) // LOOKED_AT)
    looked_at = tasks[::step][:LOOKED_AT]
    prompts = [model.prompt(task) for task in Progress("prompts", len(looked_at)).over(looked_at)]
    lengths = [(len(p.ids), p.task.id) for p in prompts]
    canary = check(model, tasks) if model.neural else None  # before the clock runs: the first pass is the slowest
    tried = attempt(model, prompts) if model.neural else None
    return Preflight(
        tasks=len(tasks),
        kinds=dict(Counter(str(t.meta.get("kind", "no kind")) for t in tasks).most_common()),
        images=dict(sorted(Counter(len(t.images) for t in tasks).items())),
        with_choices=sum(bool(t.choices) for t in tasks),
        looked_at=len(looked_at),
        prompt=Spread.of(lengths),
        image=Spread.of([(p.spans.count(IMAGE), p.task.id) for p in prompts if p.task.images]),
        too_long=sum(n + model.max_tokens > model.context for n, _ in lengths),
        context=model.context,
        max_tokens=model.max_tokens,
        canary=canary,
        tried=tried,
        planned=planned(tasks, plan, tried) if tried else None,
        examples=[model.prompt(task) for task in tasks[:3]],
    )


def attempt(model: Model, prompts: Sequence[Prompt]) -> Tried | None:
    """Sample a few attempts; None where no prompt leaves room for one."""
    some = [p for p in prompts if len(p.ids) + model.max_tokens <= model.context][:TRIED]
    sampling = Sampling(max_tokens=model.max_tokens)
    began = time.monotonic()
    written = list(model.write([Write(p, sampling, i, tuple(range(TRIED))) for i, p in enumerate(some)]))
    seconds = time.monotonic() - began
    if not written:
        return None
    tokens = [len(w.part.ids) for w in written]
    sizes = [len(pack_parts([w.part])) + ROW_BYTES for w in written]
    unfinished = sum(w.finish == "length" for w in written)
    return Tried(len(written), fmean(tokens), sum(tokens) / seconds, fmean(sizes), unfinished)


def planned(tasks: Sequence[Task], plan: Plan, tried: Tried) -> Planned:
    """Extrapolate from what was tried; every first attempt is taken to fail, so that the bound holds."""
    first = len(tasks) * plan.samples
    again = first * plan.resamples
    measured = plan.measured * (2 + plan.eval_samples) * (plan.rounds + 1)
    attempts = (first + again) * plan.rounds + measured
    tokens = attempts * tried.mean_tokens
    pictures = {i.sha256: i for t in tasks for i in t.images}
    size = sum(len(i.read()) for i in list(pictures.values())[:LOOKED_AT])
    share = len(pictures) / max(1, min(LOOKED_AT, len(pictures)))
    disk = attempts * tried.bytes_per_attempt + size * share + plan.rounds * plan.trained_bytes
    return Planned(attempts, tokens, tokens / tried.tokens_per_second / 3600, disk / 1e9, again * plan.rounds)


def weight_bytes(folder: Path) -> int:
    """Return what a model's weights take on the disk."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def lines(found: Preflight) -> list[str]:
    """Say what was found."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in list(found.kinds.items())[:12])
    more = f" and {len(found.kinds) - 12} kinds more" if len(found.kinds) > 12 else ""
    said = [
        f"{found.tasks:,} tasks: {kinds}{more}",
        f"images a task: {', '.join(f'{n} in {count:,}' for n, count in found.images.items())}; "
        f"{found.with_choices:,} tasks with choices",
        f"tokens of {found.looked_at:,} prompts: {spread(found.prompt)}",
        f"of them images: {spread(found.image)}",
        f"{found.too_long:,} of these prompts leave less than {found.max_tokens:,} of {found.context:,} tokens",
    ]
    if tried := found.tried:
        said.append(
            f"{tried.attempts} attempts tried: {tried.mean_tokens:,.0f} tokens each, {tried.unfinished} unfinished, "
            f"{tried.tokens_per_second:,.0f} tokens/s here"
        )
    if plan := found.planned:
        said.append(
            f"the planned run: at most {plan.attempts:,} attempts ({plan.prefix_attempts:,} of them continuations of "
            f"failed ones), {plan.tokens:,.0f} tokens, {plan.gigabytes:,.2g} GB, and {plan.hours:,.2g} hours of "
            "sampling at this speed; the larger batches of a run are faster"
        )
    return said


def spread(found: Spread | None) -> str:
    """Say a spread."""
    if found is None:
        return "none"
    return f"{found.least:,} to {found.most:,}, half of them up to {found.median:,.0f}; the longest is {found.where}"
