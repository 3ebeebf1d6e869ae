"""How good is a model: greedy pass@1, sampled pass@k, majority@k and the blind column, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answers import Verdict
from .errors import UserError, require
from .incoming import distinct
from .run import Run
from .statistics import (
    Interval,
    Paired,
    majority_at_k,
    paired_difference,
    pass_at_k,
    proportion,
    rate,
)
from .types import Group, Task
from .verbs import each
from .views import blind

Judged = dict[str, list[Verdict]]
"""Verdicts by task id."""

CALLS = ("greedy", "sampled", "blind")
"""What `evaluate` asks for, in the order of its calls, whose numbers the ledger has in their addresses."""
SAMPLES = 8  # attempts a task for the sampled columns: ours


@dataclass(frozen=True)
class Evaluation:
    """One model on one set of tasks; `per_task` keeps what paired comparisons need, by column and task id."""

    greedy: Interval
    sampled: Interval
    pass_at: Mapping[int, Interval]
    majority_at: Mapping[int, Interval]
    blind: Interval
    unknown: int
    """Greedy, sampled and blind attempts that no mean counts: no verdict, or a prompt too long to be asked."""
    no_answer: int | None
    """Of the same attempts those in which no answer was found, which count as wrong; None where it was not recorded."""
    by_kind: Mapping[str, Mapping[str, Interval]]
    per_task: Mapping[str, Mapping[str, float]] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        """Return the figures for JSON, without the per-task ones."""
        return {
            "accuracy": self.greedy.as_dict(),
            "sampled_accuracy": self.sampled.as_dict(),
            "pass_at": {str(k): v.as_dict() for k, v in self.pass_at.items()},
            "majority_at": {str(k): v.as_dict() for k, v in self.majority_at.items()},
            "blind_accuracy": self.blind.as_dict(),
            "unknown": self.unknown,
            "no_answer": self.no_answer,
            "by_kind": {kind: {name: v.as_dict() for name, v in row.items()} for kind, row in self.by_kind.items()},
        }

    def record(self) -> dict[str, object]:
        """Return all of it for JSON, so that `of` finds it again."""
        return {**self.as_dict(), "per_task": self.per_task}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Evaluation:
        """Undo `record`."""
        intervals = {
            name: {int(k): Interval(**v) for k, v in record[name].items()} for name in ("pass_at", "majority_at")
        }
        return cls(
            greedy=Interval(**record["accuracy"]),
            sampled=Interval(**record["sampled_accuracy"]),
            **intervals,
            blind=Interval(**record["blind_accuracy"]),
            unknown=record["unknown"],
            no_answer=record.get("no_answer"),
            by_kind={k: {n: Interval(**v) for n, v in row.items()} for k, row in record["by_kind"].items()},
            per_task=record["per_task"],
        )


def evaluate(run: Run, tasks: Sequence[Task], *, samples: int = SAMPLES) -> Evaluation:
    """Measure the run's policy on labelled tasks.

    An attempt that gives no answer counts as wrong: silence must not raise accuracy. Where the
    grader cannot tell for its own reasons, or the prompt was too long, the attempt is in no mean and
    is counted in `unknown`. Raises UserError for two tasks of one id, or less than one sample.
    """
    require(samples >= 1, "eval-samples", samples, "1 or more")
    distinct(tasks)
    greedy: Judged = {}
    sampled: Judged = {}
    unseen: Judged = {}
    for part, some in run.portions(tasks):
        greedy |= judge(part, part.sample(some, 1, temperature=0.0))
        sampled |= judge(part, part.sample(some, samples))
        unseen |= judge(part, part.sample(some, 1, view=blind, temperature=0.0))
    found = evaluation(tasks, samples, greedy, sampled, unseen)
    if found.unknown == len(tasks) * (2 + samples):
        raise UserError(
            f"none of {found.unknown} attempts at {len(tasks)} tasks could be made or judged "
            f"({run.store.events(run.scope, run.round) or 'no reason was noted'}); shorten the questions or take others"
        )
    return found


def evaluation(tasks: Sequence[Task], samples: int, greedy: Judged, sampled: Judged, unseen: Judged) -> Evaluation:
    """Sum up the verdicts on tasks that were each asked once greedily, `samples` times, and once without the image."""
    per_task = {"greedy": means(greedy), "sampled": means(sampled), "blind": means(unseen)}
    ks = sorted({k for k in (1, 2, 4, 8, 16, 32, 64) if k < samples} | {samples})
    counts = {task: (len(known), sum(known)) for task, row in sampled.items() if (known := settled(row))}
    passed = {k: {t: v for t, (n, c) in counts.items() if (v := pass_at_k(n, c, k)) is not None} for k in ks}
    judged = [row for rows in (greedy, sampled, unseen) for row in rows.values()]
    told = sum(len(settled(row)) for row in judged)
    return Evaluation(
        greedy=once(per_task["greedy"]),
        sampled=rate(list(per_task["sampled"].values())),
        pass_at={k: rate(list(values.values())) for k, values in passed.items()},
        majority_at={k: rate([v for row in sampled.values() if (v := majority(row, k)) is not None]) for k in ks},
        blind=once(per_task["blind"]),
        unknown=len(tasks) * (2 + samples) - told,
        no_answer=sum(verdict.reason == "no_answer" for row in judged for verdict in row),
        by_kind=by_kind(tasks, per_task),
        per_task={**per_task, **{f"pass@{k}": values for k, values in passed.items()}},
    )


def judge(run: Run, groups: Sequence[Group]) -> Judged:
    """Return the verdicts of each task's attempts, by task id."""
    rollouts = each(groups)
    found = run.judge(rollouts)
    for rollout, verdict in zip(rollouts, found, strict=True):
        if verdict.outcome == "unknown" and verdict.reason != "no_answer":  # no answer is wrong, see `evaluate`
            run.note("unknown", f"cannot tell: {verdict.reason}", rollout)
    verdicts = iter(found)
    return {g.task.id: [next(verdicts) for _ in g.rollouts] for g in groups}


def settled(verdicts: Sequence[Verdict]) -> list[int]:
    """Return 1 or 0 for each verdict that stands; no answer is a wrong one."""
    return [int(v.outcome == "right") for v in verdicts if v.outcome != "unknown" or v.reason == "no_answer"]


def means(rows: Mapping[str, Sequence[Verdict]]) -> dict[str, float]:
    """Return each task's share of right attempts; tasks without a settled verdict are left out."""
    return {task: sum(known) / len(known) for task, row in rows.items() if (known := settled(row))}


def majority(verdicts: Sequence[Verdict], k: int) -> float | None:
    """Return the chance that a vote over k of a task's settled attempts is right; equal answers are equal texts."""
    known = [v for v in verdicts if v.outcome != "unknown" or v.reason == "no_answer"]
    return majority_at_k([v.answer for v in known], settled(known), k)


def once(values: Mapping[str, float]) -> Interval:
    """Return the accuracy of one attempt a task (Wilson interval)."""
    return proportion(round(sum(values.values())), len(values))


def by_kind(tasks: Sequence[Task], per_task: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Interval]]:
    """Return greedy and sampled accuracy per kind of question, where tasks name their kind."""
    kinds: dict[str, list[str]] = {}
    for task in tasks:
        if "kind" in task.meta:
            kinds.setdefault(str(task.meta["kind"]), []).append(task.id)
    greedy, sampled = per_task["greedy"], per_task["sampled"]
    return {
        kind: {
            "accuracy": once({i: greedy[i] for i in ids if i in greedy}),
            "sampled_accuracy": rate([sampled[i] for i in ids if i in sampled]),
        }
        for kind, ids in kinds.items()
    }


def difference(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Paired:
    """Return ours - theirs over the tasks that both have values for, paired by task id."""
    both = [task for task in ours if task in theirs]
    return paired_difference([ours[t] for t in both], [theirs[t] for t in both])
