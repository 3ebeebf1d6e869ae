"""What a comparison came to: one line a model, values averaged over seeds, intervals over tasks, pairs by task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from .cells import BASE, Cell, Record, Shared
from .errors import UserError
from .evaluate import difference
from .statistics import Interval, Paired, holm, rate, signed

Values = Mapping[str, Mapping[str, float]]
"""A value by column and task id."""
Key = tuple[str, int]
"""A word and a seed."""
MEASURED = ("greedy", "sampled", "blind", "facts", "swapped", "withheld")


@dataclass(frozen=True)
class Round:
    """What one round's collection came to, the mean over seeds; None where the method does not do such a thing."""

    tokens: float
    aside: float
    """Tokens generated for none of these attempts: to try a number of samples, and to choose a layer."""
    attempts: float
    right: float
    """Correct attempts, repaired ones included."""
    unsolved_before: float
    unsolved_after: float
    dropped: float
    examples: float
    samples: tuple[int, int] | None
    """Fewest and most samples a task over the seeds."""
    before: Sequence[float] | None
    """Tasks with 0, 1, 2, … correct attempts of the first, plain sampling."""
    after: Sequence[float]
    """Tasks with 0, 1, 2, … training examples."""
    true_facts: float | None
    """Share of true facts among the training examples."""

    def as_dict(self) -> dict[str, object]:
        """Return the round for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Line:
    """One model over the seeds that it was run with."""

    name: str
    columns: Mapping[str, Interval]
    """By column: accuracies, pass@k, and what `probes.grounding` measures."""
    seeds: Mapping[str, Sequence[float | None]]
    """The value of each seed, by column."""
    kinds: Mapping[str, Mapping[str, Interval]]
    """Greedy and sampled accuracy by kind of question."""
    against_base: Mapping[str, Paired]
    against_first: Mapping[str, Paired]
    by_seed: Mapping[str, Interval]
    """Difference from the first method, one value a seed: its interval holds what training and sampling vary."""
    curve: Mapping[str, Sequence[Interval]]
    """Greedy and sampled accuracy by round, the base model first."""
    rounds: Sequence[Round]
    lr_share: float
    """Its share of the model's recommended learning rate; 1 where the user names a rate."""
    budgeted: bool
    """Whether its samples were chosen to spend what the first method spent."""
    seconds: float | None
    """To collect and train, mean over the seeds that were not interrupted; None where all were."""
    untimed: int
    """Seeds whose seconds are not known, since they were interrupted."""

    @property
    def tokens(self) -> float:
        """Tokens generated for training data in all rounds, mean over seeds."""
        return sum(r.tokens for r in self.rounds)

    @property
    def aside(self) -> float:
        """Tokens generated beside these, mean over seeds."""
        return sum(r.aside for r in self.rounds)

    @property
    def tokens_per_correct(self) -> float | None:
        """Tokens generated for each correct attempt; None where there is none."""
        right = sum(r.right for r in self.rounds)
        return self.tokens / right if right else None

    def as_dict(self) -> dict[str, object]:
        """Return the line for JSON."""

        def paired(of: Mapping[str, Paired]) -> dict[str, object]:
            return {name: {**d.difference.as_dict(), "p": d.p, "p_holm": d.adjusted} for name, d in of.items()}

        return {
            "method": self.name,
            **{name: i.as_dict() for name, i in self.columns.items()},
            "seeds": {name: list(values) for name, values in self.seeds.items()},
            "kinds": {kind: {name: i.as_dict() for name, i in row.items()} for kind, row in self.kinds.items()},
            "against_base": paired(self.against_base),
            "against_first": paired(self.against_first),
            "against_first_by_seed": {name: i.as_dict() for name, i in self.by_seed.items()},
            "curve": {name: [i.as_dict() for i in points] for name, points in self.curve.items()},
            "rounds": [r.as_dict() for r in self.rounds],
            "budgeted": self.budgeted,
            "lr_share": self.lr_share,
            "tokens": self.tokens,
            "tokens_aside": self.aside,
            "tokens_per_correct": self.tokens_per_correct,
            "seconds": self.seconds,
            "untimed": self.untimed,
        }


@dataclass(frozen=True)
class Comparison:
    """The base model's line, and one line per method that was run with any seed."""

    base: Line
    lines: Sequence[Line]
    seeds: int
    equal: str
    failed: Sequence[tuple[str, str]]
    """Cells that came to nothing, with reasons."""

    def as_dict(self) -> dict[str, object]:
        """Return the whole table for JSON."""
        return {
            "base": self.base.as_dict(),
            "seeds": self.seeds,
            "equal": self.equal,
            "methods": [line.as_dict() for line in self.lines],
            "failed": [{"cell": cell, "reason": why} for cell, why in self.failed],
        }

    def table(self) -> str:
        """Return the tables as text; differences are paired by task, with 95 % intervals."""
        from .comparison_text import tables

        return tables(self)


def summed_up(
    shared: Shared, seeds: Sequence[int], done: Mapping[Key, Record], failed: Mapping[Key, str]
) -> Comparison:
    """Sum up the cells of a comparison; raises UserError where no method was run with any seed."""
    ran = [word for word in shared.methods if any((word, seed) in done for seed in seeds)]
    lost = [(Cell(*key).label, why) for key, why in failed.items()]
    if not ran:
        cell, why = lost[0]
        raise UserError(f"no method came to an end; {cell}: {why}")
    kinds: dict[str, list[str]] = {}
    for task in shared.test:
        if "kind" in task.meta:
            kinds.setdefault(str(task.meta["kind"]), []).append(task.id)
    first = next(iter(shared.methods))
    models = [line(word, shared, seeds, done, kinds, first) for word in (BASE, *ran)]
    base, *lines = adjusted(models, first)
    return Comparison(base, lines, len(seeds), shared.equal, lost)


def adjusted(models: Sequence[Line], first: str) -> list[Line]:
    """Adjust the p-values of each column for all models that are compared with the same one."""
    against_base = together([{} if m.name == BASE else m.against_base for m in models])
    against_first = together([{} if m.name == first else m.against_first for m in models])
    return [
        replace(m, against_base={**m.against_base, **one}, against_first={**m.against_first, **other})
        for m, one, other in zip(models, against_base, against_first, strict=True)
    ]


def together(tables: Sequence[Mapping[str, Paired]]) -> list[dict[str, Paired]]:
    """Adjust the p-values of comparisons by column (Holm)."""
    found = [dict(table) for table in tables]
    for column in dict.fromkeys(c for table in tables for c in table):
        ps = holm([table[column].p if column in table else None for table in tables])
        for table, p in zip(found, ps, strict=True):
            if column in table:
                table[column] = replace(table[column], adjusted=p)
    return found


def line(
    word: str,
    shared: Shared,
    seeds: Sequence[int],
    done: Mapping[Key, Record],
    kinds: Mapping[str, Sequence[str]],
    first: str,
) -> Line:
    """Sum up one model over its seeds; a difference takes the seeds that both sides have."""
    records = [done[word, seed] for seed in seeds if (word, seed) in done]
    found = [values_of(record) for record in records]
    ours = over_seeds(found)
    timed = [r["seconds"] for r in records if "seconds" in r and r["timed"]]

    def against(other: str) -> dict[str, Paired]:
        both = [seed for seed in seeds if (word, seed) in done and (other, seed) in done]
        mine, theirs = (over_seeds([values_of(done[w, seed]) for seed in both]) for w in (word, other))
        return {column: difference(mine[column], theirs[column]) for column in mine if column in theirs}

    starts = [done[BASE, seed] for seed in seeds if (word, seed) in done]
    stages = [
        over_seeds([stage["per_task"] for stage in some])
        for some in ([r["evaluation"] for r in starts], *zip(*(r.get("evaluations", []) for r in records), strict=True))
    ]
    return Line(
        name=word,
        columns={column: rate(list(values.values())) for column, values in ours.items()},
        seeds={column: [rate(list(f[column].values())).value for f in found] for column in ours},
        kinds={kind: by_kind(ours, ids) for kind, ids in kinds.items()},
        against_base=against(BASE),
        against_first=against(first),
        by_seed=by_seed(
            *([values_of(done[w, s]) for s in seeds if {(word, s), (first, s)} <= done.keys()] for w in (word, first))
        ),
        curve={c: [rate(list(stage[c].values())) for stage in stages] for c in ("greedy", "sampled")},
        rounds=[round_of([r["rounds"][i] for r in records], records, i) for i in range(shared.rounds)]
        if word != BASE
        else [],
        lr_share=getattr(shared.methods.get(word), "lr_share", 1.0) if shared.settings.lr is None else 1.0,
        budgeted=any(r.get("budgeted") for r in records),
        seconds=fmean(timed) if timed else None,
        untimed=len(records) - len(timed) if word != BASE else 0,
    )


def values_of(record: Record) -> Values:
    """Return a cell's values by column and task: those of its last model."""
    evaluation = record["evaluation"] if "evaluation" in record else record["evaluations"][-1]
    return {**evaluation["per_task"], **record["grounding"]["per_task"]}


def over_seeds(found: Sequence[Values]) -> dict[str, dict[str, float]]:
    """Return each task's value by column, averaged over the seeds."""
    values: dict[str, dict[str, list[float]]] = {}
    for rows in found:
        for column, row in rows.items():
            for task, value in row.items():
                values.setdefault(column, {}).setdefault(task, []).append(value)
        for column in rows:
            values.setdefault(column, {})
    return {column: {task: fmean(some) for task, some in rows.items()} for column, rows in values.items()}


def by_seed(ours: Sequence[Values], theirs: Sequence[Values]) -> dict[str, Interval]:
    """Return the mean over seeds of each one's difference, paired by task, with its interval over seeds.

    Tasks that were averaged over seeds cannot show what all tasks of a seed have in common: how well its training went.
    """
    columns = [c for c in (ours[0] if ours else ()) if c in theirs[0]]
    found = {c: [difference(a[c], b[c]).difference.value for a, b in zip(ours, theirs, strict=True)] for c in columns}
    known = {c: [v for v in values if v is not None] for c, values in found.items()}
    return {c: signed(values) for c, values in known.items()}


def by_kind(ours: Values, ids: Sequence[str]) -> dict[str, Interval]:
    """Return greedy and sampled accuracy over the tasks of one kind."""
    return {c: rate([ours[c][i] for i in ids if i in ours[c]]) for c in ("greedy", "sampled")}


def round_of(rounds: Sequence[Record], records: Sequence[Record], at: int) -> Round:
    """Sum up one round over the seeds."""

    def mean(value: Callable[[Record], float]) -> float:
        return fmean(value(r) for r in rounds)

    samples = [r["samples"][at] for r in records if r["samples"]]
    before = [b for r in records if (b := r["imbalance"][at]["before"]) is not None]
    facts = [f for r in records if (f := r["true_facts"][at]) is not None]
    return Round(
        tokens=mean(lambda r: r["tokens"]),
        aside=fmean(r["aside"][at] for r in records),
        attempts=mean(lambda r: r["attempts"] + r["resumed"]),
        right=mean(lambda r: r["correct"] + r["rescued"]),
        unsolved_before=fmean(unsolved(r, b["imbalance"][at]["before"]) for r, b in zip(rounds, records, strict=True)),
        unsolved_after=mean(lambda r: r["unsolved_after"]),
        dropped=mean(lambda r: r["dropped"]),
        examples=mean(lambda r: r["examples"]),
        samples=(min(samples), max(samples)) if samples else None,
        before=mean_counts(before) if before else None,
        after=mean_counts([r["imbalance"][at]["after"] for r in records]),
        true_facts=fmean(facts) if facts else None,
    )


def unsolved(round: Record, before: Sequence[int] | None) -> int:
    """Return how many tasks the first, plain sampling left without a correct attempt.

    A tally counts hinted and further attempts among those that were sampled; here they are repair.
    """
    return int(round["unsolved_before"]) if before is None else int(round["tasks"]) - sum(before[1:])


def mean_counts(counts: Sequence[Sequence[int]]) -> list[float]:
    """Return the mean of histograms of any length."""
    return [fmean(c[i] if i < len(c) else 0 for c in counts) for i in range(max(map(len, counts)))]
