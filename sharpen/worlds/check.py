"""Measure a model against what a test bed for self-improvement needs: `python -m sharpen.worlds.check`.

Two faults must be real and measurable: hard tasks without a correct attempt, and correct answers
written blind. And there must be latent skill that training on one's own attempts brings out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..models import load
from ..models.hf import HF
from ..run import Run
from ..scorers.attention import image_share
from ..scorers.correct import correct
from ..statistics import auroc
from ..store import Store
from ..types import Group, Rollout
from ..verbs import each, first_unexpected
from ..views import blind, question_first
from . import NAMES, World, world
from .corpus import WORLDS
from .grid import LINES, Truth

TIMES = 10
"""K of VISTA."""
TOP = 5
"""k of VISTA."""
HABIT, LOOK = "<think>usually", "<think>look"
"""How the two registers begin."""


@dataclass(frozen=True)
class Target:
    """A figure that the test bed needs, between two bounds."""

    name: str
    least: float
    most: float


TARGETS = (
    Target("greedy", 0.15, 0.45),
    Target("sampled", 0.15, 0.45),
    Target("pass@10 - pass@1", 0.30, 1.0),
    Target("sampled, hardest kind", 0.001, 0.15),
    Target("hard tasks never solved", 0.30, 0.90),
    Target("correct written blind", 0.10, 0.90),
    Target("correct that state a falsehood", 0.20, 0.90),
    Target("looking pays, easy kinds", 0.10, 1.0),
    Target("greedy in the habit", 0.90, 1.0),
    Target("failed looking, all readings true", 0.50, 1.0),
    Target("slip outside the top 5", 0.50, 1.0),
    Target("AUROC at the best layer", 0.85, 1.0),
)


def share(values: Sequence[object]) -> float | None:
    """Return the share of true values; None of nothing."""
    return sum(map(bool, values)) / len(values) if values else None


def advantage(attempts: Sequence[Rollout]) -> float | None:
    """Return how much oftener attempts that look are right than the others; None without both sorts."""
    looking = share([r[correct] == 1 for r in attempts if r.text.startswith(LOOK)])
    others = share([r[correct] == 1 for r in attempts if not r.text.startswith(LOOK)])
    return None if looking is None or others is None else looking - others


def measure(model: HF, run: Run, place: World, n: int) -> dict[str, object]:
    """Measure one world: accuracy, coverage, blindness, prefixes and attention."""
    tasks = place.tasks("test", n, 7)
    greedy = run.score(run.sample(tasks, 1, temperature=0.0), correct)
    groups = run.score(run.sample(tasks, TIMES), correct)
    hidden = run.score(run.sample(tasks, 1, view=blind, temperature=0.0), correct)
    attempts = each(groups)
    right = [r for r in attempts if r[correct] == 1]
    hard = [g for g in groups if g.task.meta["kind"] in place.hard]
    rates = kinds(place, groups, greedy)
    sampled = share([r[correct] == 1 for r in attempts])
    covered = share([any(r[correct] == 1 for r in g.rollouts) for g in groups])
    failed = [r for r in attempts if r[correct] == 0 and r.text.startswith(LOOK)]
    easy = [r for r in attempts if r.task.meta["kind"] not in place.hard]
    areas = layers(model, run, place, right[:600])
    return {
        "greedy": share([r[correct] == 1 for r in each(greedy)]),
        "image withheld": share([r[correct] == 1 for r in each(hidden)]),
        "sampled": sampled,
        "pass@10 - pass@1": None if covered is None or sampled is None else covered - sampled,
        "sampled, hardest kind": min(row["sampled"] or 0.0 for row in rates.values()),
        "hard tasks never solved": share([not any(r[correct] == 1 for r in g.rollouts) for g in hard]),
        "correct written blind": share([place.written_blind(r.task, r.text) for r in right]),
        "correct that state a falsehood": share([any(not f.true for f in place.facts(r.task, r.text)) for r in right]),
        "looking pays, easy kinds": advantage(easy),
        "greedy in the habit": share([r.text.startswith(HABIT) for r in each(greedy)]),
        "failed looking, all readings true": share([all(f.true for f in place.facts(r.task, r.text)) for r in failed]),
        **critical(model, run, place, failed),
        "AUROC by layer": areas,
        "AUROC at the middle layer": areas[len(areas) // 2] if areas else None,
        "AUROC at the best layer": max((a for a in areas if a is not None), default=None),
        "kinds": rates,
    }


def kinds(place: World, groups: Sequence[Group], greedy: Sequence[Group]) -> dict[str, dict[str, float | None]]:
    """Return per kind of question: greedy and sampled accuracy, coverage, and accuracy of the looking attempts."""
    found: dict[str, dict[str, float | None]] = {}
    for kind in place.kinds:
        mine = [g for g in groups if g.task.meta["kind"] == kind]
        looking = [r for r in each(mine) if r.text.startswith(LOOK)]
        found[kind] = {
            "greedy": share([r[correct] == 1 for g in greedy if g.task.meta["kind"] == kind for r in g.rollouts]),
            "sampled": share([r[correct] == 1 for r in each(mine)]),
            "covered": share([any(r[correct] == 1 for r in g.rollouts) for g in mine]),
            "looking": share([r[correct] == 1 for r in looking]),
        }
    return found


def critical(model: HF, run: Run, place: World, failed: Sequence[Rollout]) -> dict[str, float | None]:
    """Return where VISTA would cut failed attempts that looked, and how unexpected their slips are."""
    readings = run.read(failed, view=question_first, top=TOP)
    at = [first_unexpected(reading, TOP) for reading in readings]
    slips = [(slip_at(model, place, r), reading) for r, reading in zip(failed, readings, strict=True)]
    positions = [i / len(r.ids) for i, r in zip(at, failed, strict=True) if i is not None]
    return {
        "with a critical token": share([i is not None for i in at]),
        "position of the critical token": sum(positions) / len(positions) if positions else None,
        "slip outside the top 5": share([reading.rank[i] >= TOP for i, reading in slips if i is not None]),
    }


def slip_at(model: HF, place: World, rollout: Rollout) -> int | None:
    """Return the index of the first wrong running total of a sum; None where the slip is elsewhere."""
    truth = Truth.of(rollout.task.meta)
    readings, _, rest = rollout.text.partition(". ")
    if not truth.kind.endswith("-sum") or not rest or not all(f.true for f in place.facts(rollout.task, readings)):
        return None
    values = [WORLDS[place.name].value(truth.grid[i]) for i in LINES[truth.line]]
    totals = [str(sum(values[: i + 1])) for i in range(len(values))]
    texts = model.render.pieces(rollout.ids)
    start = next((i for i, t in enumerate(texts) if t == ". "), len(texts))
    if "adding" in rest:
        said, expected = [i for i, t in enumerate(texts) if i > start and t.isdigit()][:4], totals
    else:
        said, expected = [i + 1 for i, t in enumerate(texts[:-1]) if i > start and t == " = "], totals[1:]
    return next((i for i, total in zip(said, expected, strict=False) if texts[i] != total), None)


def layers(model: HF, run: Run, place: World, right: Sequence[Rollout]) -> list[float | None]:
    """Return per layer how well the image's share of attention tells correct attempts that looked from blind ones."""
    every = range(model.layers)
    readings = run.read(right, layers=every)
    unseen = [place.written_blind(r.task, r.text) for r in right]
    areas: list[float | None] = []
    for layer in every:
        shares = [image_share(reading, layer) or 0.0 for reading in readings]
        looking = [s for s, b in zip(shares, unseen, strict=True) if not b]
        areas.append(auroc(looking, [s for s, b in zip(shares, unseen, strict=True) if b]))
    return areas


def together(found: Mapping[str, Mapping[str, object]]) -> dict[str, float | None]:
    """Return each target's figure as the mean over the worlds; None where one of them has none."""
    means: dict[str, float | None] = {}
    for target in TARGETS:
        values = [figures[target.name] for figures in found.values()]
        numbers = [v for v in values if isinstance(v, float)]
        means[target.name] = sum(numbers) / len(numbers) if len(numbers) == len(values) else None
    return means


def check(name: str, n: int, seed: int) -> dict[str, dict[str, object]]:
    """Measure a model in both worlds, in a ledger that is thrown away."""
    model = load(name)
    with TemporaryDirectory() as scratch, Store(Path(scratch)) as store:
        return {
            place: measure(model, Run({"policy": model}, store, seed=seed, scope=place), world(place), n)
            for place in NAMES
        }


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures of a model in each world, and which targets their means meet; leave with 1 if one is missed."""
    parser = argparse.ArgumentParser(prog="python -m sharpen.worlds.check", description=__doc__)
    parser.add_argument("--model", default="tiny", help="tiny, a folder or a hub id")
    parser.add_argument("--tasks", type=int, default=300, help="test tasks of each world")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(argv)
    found = check(asked.model, asked.tasks, asked.seed)
    print(json.dumps(found, indent=1))
    print(f"{'figure':36} {'  '.join(f'{name:>6}' for name in found)}    mean  wanted")
    missed = 0
    for target in TARGETS:
        mean = together(found)[target.name]
        met = mean is not None and target.least <= mean <= target.most
        missed += not met
        cells = [figures[target.name] for figures in found.values()]
        row = "  ".join(f"{v:6.3f}" if isinstance(v, float) else "     -" for v in (*cells, mean))
        print(f"{target.name:36} {row}  {target.least:.2f} to {target.most:.2f}  {'met' if met else 'MISSED'}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
