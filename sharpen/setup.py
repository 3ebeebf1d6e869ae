"""What every command does first: find tasks and model, check them, and write down what the run is made of."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .answers import VERSION as GRADER
from .answers import Grader
from .data.load import load
from .errors import TaskError, UserError
from .progress import say
from .types import Task, digest

if TYPE_CHECKING:
    from .models.hf import HF

UNSEEN = 200  # tasks to measure on where none are named: ours
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


def model(name: str) -> HF:
    """Load a model by name."""
    from .models import load as load_model

    return load_model(name)


def labelled(spec: str, split: Literal["train", "test"] = "train", max_bad: float = 0.0) -> list[Task]:
    """Load tasks that all have an answer which its own grader takes; rows that cannot be used are said aloud."""
    found = load(spec, split=split, max_bad=max_bad)
    for name, reason in found.skipped:
        say(f"  left out {name}: {reason}")
    without = [t.id for t in found.tasks if t.answer is None]
    if without:
        raise TaskError(
            f"{len(without)} of {len(found.tasks)} tasks in {spec} have no answer, such as {without[0]!r}; "
            "give each row an 'answer' to verify attempts against"
        )
    golds = Grader().grade_all([(f"<answer>{t.answer}</answer>", t) for t in found.tasks])
    refused = [t for t, v in zip(found.tasks, golds, strict=True) if v.outcome != "right"]
    if refused:
        raise TaskError(
            f"{len(refused)} of {len(found.tasks)} gold answers in {spec} are not right by their own grader, such as "
            f"{refused[0].answer!r} of task {refused[0].id!r}; write them as one plain answer"
        )
    return found.tasks


def train_and_test(spec: str, test: str, rounds: int, max_bad: float = 0.0) -> tuple[list[Task], list[Task]]:
    """Return the tasks to learn from and the unseen ones to measure on.

    Without `test`, a world gives its test split; of a file's tasks a tenth is held out, by a hash
    of their ids so that it is the same tenth each time.
    """
    if rounds < 1:
        raise UserError(f"--rounds {rounds} is no work; give 1 or more")
    tasks = labelled(spec, max_bad=max_bad)
    if test:
        return tasks, labelled(test, "test", max_bad)
    if not Path(spec).exists():
        return tasks, labelled(f"{spec.split(':')[0]}:{UNSEEN}", "test")
    held_out = [t for t in tasks if int(digest("held out", t.id)[:8], 16) % 10 == 0][:UNSEEN]
    names = {t.id for t in held_out}
    few = "; so few tell nothing, and nothing is measured without any" if len(held_out) < FEW else ""
    say(f"  {len(held_out)} of {len(tasks)} tasks are held out to measure on; name others by --test{few}")
    rest = [t for t in tasks if t.id not in names]
    if not rest:
        raise TaskError(f"all {len(tasks)} tasks of {spec} would be held out to measure on; name others by --test")
    return rest, held_out


def manifest(arguments: Sequence[str], options: Any, identity: str, tasks: Sequence[Task]) -> dict[str, object]:
    """Return what a run is made of: versions, hashes, settings, command, revision."""
    return {
        "command": shlex.join(["sharpen", *arguments]),
        "method": type(options.method).__name__ if hasattr(options, "method") else None,
        "settings": asdict(options) if is_dataclass(options) and not isinstance(options, type) else options,
        "model": identity,
        "tasks": digest([t.fingerprint for t in tasks]),
        "grader": GRADER,
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "revision": revision(),
    }


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
