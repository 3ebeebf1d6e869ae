"""The first thing to run: base model, ReST-EM and VISTA-SFT on the same tasks, and a report of what happened."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import setup
from .evaluate import Evaluation, difference
from .improve import improve
from .ledger.visible import counted
from .methods import find
from .progress import say
from .report.html import MethodResult, write_report
from .report.traces import tell
from .rounds import LEGEND, Improved, table
from .statistics import Paired, span

if TYPE_CHECKING:
    from .types import Task

METHODS = ("rest_em", "vista")
CHANCE = 0.05
"""A difference that chance alone makes less often than this is called one; the intervals are of 95 %."""
NAMES = {"rest_em": "ReST-EM", "vista": "VISTA-SFT"}


def demo(
    out: Path, train: int, test: int, rounds: int, seed: int, report: Path, command: Sequence[str]
) -> tuple[str, dict[str, object]]:
    """Improve the tiny model by both methods on both worlds; return a table in words and the figures."""
    began = time.monotonic()
    tasks = both_worlds(train, "train")
    unseen = both_worlds(test, "test")
    model = setup.model("tiny")
    manifest = setup.manifest(command, {"seed": seed, "rounds": rounds}, model, tasks, unseen)
    base: Evaluation | None = None
    done: dict[str, Improved] = {}
    for name in METHODS:
        say(f"{NAMES[name]}: {counted(rounds, 'round')} on {len(tasks)} tasks, measured on {len(unseen)} unseen ones")
        folder = out / name
        done[name] = improve(
            find(name)(), model, tasks, rounds=rounds, out=folder, test=unseen, seed=seed, base=base, manifest=manifest
        )
        base = done[name].base
    results = {
        NAMES[name]: [base.as_dict() if base else {}, *(r.as_dict() for r in d.rounds)] for name, d in done.items()
    }
    traces = tell(model, tasks, out / "vista")
    shown = [MethodResult(name, rows[0], rows[1:]) for name, rows in results.items()]
    write_report(report, "sharpen demo", shlex.join(["sharpen", *command]), shown, traces)
    seconds = time.monotonic() - began
    words = (table(results), LEGEND, at_the_end(*(done[name] for name in METHODS)))
    text = "\n\n".join((*words, f"{report} shows it with six traces; {seconds:.0f} s in all"))
    return text, {"methods": results, "report": str(report), "seconds": round(seconds, 1)}


def at_the_end(first: Improved, second: Improved) -> str:
    """Say in a sentence how the second method compares with the first one after the last round, and at what cost."""
    ours, theirs = (some.rounds[-1].evaluation for some in (second, first))
    if ours is None or theirs is None:
        return "Nothing was measured."
    pairs = [(column, difference(ours.per_task[column], theirs.per_task[column])) for column in ("greedy", "sampled")]
    told = "; ".join(f"{column} {against(pair)}" for column, pair in pairs)
    names = " - ".join(NAMES[name] for name in reversed(METHODS))
    resumed = sum(r.tally.resumed for r in second.rounds)
    return (
        f"{names} after round {len(second.rounds)}, on the same unseen tasks: {told}.\n"
        f"VISTA drew {resumed:,} continuations more: `sharpen compare` puts methods side by side at equal tokens."
    )


def against(pair: Paired) -> str:
    """Say a difference, and whether it is more than chance would make."""
    beyond = pair.p is not None and pair.p < CHANCE
    return f"{span(pair.difference)}, {'beyond chance' if beyond else 'no difference beyond chance at this size'}"


def both_worlds(n: int, split: str) -> list[Task]:
    """Return n tasks of each world."""
    return [
        t
        for name in ("digits", "shapes")
        for t in setup.labelled(f"{name}:{n}", "test" if split == "test" else "train").tasks
    ]
