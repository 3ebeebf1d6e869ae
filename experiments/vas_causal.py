"""Does VISTA's attention score say that an attempt looked at the image? Asked of a world whose truth is known.

python -m experiments.vas_causal                       # both worlds, five seeds; about five minutes on two cores
python -m experiments.vas_causal --worlds digits --seeds 1 --tasks 12   # a miniature

Per seed, the base model tries each task; the correct attempts at tasks with two or more of them are looked at.
Three things are then known of each attempt that no attention is part of:

answer    its answer changes when the image is swapped: the attempt is written once more with another task's
          image and the very same random numbers (each is a hash of seed, task, attempt and step), and answers
          otherwise. An attempt that looked may still give the same answer, where both pictures have it.
text      its text changes at all in the same rewriting. What is blind to the image is written word for word again.
facts     the share of the facts it states that are true of the image; attempts that state none are left out.

Each score is a z-score within the task, as VISTA has it: VAS (the image's share of a layer's attention), the mean
log-prob of the attempt's tokens, its length, its shortness, and a random number. Printed per score are r, the
correlation within tasks with each of these; the mean of each among what is kept where the score drops as many
attempts as VAS below the threshold does; and gain, how much more that is than where chance drops as many. Means
over seeds, with 95 % intervals over seeds; gains are paired by seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from random import Random
from statistics import fmean

from sharpen import setup
from sharpen.methods.vista import Vista
from sharpen.models.model import Model
from sharpen.probes.grounding import true_share
from sharpen.progress import say
from sharpen.run import Run
from sharpen.scorers import Scorer
from sharpen.scorers.attention import ImageShare
from sharpen.scorers.correct import correct
from sharpen.statistics import Interval, signed
from sharpen.store import Store
from sharpen.types import Group, Rollout, Score, Task, digest
from sharpen.verbs import ZScore, each, right, zscore
from sharpen.views import Swapped, asked

OUTCOMES = ("answer", "text", "facts")


@dataclass(frozen=True)
class LogProb(Scorer):
    """Mean log-prob of the attempt's tokens, read after the task as it was asked."""

    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        readings = iter(run.read(each(groups), view=asked, top=1))
        return [[fmean(found) if (found := next(readings).logprobs) else None for _ in g.rollouts] for g in groups]


@dataclass(frozen=True)
class Length(Scorer):
    """Tokens of the attempt, times `sign`."""

    sign: int = 1

    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        return [[float(self.sign * len(r.ids)) for r in g.rollouts] for g in groups]


@dataclass(frozen=True)
class Chance(Scorer):
    """A random number by the attempt's address."""

    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        return [[Random(digest("chance", run.seed, r.key)).random() for r in g.rollouts] for g in groups]


@dataclass(frozen=True)
class Attempt:
    """A correct attempt with its z-scores and what is known of it; None is not known."""

    task: str
    scores: Mapping[str, float]
    outcomes: Mapping[str, float | None]


def attempts(run: Run, again: Run, tasks: Sequence[Task], samples: int, layer: int) -> tuple[list[Attempt], int]:
    """Return the correct attempts of tasks with two or more, and how many there are in all.

    `again` counts its calls anew, so that its first one draws the same random numbers as the first of `run`.
    """
    swap = Swapped.among(tasks)
    tried = run.sample(tasks, samples)
    verified = right(run.score(tried, correct), correct)
    total, groups = len(each(verified)), [g for g in verified if len(g.rollouts) > 1]
    swapped = again.sample([t for t in tasks if t.id in swap.others], samples, view=swap)
    rewritten = {
        (g.task.id, at): (answer, r.text)
        for g, row in zip(swapped, said(run, swapped), strict=True)
        for at, (r, answer) in enumerate(zip(g.rollouts, row, strict=True))
    }
    places = {r.key: at for g in tried for at, r in enumerate(g.rollouts)}
    scorers: dict[str, Scorer] = {
        "VAS": ImageShare(layer),
        "log-prob": LogProb(),
        "length": Length(),
        "shortness": Length(-1),
        "chance": Chance(),
    }
    for scorer in scorers.values():
        groups = zscore(run.score(groups, scorer), scorer)
    found: list[Attempt] = []
    for group, row in zip(groups, said(run, groups), strict=True):
        for rollout, answer in zip(group.rollouts, row, strict=True):
            other = rewritten.get((group.task.id, places[rollout.key]))
            outcomes = {
                "answer": None if other is None else float(other[0] != answer),
                "text": None if other is None else float(other[1] != rollout.text),
                "facts": true_share(group.task, rollout.text),
            }
            found.append(Attempt(group.task.id, scores_of(rollout, scorers), outcomes))
    return found, total


def said(run: Run, groups: Sequence[Group]) -> list[list[str | None]]:
    """Return the answers of the attempts of each group."""
    verdicts = iter(run.judge(each(groups)))
    return [[next(verdicts).answer for _ in g.rollouts] for g in groups]


def scores_of(rollout: Rollout, scorers: Mapping[str, Scorer]) -> dict[str, float]:
    """Return an attempt's z-scores by name, 0 (no different from its task's others) where one is unknown."""
    return {name: rollout[ZScore(scorer)] or 0.0 for name, scorer in scorers.items()}


def correlation(found: Sequence[Attempt], score: str, outcome: str) -> float | None:
    """Return Pearson's correlation within tasks: of the z-score with the outcome's distance from its task's mean."""
    by_task: dict[str, list[tuple[float, float]]] = {}
    for a in found:
        if (value := a.outcomes[outcome]) is not None:
            by_task.setdefault(a.task, []).append((a.scores[score], value))
    pairs = [
        (x - fmean(s for s, _ in rows), y - fmean(v for _, v in rows)) for rows in by_task.values() for x, y in rows
    ]
    spread = sqrt(sum(x * x for x, _ in pairs) * sum(y * y for _, y in pairs))
    return sum(x * y for x, y in pairs) / spread if spread > 0 else None


def kept(found: Sequence[Attempt], score: str, drop: int, outcome: str) -> float | None:
    """Return the mean outcome of what is left after dropping the `drop` attempts of the lowest score.

    Of equal scores, which lengths often are, chance says who goes first: the order of the tasks must not.
    """
    rest = sorted(found, key=lambda a: (a.scores[score], a.scores["chance"]))[drop:]
    known = [value for a in rest if (value := a.outcomes[outcome]) is not None]
    return fmean(known) if known else None


def measure(found: Sequence[Attempt], threshold: float) -> dict[str, dict[str, float | None]]:
    """Return per score its correlations and what dropping by it leaves; `none` drops nothing."""
    drop = sum(a.scores["VAS"] < threshold for a in found)
    rows: dict[str, dict[str, float | None]] = {"none": {f"kept {o}": kept(found, "chance", 0, o) for o in OUTCOMES}}
    chance = {o: kept(found, "chance", drop, o) for o in OUTCOMES}
    for score in found[0].scores if found else ():
        left = {o: kept(found, score, drop, o) for o in OUTCOMES}
        rows[score] = {
            "dropped": drop / len(found),
            **{f"r {o}": correlation(found, score, o) for o in OUTCOMES},
            **{f"kept {o}": value for o, value in left.items()},
            **{f"gain {o}": less(left[o], chance[o]) for o in OUTCOMES if score != "chance"},
        }
    return rows


def less(ours: float | None, theirs: float | None) -> float | None:
    """Return the difference of two figures; None where one is unknown."""
    return None if ours is None or theirs is None else ours - theirs


def one(model: Model, place: str, seed: int, args: argparse.Namespace) -> dict[str, dict[str, float | None]]:
    """Measure one world with one seed, in a ledger of its own."""
    with Store(args.out / f"{place}-seed{seed}") as store:
        tasks = store.add_tasks(setup.labelled(f"{place}:{args.tasks}").tasks)
        scope = "collect"
        runs = [Run({"policy": model}, store, seed=seed, round=1, scope=scope) for _ in range(2)]
        store.begin(scope, 1)
        layer = runs[0].layer(args.layer, tasks)
        found, total = attempts(*runs, tasks, args.samples, layer)
        say(f"{place}, seed {seed}: layer {layer}, {len(found)} of {total} correct attempts share a task with another")
    return measure(found, args.threshold)


def over_seeds(found: Sequence[Mapping[str, Mapping[str, float | None]]]) -> dict[str, dict[str, Interval]]:
    """Return each figure's mean over the seeds in which it is known, with its interval."""
    scores = dict.fromkeys(score for rows in found for score in rows)
    columns = dict.fromkeys(c for rows in found for row in rows.values() for c in row)
    return {
        score: {
            column: mean([v for rows in found if (v := rows.get(score, {}).get(column)) is not None])
            for column in columns
        }
        for score in scores
    }


def mean(values: Sequence[float]) -> Interval:
    """Return the mean of one value a seed with its interval at 95 %; none where they do not differ."""
    return signed(values)


def table(found: Mapping[str, Mapping[str, Interval]]) -> str:
    """Lay out the figures of a world."""
    columns = ("dropped", *(f"{kind} {o}" for kind in ("r", "kept", "gain") for o in OUTCOMES))
    rows = [("score", *columns), *((score, *(text(row.get(c)) for c in columns)) for score, row in found.items())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def text(interval: Interval | None) -> str:
    """Write a figure with its interval, a dash where it is unknown."""
    if interval is None or interval.value is None:
        return "-"
    bounds = "" if interval.low is None or interval.high is None else f" [{interval.low:.2f}, {interval.high:.2f}]"
    return f"{interval.value:.2f}{bounds}"


def layer(word: str) -> int | str | None:
    """Read a layer: a number, `auto`, or `middle`."""
    return None if word == "middle" else word if word == "auto" else int(word)


def main(argv: Sequence[str] | None = None) -> None:
    """Print one table a world."""
    parser = argparse.ArgumentParser(prog="python -m experiments.vas_causal", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--worlds", nargs="+", default=["shapes", "digits"])
    parser.add_argument("--tasks", type=int, default=150)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--layer", type=layer, default=None, help="a number, auto, or middle (as None in VISTA)")
    parser.add_argument("--threshold", type=float, default=Vista().threshold)
    parser.add_argument("--out", type=Path, default=Path("runs/vas_causal"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    model = setup.model(args.model)
    found = {place: over_seeds([one(model, place, seed, args) for seed in range(args.seeds)]) for place in args.worlds}
    if args.json:
        print(
            json.dumps({p: {s: {c: i.as_dict() for c, i in r.items()} for s, r in t.items()} for p, t in found.items()})
        )
        return
    for place, rows in found.items():
        print(f"{place}, {args.seeds} seeds\n{table(rows)}\n")


if __name__ == "__main__":
    main()
