"""`sharpen eval`: a model measured, or two of them on the same tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import canary, setup
from .cli import Common, emit, parse
from .errors import UserError
from .evaluate import difference, evaluate
from .ledger import left_out
from .prompts import asked_in
from .rounds import describe, span
from .run import Run
from .store import Store


@dataclass(frozen=True)
class EvalOptions(Common):
    """Measure a model: greedy, sampled, pass@k, majority@k, blind."""

    out: Path = Path("runs/eval")
    split: Literal["train", "test"] = "test"
    """Which split of a world."""
    against: str = ""
    """Another model to measure on the same tasks, paired."""


def eval_command(arguments: Sequence[str]) -> None:
    """`sharpen eval`."""
    options: EvalOptions = setup.graded(parse(EvalOptions, "eval", arguments))
    bad = (options.max_bad, options.grader, options.allow_bad_gold, options.format)
    with setup.refused_rows_in(options.out):
        data = setup.labelled(options.tasks, options.split, *bad)
    tasks = asked_in(data.tasks, options.prompt)
    models = [setup.model(name, options.loading) for name in (options.model, options.against) if name]
    with Store(options.out) as store:
        if store.manifest().get("method") or len(store.rounds()) > 1:
            raise UserError(f"{options.out} holds a run, which this would replace; give another --out")
        store.write_manifest(setup.manifest(["eval", *arguments], options, models[0], tasks))
        store.begin(left_out.SCOPE, 0)
        left_out.record(store, data.skipped)
        tasks = store.add_tasks(tasks)
        store.begin("eval", 0)
        for m in models:
            canary.check(m, tasks)
        runs = [Run({"policy": m}, store, seed=options.seed, scope="eval", grader=options.grader) for m in models]
        found = [evaluate(run, tasks, samples=options.eval_samples) for run in runs]
        store.set_round(0, found[0].as_dict(), options.grader.name)
    lines = [line for m, e in zip(models, found, strict=True) for line in (m.name, *(f"  {d}" for d in describe(e)))]
    result = {"model": options.model, "tasks": options.tasks, "seed": options.seed, **found[0].as_dict()}
    if options.against:
        pairs = {c: difference(found[0].per_task[c], found[1].per_task[c]) for c in ("greedy", "sampled", "blind")}
        for column, pair in pairs.items():
            p = "unknown" if pair.p is None else f"{pair.p:.2g}"
            lines.append(f"{options.model} - {options.against}, {column}: {span(pair.difference)}, p = {p}")
        result["against"] = {
            "model": options.against,
            **found[1].as_dict(),
            "difference": {c: {**d.difference.as_dict(), "p": d.p} for c, d in pairs.items()},
        }
    emit(result, options.json)
    if not options.json:
        print("\n".join(lines))
