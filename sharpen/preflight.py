"""Before a run: what the tasks are, how the model is shown them, and what the run will take.

Everything but the plan is measured: prompts are made by the model's own renderer, and speed, length and share of
right answers are those of a few attempts. What the plan says is an extrapolation and a bound (`estimate`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import prod
from pathlib import Path
from statistics import fmean, median
from typing import Any

from .answers import Grader
from .canary import Canary, check, describe
from .estimate import Plan, Speeds, Typical, Work, at_most, expected
from .ledger.visible import counted
from .models.model import IMAGE, Model, Prompt, Read, Sampling, Write, Written
from .packing import pack_parts
from .progress import Progress
from .rounds import cut_off
from .types import Task, View
from .verbs import first_unexpected

LOOKED_AT = 200  # tasks whose prompts are made, evenly spread: ours
TRIED = 32  # most tasks that speed and length are measured on: ours
ATTEMPTS = 256  # attempts at all of these together, as many at each: enough for the speed of a run (ours)
PASSES = 3  # forward passes that a token takes in training: one on, and a backward one of twice the work
ROW_BYTES = 500  # what an attempt's row takes in the ledger beside its packed parts, with its indexes: ours

Cutting = tuple[int, View]
"""How the critical token of a failed attempt is found: it is not among so many likeliest, read in this view."""


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
    """What a few attempts at temperature 1 took, and how they came out."""

    attempts: int
    mean_tokens: float
    mean_prompt: float
    right: float
    """Share of the attempts that is right."""
    cut: float
    """Share of the failed ones that the planned method would resume; 1 where none failed."""
    tokens_per_second: float
    read_per_second: float
    """Tokens, prompts included, of a forward pass over them."""
    bytes_per_attempt: float
    unfinished: int

    @property
    def speeds(self) -> Speeds:
        """What was measured, and training at a third of the speed of reading."""
        return Speeds(self.tokens_per_second, self.read_per_second, self.read_per_second / PASSES)

    @property
    def typical(self) -> Typical:
        """An attempt like those tried."""
        return Typical(self.mean_prompt, self.mean_tokens, self.right, self.cut)


@dataclass(frozen=True)
class Planned:
    """What a run would come to, where its attempts are like those tried, and at most."""

    expected: Work
    at_most: Work
    hours: dict[str, float]
    """By part of the work, at the speeds of what was tried; of `expected`."""
    hours_at_most: dict[str, float]
    gigabytes: float
    gigabytes_at_most: float


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
    plan: Plan
    tried: Tried | None
    planned: Planned | None
    examples: list[Prompt] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        """Return the figures for JSON, without the prompts."""
        bare = replace(self, examples=[])  # their pictures may lie in a file that is open, which has no copy
        return {name: value for name, value in asdict(bare).items() if name != "examples"}


def preflight(
    model: Model,
    tasks: Sequence[Task],
    plan: Plan,
    grader: Grader | None = None,
    trained_bytes: int = 0,
    cutting: Cutting | None = None,
) -> Preflight:
    """Look at tasks as the model will be shown them, try it on a few, and say what the planned run takes.

    `trained_bytes` is what the weights of one round take on the disk, `cutting` how failed attempts are cut.
    """
    step = max(1, len(tasks) // LOOKED_AT)
    looked_at = tasks[::step][:LOOKED_AT]
    prompts = [model.prompt(task) for task in Progress("prompts", len(looked_at)).over(looked_at)]
    lengths = [(len(p.ids), p.task.id) for p in prompts]
    canary = check(model, tasks) if model.neural else None  # before the clock runs: the first pass is the slowest
    tried = attempt(model, prompts, plan.limit, grader or Grader(), cutting) if model.neural else None
    return Preflight(
        tasks=len(tasks),
        kinds=dict(Counter(str(t.meta.get("kind", "no kind")) for t in tasks).most_common()),
        images=dict(sorted(Counter(len(t.images) for t in tasks).items())),
        with_choices=sum(bool(t.choices) for t in tasks),
        looked_at=len(looked_at),
        prompt=Spread.of(lengths),
        image=Spread.of([(p.spans.count(IMAGE), p.task.id) for p in prompts if p.task.images]),
        too_long=sum(n + plan.limit > model.context for n, _ in lengths),
        context=model.context,
        max_tokens=plan.limit,
        canary=canary,
        plan=plan,
        tried=tried,
        planned=planned(tasks, plan, tried, trained_bytes) if tried else None,
        examples=[model.prompt(task) for task in tasks[:3]],
    )


def attempt(
    model: Model,
    prompts: Sequence[Prompt],
    limit: int,
    grader: Grader,
    cutting: Cutting | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Tried | None:
    """Sample and read a few attempts by the clock; None where no prompt leaves room for one."""
    roomy = [p for p in prompts if len(p.ids) + limit <= model.context]
    some = roomy[:: max(1, len(roomy) // TRIED)][:TRIED]
    if not some:
        return None
    each = tuple(range(-(-ATTEMPTS // len(some))))
    sampling = Sampling(max_tokens=limit)
    began = clock()
    written = list(model.write([Write(p, sampling, i, each) for i, p in enumerate(some)]))
    wrote = clock()
    for _ in model.read([Read(some[w.request], w.part.ids) for w in written]):
        pass
    seconds = clock() - wrote
    right = _right(written, some, grader)
    failed = [w for w, is_right in zip(written, right, strict=True) if not is_right]
    tokens = [len(w.part.ids) for w in written]
    lengths = [len(some[w.request].ids) for w in written]
    return Tried(
        attempts=len(written),
        mean_tokens=fmean(tokens),
        mean_prompt=fmean(lengths),
        right=fmean(right),
        cut=_cut(model, failed, some, cutting) if cutting and failed else 1.0,
        tokens_per_second=sum(tokens) / (wrote - began),
        read_per_second=sum(tokens + lengths) / seconds,
        bytes_per_attempt=fmean(len(pack_parts([w.part])) + ROW_BYTES for w in written),
        unfinished=sum(w.finish == "length" for w in written),
    )


def _right(written: Sequence[Written], prompts: Sequence[Prompt], grader: Grader) -> list[bool]:
    """Return which attempts the grader finds right."""
    found = grader.grade_all([(w.part.text, prompts[w.request].task) for w in written])
    return [verdict.outcome == "right" for verdict in found]


def _cut(model: Model, failed: Sequence[Written], prompts: Sequence[Prompt], cutting: Cutting) -> float:
    """Return the share of failed attempts that have a critical token."""
    top, view = cutting
    reads = [Read(model.prompt(view(prompts[w.request].task)), w.part.ids, top=top) for w in failed]
    return fmean(first_unexpected(reading, top) is not None for _, reading in model.read(reads))


def planned(tasks: Sequence[Task], plan: Plan, tried: Tried, trained_bytes: int) -> Planned:
    """Extrapolate from what was tried: as it was, and with every attempt as long as it may be."""
    as_tried, most = expected(plan, tried.typical), at_most(plan, tried.mean_prompt)
    fixed = picture_bytes(tasks) * (plan.tasks + plan.measured) + plan.rounds * trained_bytes
    longer = (tried.bytes_per_attempt - ROW_BYTES) * plan.limit / tried.mean_tokens + ROW_BYTES
    return Planned(
        expected=as_tried,
        at_most=most,
        hours=as_tried.hours(tried.speeds),
        hours_at_most=most.hours(tried.speeds),
        gigabytes=(as_tried.attempts * tried.bytes_per_attempt + fixed) / 1e9,
        gigabytes_at_most=(most.attempts * longer + fixed) / 1e9,
    )


def picture_bytes(tasks: Sequence[Task]) -> float:
    """Return what the pictures of a task take on the disk, where each picture lies once, from the first of them."""
    pictures = {i.sha256: i for t in tasks for i in t.images}
    some = list(pictures.values())[:LOOKED_AT]
    return fmean(len(i.read()) for i in some) * len(pictures) / len(tasks) if some else 0.0


def weight_bytes(folder: Path, each: int) -> int:
    """Return what a model's weights take on the disk with `each` bytes a number, as training writes them."""
    from safetensors import safe_open

    numbers = 0
    for file in folder.glob("*.safetensors"):
        opened: Any = safe_open(file, "numpy")  # its package has no types
        with opened as held:
            numbers += sum(prod(held.get_slice(name).get_shape()) for name in held.keys())  # noqa: SIM118
    return numbers * each


def lines(found: Preflight) -> list[str]:
    """Say what was found."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in list(found.kinds.items())[:12])
    more = f" and {len(found.kinds) - 12} kinds more" if len(found.kinds) > 12 else ""
    said = [
        f"{counted(found.tasks, 'task')}: {kinds}{more}",
        f"images a task: {', '.join(f'{n} in {count:,}' for n, count in found.images.items())}; "
        f"{counted(found.with_choices, 'task')} with choices",
        f"tokens of {counted(found.looked_at, 'prompt')}: {spread(found.prompt)}",
        f"of them images: {spread(found.image)}",
        f"{found.too_long:,} of these prompts leave less than {found.max_tokens:,} of {found.context:,} tokens",
    ]
    if found.canary:
        said.append(describe(found.canary))
    if tried := found.tried:
        said.append(
            f"{tried.attempts} attempts tried: {tried.mean_tokens:,.0f} tokens each, {tried.unfinished} unfinished, "
            f"{tried.right:.0%} right, {tried.cut:.0%} of the others would be resumed; "
            f"{tried.tokens_per_second:,.0f} tokens/s written and {tried.read_per_second:,.0f} read here"
        )
        said += cut_off(tried.unfinished, tried.attempts)
    return [*said, *(told(found.plan, found.planned) if found.planned else [])]


def told(plan: Plan, found: Planned) -> list[str]:
    """Say what a planned run comes to."""
    rounds, tasks = counted(plan.rounds, "round"), counted(plan.tasks, "task")
    return [
        f"the planned run: {rounds} on {tasks}, {plan.measured:,} measured on",
        f"  if its attempts are like these: {amount(found.expected, found.hours, found.gigabytes)}",
        f"  at most: {amount(found.at_most, found.hours_at_most, found.gigabytes_at_most)}",
        f"  at most is {plan.limit:,} tokens for every attempt, all first ones failed and all continuations right",
        f"  hours are at the speeds above, training at 1/{PASSES} of reading; loading and grading are not counted",
    ]


def amount(work: Work, hours: dict[str, float], gigabytes: float) -> str:
    """Say an amount of work."""
    parts = ", ".join(f"{part} {h:,.2g}" for part, h in hours.items())
    return (
        f"{work.attempts:,} attempts ({work.continued:,} of them continuations), {work.written:,.0f} tokens, "
        f"{gigabytes:,.2g} GB, {sum(hours.values()):,.2g} h ({parts})"
    )


def spread(found: Spread | None) -> str:
    """Say a spread."""
    if found is None:
        return "none"
    return f"{found.least:,} to {found.most:,}, half of them up to {found.median:,.0f}; the longest is {found.where}"
