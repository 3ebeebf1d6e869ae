"""`sharpen check TASKS`: the preflight, where `sharpen check DIR` looks at a run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from . import benchmarks, methods, setup
from .answers import Grader
from .cli import emit, parse
from .data.load import WORLDS
from .data.remote import URL
from .data.sources import HUB
from .data.tables import READERS
from .errors import require
from .estimate import Plan
from .intake import held_out_of
from .ledger.visible import counted
from .models.settings import Loading
from .progress import say
from .prompts import Format, asked_in
from .steps import CALIBRATIONS
from .train import Train
from .types import Task

if TYPE_CHECKING:
    from .models.hf import HF

SETTINGS = ("samples", "resamples", "max_tokens")
"""What of a method's settings decides how much is written."""


@dataclass(frozen=True)
class PreflightOptions:
    """Look at tasks as a model will be shown them, try it on a few, and say what a planned run takes.

    `sharpen check DIR` on a run's folder verifies that instead.
    """

    tasks: tyro.conf.Positional[str]
    """`shapes:N`, `digits:N`, a benchmark, or a file, a folder, a URL or `hub:OWNER/NAME` with rows."""
    model: str = "tiny"
    """`tiny`, a folder or a hub id."""
    loading: Loading = field(default_factory=Loading)
    """How the model comes into memory."""
    prompt: Format = "as-is"
    """How an answer is asked for: an instruction that joins each task's system message."""
    method: str = "vista"
    """The method that is planned, with its own settings where none are given here."""
    samples: int | None = None
    """Attempts a task and round."""
    resamples: int | None = None
    """Continuations of each failed attempt, where the method resumes some."""
    max_tokens: int | None = None
    """Most new tokens of an attempt."""
    rounds: int = 3
    """Rounds that are planned."""
    test: str = ""
    """Unseen tasks that would be measured on; empty takes what `sharpen run` takes: a tenth, or a world's own."""
    measured: int | None = None
    """How many tasks would be measured on, where that is known better."""
    split: Literal["train", "test"] = "train"
    """Which split of a world, a benchmark or a dataset."""
    eval_samples: int = 8
    train: Train = field(default_factory=Train)
    """Only `epochs` counts here."""
    format: str = ""
    max_bad: float = 0.01
    allow_bad_gold: bool = False
    grader: Grader = field(default_factory=Grader)
    html: Path = Path("preflight.html")
    """Page with the first three prompts as they are shown, their pictures and what was found."""
    json: bool = False

    def __post_init__(self) -> None:
        require(self.rounds >= 1, "rounds", self.rounds, "1 or more")
        require(self.measured is None or self.measured >= 0, "measured", self.measured, "0 or more")
        require(self.eval_samples >= 1, "eval-samples", self.eval_samples, "1 or more")

    @property
    def bad(self) -> tuple[float, Grader, bool, str]:
        """What `setup.labelled` is told of rows that cannot be used."""
        return self.max_bad, self.grader, self.allow_bad_gold, self.format


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
    from .preflight import lines, preflight, weight_bytes
    from .report.prompts import write_prompts

    options: PreflightOptions = setup.graded(parse(PreflightOptions, "check", arguments))
    method = planned_method(options)  # before anything is loaded
    data = setup.labelled(options.tasks, options.split, *options.bad)
    model = setup.model(options.model, options.loading)
    tasks = asked_in(data.tasks, options.prompt)
    plan, of_weights = plan_of(options, model, tasks), weight_bytes(model.folder, model.net.dtype.itemsize)
    cutting = (method.top, CALIBRATIONS[method.calibration]) if plan.resamples else None
    found = preflight(model, tasks, plan, options.grader, of_weights, cutting)
    told = [f"{counted(len(data.skipped), 'row')} of {options.tasks} left out", *lines(found)]
    command = shlex.join(["sharpen", "check", *arguments])
    write_prompts(options.html, command, told, found.examples, model.render.pieces)
    left_out = [{"id": name, "reason": reason} for name, reason in data.skipped]
    page = {"html": str(options.html)}
    emit({"tasks_from": options.tasks, "left_out": left_out, **found.as_dict(), **page}, options.json)
    if not options.json:
        print("\n".join(told))
    say(f"{options.html} shows the first {len(found.examples)} prompts; --html names another place")
    return 0


def plan_of(options: PreflightOptions, model: HF, tasks: Sequence[Task]) -> Plan:
    """Return what the run would be asked to do, on the tasks that it would learn from and measure on."""
    from .train.trainer import resolved

    method = planned_method(options)
    held_out = [] if options.test or setup.own_test(options.tasks) else held_out_of(tasks)
    return Plan(
        tasks=len(tasks) - len(held_out),
        rounds=options.rounds,
        samples=int(getattr(method, "samples", 1)),
        resamples=int(getattr(method, "resamples", 0)),
        reads_right=getattr(method, "threshold", -inf) > -inf,
        epochs=resolved(options.train, model).epochs,
        measured=measured(options, held_out),
        eval_samples=options.eval_samples,
        limit=int(getattr(method, "max_tokens", None) or model.max_tokens),
    )


def planned_method(options: PreflightOptions) -> Any:
    """Return the method with the settings that are given; raises UserError for one that it does not have."""
    method: Any = methods.find(options.method)()
    given = {name: n for name in SETTINGS if (n := getattr(options, name)) is not None}
    for name, number in given.items():
        wanted = f"a method that has it; {options.method} has none"
        require(hasattr(method, name), name.replace("_", "-"), number, wanted)
    return replace(method, **given)


def measured(options: PreflightOptions, held_out: Sequence[Task]) -> int:
    """Return how many tasks the run would measure on."""
    if options.measured is not None:
        return options.measured
    own = options.test or setup.own_test(options.tasks)
    return len(setup.labelled(own, "test", *options.bad).tasks) if own else len(held_out)
