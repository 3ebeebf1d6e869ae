"""What every command does first: find tasks and model, check them, and write down what the run is made of."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from . import benchmarks
from .answers import Grader, Verdict
from .data.load import WORLDS, Loaded, load
from .errors import TaskError, UserError
from .grading.golds import fault
from .grading.spelling import clean
from .ledger.visible import word
from .progress import say
from .types import Task, digest

if TYPE_CHECKING:
    from .data.contamination import Overlap
    from .models.hf import HF
    from .models.settings import Loading

UNSEEN = 200  # tasks to measure on where none are named: ours
BAD_GOLD = 0.01  # share of gold answers that may fail their own grader: ours
SHOWN = 20  # rows left out that are named on the screen; the ledger names all
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

    tasks: list[Task]
    test: list[Task]
    left_out: list[tuple[str, str]]
    contaminated: list[Overlap] = field(default_factory=list["Overlap"])
    """Tasks to learn from that the unseen ones repeat, and that were not dropped."""


def labelled(
    spec: str,
    split: Literal["train", "test"] = "train",
    max_bad: float = 0.0,
    grader: Grader | None = None,
    allow_bad_gold: bool = False,
    format: str = "",
) -> Loaded:
    """Load tasks that all have an answer which its own grader takes; rows that cannot be used are said aloud.

    Raises TaskError where rows have no answer, or where the gold answers of more than BAD_GOLD of them are not
    right by their own grader and `allow_bad_gold` is not set; up to that they are left out.
    """
    found = load(spec, split=split, max_bad=max_bad, format=format)
    if found.read_as:
        say(f"  {spec} read as {found.read_as}")
    without = [t.id for t in found.tasks if t.answer is None]
    if without:
        raise TaskError(
            f"{len(without)} of {len(found.tasks)} tasks in {spec} have no answer, such as {without[0]!r}; "
            "give each row an 'answer' to verify attempts against",
            [*found.skipped, *((name, "has no answer") for name in without)],
        )
    golds = (grader or Grader()).grade_golds(found.tasks)
    refused = {t.id: refusal(t, v) for t, v in zip(found.tasks, golds, strict=True) if v.outcome != "right"}
    left_out = [*found.skipped, *refused.items()]
    tasks = [t for t in found.tasks if t.id not in refused]
    if not tasks or (len(refused) / len(found.tasks) > BAD_GOLD and not allow_bad_gold):
        name, reason = next(iter(refused.items()))
        raise TaskError(
            f"{len(refused)} of {len(found.tasks)} gold answers in {spec} are not right by their own grader, such as "
            f"{name!r}: {reason}; write them as one plain answer, or leave them out with --allow-bad-gold",
            left_out,
        )
    announce_left_out(spec, left_out, len(tasks))
    return Loaded(tasks, left_out)


def announce_left_out(spec: str, left_out: Sequence[tuple[str, str]], kept: int) -> None:
    """Say how many of a file's rows became no task, and name some of them."""
    for name, reason in left_out[:SHOWN]:
        say(f"  left out {word(name)}: {word(reason)}")
    if left_out:
        total = len(left_out) + kept
        more = f", {len(left_out) - SHOWN} of them not named here" if len(left_out) > SHOWN else ""
        say(f"  {len(left_out)} of {total} rows of {spec} ({len(left_out) / total:.1%}) are left out{more};")
        say("  `sharpen show DIR --left-out` on the run's folder names all of them")


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


def refusal(task: Task, verdict: Verdict) -> str:
    """Say why a gold answer is none by its own grader."""
    why = verdict.reason or "it is not the same as itself"
    if verdict.reason == "gold_unparsable" and not task.choices and (damage := fault(clean(task.answer or ""))):
        why += f": {damage}"
    return f"its gold answer {task.answer!r} fails its grader ({why})"


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
    of their ids so that it is the same tenth each time.
    """
    if rounds < 1:
        raise UserError(f"--rounds {rounds} is no work; give 1 or more")
    found = labelled(spec, "train", max_bad, grader, allow_bad_gold, format)
    tasks = found.tasks
    if own := test or own_test(spec):
        try:
            unseen = labelled(own, "test", max_bad, grader, allow_bad_gold, format)
        except TaskError as error:  # no run will come to hold those of the other file
            raise TaskError(str(error), [*found.skipped, *error.rows]) from error
        return Data(tasks, unseen.tasks, [*found.skipped, *unseen.skipped])
    held_out = held_out_of(tasks)
    names = {t.id for t in held_out}
    few = "; so few tell nothing, and nothing is measured without any" if len(held_out) < FEW else ""
    say(f"  {len(held_out)} of {len(tasks)} tasks are held out to measure on; name others by --test{few}")
    rest = [t for t in tasks if t.id not in names]
    if not rest:
        raise TaskError(f"all {len(tasks)} tasks of {spec} would be held out to measure on; name others by --test")
    return Data(rest, held_out, found.skipped)


def held_out_of(tasks: Sequence[Task]) -> list[Task]:
    """Return a tenth of the tasks, by a hash of their ids, but no more than are needed to measure on."""
    return [t for t in tasks if int(digest("held out", t.id)[:8], 16) % 10 == 0][:UNSEEN]


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
    from .data.contamination import overlaps

    found = overlaps(data.tasks, data.test)
    for overlap in found[:SHOWN]:
        say(f"  task {word(overlap.train)} {word(overlap.reason)}")
    if not found:
        return data
    more = f", {len(found) - SHOWN} of them not named here" if len(found) > SHOWN else ""
    say(f"  {len(found)} of {len(data.tasks)} tasks to learn from are measured on, too{more};")
    if not drop:
        say("  accuracy on them is no accuracy on unseen tasks; leave them out with --drop-contaminated")
        return replace(data, contaminated=found)
    say("  they are left out")
    names = {overlap.train for overlap in found}
    rest = [t for t in data.tasks if t.id not in names]
    if not rest:
        raise TaskError(f"all {len(found)} tasks to learn from are measured on, too; name others by --tasks or --test")
    return replace(data, tasks=rest, left_out=[*data.left_out, *((o.train, o.reason) for o in found)])


def manifest(
    arguments: Sequence[str], options: Any, model: HF, tasks: Sequence[Task], contaminated: Sequence[Overlap] = ()
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
        "tasks": digest([t.fingerprint for t in tasks]),
        "task_files": {spec: file_hash(Path(spec)) for spec in sorted(specs) if Path(spec).is_file()},
        "contaminated": [asdict(overlap) for overlap in contaminated],
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


def file_hash(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


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
