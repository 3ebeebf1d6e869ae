"""Methods side by side: same base, same tasks, several seeds, paired by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from .answers import Grader
from .errors import UserError
from .evaluate import SAMPLES, Evaluation, difference, rate
from .improve import Trainer, improve
from .methods import Method
from .models.model import Model
from .progress import say
from .rounds import Improved, span
from .statistics import Interval, Paired
from .train import Train
from .types import Task

COLUMNS = ("greedy", "sampled", "blind")


@dataclass(frozen=True)
class Line:
    """One model over all seeds; values are means over seeds, intervals are over tasks."""

    name: str
    columns: Mapping[str, Interval]
    seeds: Mapping[str, Sequence[float | None]]
    """The value of each seed, by column."""
    against_base: Mapping[str, Paired]
    against_first: Mapping[str, Paired]
    tokens: float
    """Tokens sampled for training data, mean over seeds."""

    def as_dict(self) -> dict[str, object]:
        """Return the line for JSON."""

        def paired(of: Mapping[str, Paired]) -> dict[str, object]:
            return {name: {**d.difference.as_dict(), "p": d.p} for name, d in of.items()}

        return {
            "method": self.name,
            **{name: i.as_dict() for name, i in self.columns.items()},
            "seeds": {name: list(values) for name, values in self.seeds.items()},
            "against_base": paired(self.against_base),
            "against_first": paired(self.against_first),
            "tokens": self.tokens,
        }


@dataclass(frozen=True)
class Comparison:
    """The base model's line, and one line per method."""

    base: Line
    lines: Sequence[Line]
    seeds: int

    def as_dict(self) -> dict[str, object]:
        """Return the whole table for JSON."""
        return {
            "base": self.base.as_dict(),
            "seeds": self.seeds,
            "methods": [line.as_dict() for line in self.lines],
        }

    def table(self) -> str:
        """Return the table as text; differences are paired by task, with 95 % intervals."""
        first = self.lines[0].name
        rows: list[tuple[str, ...]] = [
            ("model", "greedy", "sampled", f"greedy - {first}", f"sampled - {first}", "tokens")
        ]
        columns = self.base.columns
        rows.append(("base", span(columns["greedy"]), span(columns["sampled"]), "", "", ""))
        for line in self.lines:
            beside = [span(line.against_first[c].difference) if line.name != first else "" for c in COLUMNS[:2]]
            rows.append(
                (
                    line.name,
                    span(line.columns["greedy"]),
                    span(line.columns["sampled"]),
                    *beside,
                    f"{line.tokens:,.0f}",
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def compare(
    methods: Mapping[str, Method],
    model: Model,
    tasks: Sequence[Task],
    test: Sequence[Task],
    *,
    seeds: Sequence[int],
    rounds: int,
    out: Path,
    settings: Train | None = None,
    samples: int = SAMPLES,
    trainer: Trainer | None = None,
    grader: Grader | None = None,
    manifest: Mapping[str, object] | None = None,
    left_out: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Run each method with each seed in a folder of its own under `out`, and put them side by side.

    The base model is measured anew with each seed, too, so that both sides of a difference vary alike.
    """
    if not (methods and seeds and test):
        raise UserError(
            f"{len(methods)} methods, {len(seeds)} seeds and {len(test)} unseen tasks compare nothing; "
            "give at least one of each"
        )
    runs: dict[str, list[Improved]] = {name: [] for name in methods}
    bases: list[Evaluation] = []
    for seed in seeds:
        base: Evaluation | None = None
        for name, method in methods.items():
            say(f"{name}, seed {seed}")
            done = improve(
                method,
                model,
                tasks,
                rounds=rounds,
                out=out / f"{name}-seed{seed}",
                test=test,
                settings=settings,
                seed=seed,
                samples=samples,
                base=base,
                trainer=trainer,
                grader=grader,
                manifest=manifest,
                left_out=left_out,
            )
            base = done.base
            runs[name].append(done)
        bases += [base] if base else []
    start = per_task(bases)
    ends = {name: [e for done in some if (e := done.rounds[-1].evaluation)] for name, some in runs.items()}
    first = per_task(next(iter(ends.values())))
    tokens = {name: fmean(sum(r.tally.tokens for r in done.rounds) for done in some) for name, some in runs.items()}
    lines = [line(name, found, tokens[name], start, first) for name, found in ends.items()]
    return Comparison(line("base", bases, 0.0, start, first), lines, len(seeds))


def line(
    name: str,
    found: Sequence[Evaluation],
    tokens: float,
    base: Mapping[str, Mapping[str, float]],
    first: Mapping[str, Mapping[str, float]],
) -> Line:
    """Sum up one model over the seeds."""
    ours = per_task(found)
    seeds = {"greedy": [e.greedy.value for e in found], "sampled": [e.sampled.value for e in found]}
    return Line(
        name,
        {column: rate(list(ours[column].values())) for column in COLUMNS},
        seeds,
        {column: difference(ours[column], base[column]) for column in COLUMNS},
        {column: difference(ours[column], first[column]) for column in COLUMNS},
        tokens,
    )


def per_task(found: Sequence[Evaluation]) -> dict[str, dict[str, float]]:
    """Return each task's value by column, averaged over the seeds."""
    values: dict[str, dict[str, list[float]]] = {column: {} for column in COLUMNS}
    for column in COLUMNS:
        for evaluation in found:
            for task, value in evaluation.per_task[column].items():
                values[column].setdefault(task, []).append(value)
    return {column: {task: fmean(some) for task, some in rows.items()} for column, rows in values.items()}
