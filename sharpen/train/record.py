# pyright: strict
"""The record of a finished training beside its weights: the recipe, the curve, and the sha256 of every file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..ledger.files import force_tree, sha256
from ..packing import DAMAGE

DONE = "training.json"
"""File in a trained model's folder with what it was trained on; written last, not part of its identity."""


def write(folder: Path, said: Mapping[str, object]) -> None:
    """Record a training in the folder of its model, and return when all of that is on the disk; raises OSError."""
    files = {name: sha256(folder / name) for name in names(folder)}
    (folder / DONE).write_text(json.dumps({**said, "files": files}, indent=1))
    force_tree(folder)


def read(folder: Path) -> dict[str, Any]:
    """Return the record of a training; raises StoreError where there is none, or a damaged one."""
    file = folder / DONE
    try:
        found = dict(json.loads(file.read_text()).items())
        found["files"] = {str(name): str(sha) for name, sha in found["files"].items()}
        found["seconds"], found["tokens"] = float(found["seconds"]), int(found["tokens"])
    except (OSError, *DAMAGE) as error:
        problem = "is not there" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        raise StoreError(
            f"{file} {problem}; give the command of the run again, which trains this model anew"
        ) from error
    return found


def changed(folder: Path, said: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not as training wrote it, given its record."""
    there = set(names(folder))
    for name, sha in said["files"].items():
        if name not in there:
            yield f"{name} is not there; the next run trains this model anew"
        elif sha256(folder / name) != sha:
            yield f"{name} is not what training wrote: it was changed or cut; the next run trains this model anew"


def place(folder: Path, round: int) -> Path:
    """Return where the model that a round trains lies in a run's folder."""
    return folder / "models" / f"round-{round}"


def trained(folder: Path) -> list[Path]:
    """Return the folders of the models that a run has trained."""
    found = [f for f in folder.glob("models/round-*") if f.is_dir() and f.name.removeprefix("round-").isdecimal()]
    return sorted(found, key=lambda f: int(f.name.removeprefix("round-")))


def names(folder: Path) -> list[str]:
    """Return the files of a model but the record, below its folder."""
    files = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return sorted(name for name in files if name != DONE)
