"""A comparison in words: tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from .comparison import Comparison, Line, Round
from .statistics import Interval, Paired, span

DASH = "-"


def tables(found: Comparison) -> str:
    """Return all tables of a comparison, each under its heading."""
    models = [found.base, *found.lines]
    parts = [
        ("Accuracy", accuracy(found)),
        (f"Differences from {found.lines[0].name}, intervals over seeds", over_seeds(found)),
        ("By round", by_round(found)),
        ("By kind of question, greedy", kinds(models)),
        ("Looking at the image", looking(found)),
        ("Data and cost, all rounds together", cost(found)),
        ("Tasks by number of correct attempts and of training examples", imbalance(found.lines)),
    ]
    text = "\n\n".join(f"{title}\n{laid_out(rows)}" for title, rows in parts if len(rows) > 1)
    lost = "".join(f"\nFAILED {cell}: {why}" for cell, why in found.failed)
    return f"{text}\n{notes(found)}{lost}"


def laid_out(rows: Sequence[Sequence[str]]) -> str:
    """Align the columns of rows."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def passes(line: Line) -> str:
    """Return the column of pass@k with the most attempts."""
    return max((c for c in line.columns if c.startswith("pass@")), key=lambda c: int(c.split("@")[1]))


def accuracy(found: Comparison) -> list[list[str]]:
    """Lay out accuracies, and differences from the first method."""
    first, most = found.lines[0].name, passes(found.base)
    columns = ("greedy", "sampled", most, "blind")
    rows = [["model", *columns, f"greedy - {first}", "p", f"sampled - {first}", "p"]]
    for line in (found.base, *found.lines):
        pairs = [line.against_first.get(c) if line.name != first else None for c in columns[:2]]
        beside = [text for pair in pairs for text in ((difference(pair), chance(pair)) if pair else ("", ""))]
        rows.append([line.name, *(share(line.columns.get(c)) for c in columns), *beside])
    return rows


def by_round(found: Comparison) -> list[list[str]]:
    """Lay out what each round measured and took, the base model as round 0."""
    rows = [["model", "round", "greedy", "sampled", "none right", "correct", "tokens", "examples"]]
    for line in (found.base, *found.lines):
        measured = list(zip(line.curve["greedy"], line.curve["sampled"], strict=True))
        if line is found.base:
            rows.append([line.name, "0", *map(share, measured[0]), *[DASH] * 4])
        for at, (r, accuracies) in enumerate(zip(line.rounds, measured[1:], strict=True), 1):
            counts = (f"{r.right:,.0f} of {r.attempts:,.0f}", f"{r.tokens:,.0f}", f"{r.examples:,.0f}")
            rows.append([line.name, str(at), *map(share, accuracies), unsolved(r), *counts])
    return rows


def over_seeds(found: Comparison) -> list[list[str]]:
    """Lay out the differences from the first method with intervals over seeds."""
    columns = ("greedy", "sampled", "facts", "swapped")
    rows = [["model", "seeds", "greedy", "sampled", "true facts", "changes, swapped"]]
    for line in found.lines[1:]:
        known = [line.by_seed.get(c) for c in columns]
        rows.append([line.name, str(max((i.n for i in known if i), default=0)), *map(share, known)])
    return rows


def kinds(models: Sequence[Line]) -> list[list[str]]:
    """Lay out greedy accuracy by kind of question."""
    names = list(models[0].kinds)
    rows = [["model", *names]]
    return rows + [[m.name, *(share(m.kinds[k]["greedy"]) for k in names)] for m in models] if names else rows


def looking(found: Comparison) -> list[list[str]]:
    """Lay out what the grounding probe measured, and the facts of the training examples."""
    first = found.lines[0].name
    head = ["model", "true facts", "changes, swapped", "changes, withheld", f"true facts - {first}", "p", "in examples"]
    rows = [head]
    for line in (found.base, *found.lines):
        shares = [share(line.columns.get(c)) for c in ("facts", "swapped", "withheld")]
        pair = line.against_first.get("facts") if line.name != first else None
        beside = (difference(pair), chance(pair)) if pair else ("", "")
        known = [r.true_facts for r in line.rounds if r.true_facts is not None]
        trained = " ".join(f"{value:.1%}" for value in known) or DASH
        rows.append([line.name, *shares, *beside, trained])
    return rows


def cost(found: Comparison) -> list[list[str]]:
    """Lay out what the methods spent and what it brought."""
    rows = [["method", "samples", "tokens", "of first", "beside", "per correct", "seconds", "dropped", "examples"]]
    for line in found.lines:
        rows.append(
            [
                line.name,
                samples(line.rounds),
                f"{line.tokens:,.0f}",
                f"{line.tokens / found.lines[0].tokens:.0%}" if found.lines[0].tokens else DASH,
                f"{line.aside:,.0f}",
                DASH if line.tokens_per_correct is None else f"{line.tokens_per_correct:,.0f}",
                DASH if line.seconds is None else f"{line.seconds:,.0f}",
                f"{sum(r.dropped for r in line.rounds):,.0f}",
                f"{sum(r.examples for r in line.rounds):,.0f}",
            ]
        )
    return rows


def unsolved(found: Round) -> str:
    """Write how many tasks had no correct attempt before and after repair; a dash where nothing was sampled."""
    return f"{found.unsolved_before:.1f} > {found.unsolved_after:.1f}" if found.attempts else DASH


def samples(rounds: Sequence[Round]) -> str:
    """Write the samples a task of each round, with their range over the seeds; equal rounds once."""
    if any(r.samples is None for r in rounds):
        return "no such setting"
    spans = [s for r in rounds if (s := r.samples)]
    return " ".join(f"{low}" if low == high else f"{low}-{high}" for (low, high), _ in groupby(spans))


def imbalance(lines: Sequence[Line]) -> list[list[str]]:
    """Lay out for the first and the last round how many tasks have how many correct attempts and examples."""
    rows = [["method", "round", "of", "tasks with 0, 1, 2, …"]]
    for line in lines:
        for at in sorted({0, len(line.rounds) - 1}):
            found = line.rounds[at]
            for name, counts in (("correct attempts", found.before), ("training examples", found.after)):
                rows.append([line.name, str(at + 1), name, " ".join(f"{c:.3g}" for c in counts) if counts else DASH])
    return rows


def notes(found: Comparison) -> str:
    """Say what the tables mean where it is not plain."""
    first, n, count = found.lines[0].name, found.seeds, len(found.lines)
    said = [
        f"{n} seed{'s' if n > 1 else ''}; values are means over seeds, intervals (95 %) are over tasks.",
        f"Differences are paired by task; p is that of the sign-flip test over tasks, adjusted (Holm) for the {count} "
        f"comparison{'s' if count > 1 else ''} with {first} in its column.",
        "Intervals over seeds hold what sampling and training vary, which those over tasks and p do not.",
        "none right: tasks without a correct attempt, before > after repair; correct: attempts, repaired ones too.",
        "beside: tokens generated to try a number of samples or to choose a layer; only the seconds count them.",
    ]
    slower = [f"{line.name} {line.lr_share:g}" for line in found.lines if line.lr_share != 1]
    if slower:
        said.append(f"Trained with a share of the model's recommended learning rate: {', '.join(slower)}.")
    if found.equal == "none":
        said.append("Spending was not made equal: the column of tokens says what each method used.")
    else:
        said.append(
            f"Each round was to spend the {found.equal} of {first} with the same seed; tokens are what was spent."
        )
    own = [line.name for line in found.lines[1:] if not line.budgeted]
    if found.equal != "none" and own:
        said.append(
            f"{', '.join(own)}: own spending, for want of a number of samples, with one that was set, or greedy."
        )
    untimed = sum(line.untimed for line in found.lines)
    if untimed:
        said.append(f"Seconds of {untimed} interrupted or changed cells are not known and in no mean.")
    return "\n".join(said)


def share(interval: Interval | None) -> str:
    """Write a share with its interval, a dash where nothing was measured."""
    return DASH if interval is None or interval.value is None else span(interval)


def chance(pair: Paired) -> str:
    """Write an adjusted p-value."""
    p = pair.adjusted
    return DASH if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def difference(pair: Paired | None, write: Callable[[Interval], str] = span) -> str:
    """Write a paired difference with its interval."""
    return DASH if pair is None or pair.difference.value is None else write(pair.difference)
