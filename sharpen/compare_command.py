"""`sharpen compare METHOD …`: a grid of methods, settings and seeds, in parallel processes where cores allow."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import methods, setup
from .budget import Equal
from .cells import Shared
from .cli import RunOptions, emit, found_by, parse
from .compare import run_all
from .errors import UserError, require
from .progress import say
from .variants import variants
from .workers import Workers, cores

if TYPE_CHECKING:
    from .comparison import Comparison
    from .models.hf import HF

OWN = ("seeds", "grid", "equal", "jobs", "report")
"""Options of the comparison that no cell depends on."""


@dataclass(frozen=True)
class CompareOptions(RunOptions):
    """Run methods from the same base on the same tasks with several seeds: `sharpen compare METHOD METHOD …`.

    A METHOD is a name, with settings if any: `vista rest_em vista:threshold=-inf vista:samples=4,resamples=6`. The
    first is what the others are compared with. The same command again goes on where it stopped.
    """

    out: Path = Path("runs/compare")
    seeds: int = 3
    """How many, from `--seed` on."""
    grid: tuple[str, ...] = ()
    """SETTING=VALUE,VALUE,… crossed with every method that has the setting and does not name it."""
    equal: Equal = "tokens"
    """What every method spends in a round as the first one does, by its number of samples."""
    jobs: int = 0
    """Cells worked at a time; 0 is one per core, and 1 where there is a GPU."""
    report: Path | None = None
    """The page with tables and figures; `report.html` in the folder where none is named."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.seeds >= 1, "seeds", self.seeds, "1 or more")
        require(self.jobs >= 0, "jobs", self.jobs, "1 or more, or 0 for one per core")


def compare_command(arguments: Sequence[str]) -> int:
    """`sharpen compare METHOD …`; returns 1 where a cell failed."""
    options, found = comparison(arguments)
    emit({"model": options.model, "tasks": options.tasks, **found.as_dict()}, options.json)
    if not options.json:
        print(found.table())
    return 1 if found.failed else 0


def comparison(arguments: Sequence[str]) -> tuple[CompareOptions, Comparison]:
    """Run the comparison that a command line asks for and write its page."""
    from .report.comparison import write_comparison

    options, shared = shared_of(arguments)
    seeds = range(options.seed, options.seed + options.seeds)
    jobs = min(options.jobs or default_jobs(shared), (1 + len(shared.methods)) * len(seeds))
    if jobs == 1:
        found = run_all(shared, seeds)
    else:
        threads = max(1, cores() // jobs)
        say(f"{jobs} cells at a time, {threads} thread{'s' if threads > 1 else ''} each")
        with Workers(arguments, shared, jobs, threads) as workers:
            found = run_all(shared, seeds, workers, jobs)
    page = options.report or options.out / "report.html"
    write_comparison(page, shlex.join(["sharpen", "compare", *arguments]), found)
    say(f"{page} shows it")
    return options, found


def shared_of(arguments: Sequence[str]) -> tuple[CompareOptions, Shared]:
    """Load what the cells of a comparison share, by its command line."""
    at = next((i for i, a in enumerate(arguments) if a.startswith("-")), len(arguments))
    words, rest = arguments[:at], arguments[at:]
    if not words and not {"-h", "--help"} & set(rest):
        raise UserError(f"sharpen compare takes methods by name; choose from: {', '.join(methods.names())}")
    options: CompareOptions = setup.graded(parse(CompareOptions, "compare METHOD …", rest))
    chosen = variants(words, options.grid)
    data = found_by(options)
    model = setup.model(options.model, options.loading)
    tasks = list(data.tasks)  # all, since the cells share them
    manifest = setup.manifest(["compare", *arguments], options, model, tasks, data.test)
    settings: dict[str, object] = manifest["settings"]  # type: ignore[assignment]  # options are a dataclass
    manifest["settings"] = {name: value for name, value in settings.items() if name not in OWN}
    sizes = (options.rounds, options.out, options.eval_samples)
    rest_of = (options.train, options.equal, None, options.grader, manifest, data.left_out, data.contaminated)
    return options, Shared(chosen, model, tasks, data.test, *sizes, *rest_of)


def default_jobs(shared: Shared) -> int:
    """One process per core; on a GPU one in all, since several would share its memory."""
    model: HF = shared.model  # type: ignore[assignment]  # the command line loads no other
    return 1 if model.device.type == "cuda" else cores()
