"""`sharpen probe NAME …`: measure what a model does beside being right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import canary, probes, setup
from .cli import Common, emit, leading_names, parse
from .errors import UserError
from .ledger import left_out
from .prompts import asked_in
from .run import Run
from .store import Store


@dataclass(frozen=True)
class ProbeOptions(Common):
    """Probe a model: `sharpen probe NAME …`; the same command again reads what it has recorded."""

    out: Path = Path("runs/probe")
    split: Literal["train", "test"] = "test"
    """Which split of a world."""


def probe_command(arguments: Sequence[str]) -> None:
    """`sharpen probe NAME …`."""
    names, rest = leading_names(arguments)
    if not names and {"-h", "--help"} & set(rest):
        print(f"sharpen probe NAME …; NAME is one of: {', '.join(probes.names())}\n`sharpen list` tells them apart.")
    elif len(names) != 1:
        raise UserError(f"sharpen probe takes one probe, not {len(names)}; choose one of: {', '.join(probes.names())}")
    options: ProbeOptions = setup.graded(parse(ProbeOptions, "probe NAME", rest))
    (name,) = names
    measure = probes.find(name)
    bad = (options.max_bad, options.grader, options.allow_bad_gold, options.format)
    data = setup.labelled(options.tasks, options.split, *bad)
    asked = asked_in(data.tasks, options.prompt)
    model = setup.model(options.model, options.loading)
    with Store(options.out) as store:
        if store.manifest().get("method") or store.rounds():
            raise UserError(f"{options.out} holds a run, which this would replace; give another --out")
        store.write_manifest(setup.manifest(["probe", *arguments], options, model, asked))
        store.begin(left_out.SCOPE, 0)
        left_out.record(store, data.skipped)
        tasks = store.add_tasks(asked)
        canary.check(model, tasks)
        scope = f"probe {name}"
        store.begin(scope, 0)
        found = measure(Run({"policy": model}, store, seed=options.seed, scope=scope, grader=options.grader), tasks)
    emit({"probe": name, "model": options.model, "tasks": options.tasks, **found.as_dict()}, options.json)
    if not options.json:
        print(found.table())
