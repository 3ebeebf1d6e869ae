"""`sharpen check TASKS`: the preflight, where `sharpen check DIR` looks at a run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from . import benchmarks, methods, setup
from .answers import Grader
from .cli import emit, parse
from .data.load import WORLDS
from .data.remote import URL
from .data.sources import HUB
from .data.tables import READERS
from .errors import require
from .models.settings import Loading
from .progress import say
from .prompts import Format, asked_in


@dataclass(frozen=True)
class PreflightOptions:
    """Look at tasks as a model will be shown them, try it on a few, and say what a planned run takes."""

    tasks: tyro.conf.Positional[str]
    """`shapes:N`, `digits:N`, a benchmark, or a file, a folder, a URL or `hub:OWNER/NAME` with rows."""
    model: str = "tiny"
    """`tiny`, a folder or a hub id."""
    loading: Loading = field(default_factory=Loading)
    """How the model comes into memory."""
    prompt: Format = "as-is"
    """How an answer is asked for: an instruction that joins each task's system message."""
    method: str = "vista"
    """The method that is planned: its numbers of attempts are counted."""
    rounds: int = 3
    measured: int = 200
    """Tasks that would be measured on, before the first round and after each."""
    split: Literal["train", "test"] = "train"
    """Which split of a world, a benchmark or a dataset."""
    eval_samples: int = 8
    format: str = ""
    max_bad: float = 0.01
    allow_bad_gold: bool = False
    grader: Grader = field(default_factory=Grader)
    report: Path = Path("preflight.html")
    """Page with the first three prompts as they are shown."""
    json: bool = False

    def __post_init__(self) -> None:
        require(self.rounds >= 1, "rounds", self.rounds, "1 or more")
        require(self.measured >= 0, "measured", self.measured, "0 or more")


def names_tasks(arguments: Sequence[str]) -> bool:
    """Whether `check` is asked about tasks and not about a run's folder.

    A name of tasks is one that no folder has; for a folder of rows, `--model` says that it is one.
    """
    first = next((a for a in arguments if not a.startswith("-")), "")
    if (Path(first[:255]) / "ledger.db").is_file():
        return False
    known = first.partition(":")[0] in (*WORLDS, *benchmarks.names()) or first.startswith(HUB) or URL.match(first)
    return bool(known) or Path(first[:255]).suffix.lower() in READERS or "--model" in arguments


def preflight_command(arguments: Sequence[str]) -> int:
    """Print what was found and write the page; return the exit code."""
    from .preflight import Plan, lines, preflight, weight_bytes
    from .report.prompts import write_prompts

    options: PreflightOptions = setup.graded(parse(PreflightOptions, "check", arguments))
    method = methods.find(options.method)()
    settings = (options.max_bad, options.grader, options.allow_bad_gold, options.format)
    data = setup.labelled(options.tasks, options.split, *settings)
    model = setup.model(options.model, options.loading)
    samples = int(getattr(method, "samples", 1))
    again = int(getattr(method, "resamples", 0))
    trained = weight_bytes(model.folder)
    plan = Plan(options.rounds, samples, again, options.measured, options.eval_samples, trained)
    found = preflight(model, asked_in(data.tasks, options.prompt), plan)
    told = [f"{len(data.skipped):,} rows of {options.tasks} left out", *lines(found)]
    write_prompts(
        options.report, shlex.join(["sharpen", "check", *arguments]), told, found.examples, model.render.pieces
    )
    say(f"{options.report} shows the first {len(found.examples)} prompts")
    left_out = [{"id": name, "reason": reason} for name, reason in data.skipped]
    emit({"tasks_from": options.tasks, "left_out": left_out, **found.as_dict()}, options.json)
    if not options.json:
        print("\n".join(told))
    return 0
