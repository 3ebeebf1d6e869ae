"""What every command does first: find tasks and model, check them, and write down what the run is made of."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from . import benchmarks
from .answers import Grader
from .data.load import WORLDS, Loaded
from .data.sources import file_hash
from .errors import TaskError, UserError
from .incoming import Incoming, identity_of
from .intake import UNSEEN, Apart, Intake, held_out_of
from .ledger.visible import counted, word
from .progress import say
from .types import Task, digest

if TYPE_CHECKING:
    from .data.contamination import Overlap
    from .models.hf import HF
    from .models.settings import Loading

CHECKED = 4096  # rows that are checked before a run begins, the others as it comes to them: ours
REFUSED = "refused-rows.jsonl"
"""File in the folder of a run that did not start, with every row of the task file that cannot be used."""
FEW = 20  # below this an interval spans most of the scale: ours
PACKAGES = (
    "sharpen",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "accelerate",
    "numpy",
    "pillow",
    "math-verify",
)


def model(name: str, loading: Loading | None = None) -> HF:
    """Load a model by name."""
    from .models import load as load_model

    return load_model(name, loading)


@dataclass(frozen=True)
class Data:
    """Tasks to learn from, unseen ones to measure on, and (row, reason) of what cannot be used."""

    tasks: Sequence[Task]
    test: Sequence[Task]
    left_out: list[tuple[str, str]]
    """Grows while tasks are read."""
    contaminated: list[Overlap] = field(default_factory=list["Overlap"])
    """Tasks to learn from that the unseen ones repeat, and that were not dropped; grows, too."""


def labelled(
    spec: str,
    split: Literal["train", "test"] = "train",
    max_bad: float = 0.0,
    grader: Grader | None = None,
    allow_bad_gold: bool = False,
    format: str = "",
) -> Loaded:
    """Load tasks that all have an answer which its own grader takes; rows that cannot be used are said aloud.

    Raises TaskError where more than `max_bad` of the rows cannot be used, as one without an answer cannot, or where
    the gold answers of more than BAD_GOLD of them are not right by their own grader and `allow_bad_gold` is not set;
    up to that they are left out.
    """
    intake = Intake(spec, split, max_bad, grader, allow_bad_gold, format)
    return Loaded(intake.first(), intake.left_out)


@contextmanager
def refused_rows_in(folder: Path) -> Generator[None]:
    """Write every row that a refused task file cannot use, with its reason, where the refusal says."""
    file = folder / REFUSED
    try:
        yield
        with suppress(OSError):
            file.unlink(missing_ok=True)  # of an earlier try
    except TaskError as error:
        if len(error.rows) < 2:  # the error names it
            raise
        lines = (json.dumps({"id": name, "reason": reason}) + "\n" for name, reason in error.rows)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(lines))
        except OSError as full:
            for name, reason in error.rows:
                say(f"  {word(name)}: {word(reason)}")
            raise TaskError(
                f"{error}. All are named above, since {file} cannot be written ({full.strerror})"
            ) from error
        raise TaskError(f"{error}. All {len(error.rows)} rows are in {file}, with reasons", error.rows) from error


def train_and_test(
    spec: str,
    test: str,
    rounds: int,
    max_bad: float = 0.0,
    grader: Grader | None = None,
    allow_bad_gold: bool = False,
    format: str = "",
) -> Data:
    """Return the tasks to learn from and the unseen ones to measure on.

    Without `test`, a world or a benchmark gives its own; of any other tasks a tenth is held out, by a hash
    of their ids so that it is the same tenth each time. What comes after the first CHECKED rows is read, and checked,
    when it is asked for.
    """
    if rounds < 1:
        raise UserError(f"--rounds {rounds} is no work; give 1 or more")
    intake = Intake(spec, "train", max_bad, grader, allow_bad_gold, format)
    own = test or own_test(spec)
    tasks = intake.first(CHECKED, 0 if own else UNSEEN)
    if own:
        try:
            unseen = labelled(own, "test", max_bad, grader, allow_bad_gold, format)
        except TaskError as error:  # no run will come to hold those of the other file
            raise TaskError(str(error), [*intake.left_out, *error.rows]) from error
        others = "" if test else "; name others by --test"
        say(f"  measured on {counted(len(unseen.tasks), 'task')} of {own}{others}")
        intake.left_out += unseen.skipped
        return Data(_and_rest(tasks, intake), unseen.tasks, intake.left_out)
    held_out = held_out_of(tasks)
    names = {t.id for t in held_out}
    few = "; so few tell nothing, and nothing is measured without any" if len(held_out) < FEW else ""
    seen = f"{len(tasks)} tasks" if intake.whole else f"the first {len(tasks)} tasks"
    say(f"  {len(held_out)} of {seen} are held out to measure on; name others by --test{few}")
    left = [t for t in tasks if t.id not in names]
    if not left:
        raise TaskError(f"all {len(tasks)} tasks of {spec} would be held out to measure on; name others by --test")
    return Data(_and_rest(left, intake), held_out, intake.left_out)


def _and_rest(first: list[Task], intake: Intake) -> Sequence[Task]:
    if intake.whole:
        return first
    say(f"  these rows of {intake.spec} are checked; the rest are as the run comes to them")
    intake.identity()  # now: what comes later is held to it
    return Incoming(chain([first], intake.rest()), intake.identity)


def own_test(spec: str) -> str:
    """Return what a world or a benchmark on the hub is measured on; empty for tasks that have no test of their own."""
    name = spec.partition(":")[0]
    if name in WORLDS:
        return f"{name}:{UNSEEN}"
    return spec if spec in benchmarks.names() else ""


def graded(options: Any) -> Any:
    """Return options with the grader of the benchmark that they name, unless they set one.

    Raises UserError where two benchmarks are named whose graders differ.
    """
    specs = [spec for name in ("tasks", "test") if (spec := getattr(options, name, ""))]
    known = [found[0] for spec in specs if (found := benchmarks.named(spec)) is not None]
    graders = {b.grader.name: b.grader for b in known if b.grader != Grader()}
    if options.grader != Grader() or not graders:
        return options
    if len(graders) > 1:
        raise UserError(f"{', '.join(b.title for b in known)} are graded differently; set --grader for both")
    grader = next(iter(graders.values()))
    say(f"  graded by {grader.name}, as {', '.join(b.title for b in known)} asks")
    return replace(options, grader=grader)


def apart(data: Data, drop: bool = False) -> Data:
    """Say which tasks to learn from the unseen ones repeat, and with `drop` leave them out.

    Raises TaskError where nothing else would be left.
    """
    look = Apart(data.test, drop, data.left_out)
    if isinstance(data.tasks, Incoming):
        tasks = data.tasks.then(look, "apart", drop, identity_of(data.test))
    elif not (tasks := look(data.tasks)):
        found = len(data.tasks)
        raise TaskError(f"all {found} tasks to learn from are measured on, too; name others by --tasks or --test")
    return replace(data, tasks=tasks, contaminated=look.contaminated)


def manifest(
    arguments: Sequence[str], options: Any, model: HF, tasks: Sequence[Task], test: Sequence[Task] = ()
) -> dict[str, object]:
    """Return what a run is made of: versions, hashes, settings, command, revision."""
    method, grader = getattr(options, "method", None), getattr(options, "grader", None) or Grader()
    specs = {str(spec) for name in ("tasks", "test") if (spec := getattr(options, name, ""))}
    return {
        "command": shlex.join(["sharpen", *arguments]),
        "method": type(method).__name__ if method else None,
        "settings": jsonable(asdict(options)) if is_dataclass(options) and not isinstance(options, type) else options,
        "model": model.identity,
        "model_settings": model.describe(),
        "tasks": digest(identity_of(tasks), identity_of(test)),
        "task_files": {spec: file_hash(Path(spec)) for spec in sorted(specs) if Path(spec).is_file()},
        "grader": grader.name,
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "revision": revision(),
    }


def jsonable(value: Any) -> Any:
    """Return settings with numbers that JSON has no word for, such as a threshold of -inf, as text."""
    if isinstance(value, dict):
        return {name: jsonable(inner) for name, inner in cast("dict[str, Any]", value).items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def version(package: str) -> str | None:
    """Return the installed version of a package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def revision() -> str | None:
    """Return the git revision of the source; None outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    found = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
