# pyright: strict
"""A task as the ledger's row, and the name under which its gold answer is kept."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..plan import KEY
from ..types import Image, Task, digest


def task_record(task: Task) -> dict[str, object]:
    """Return a task as JSON-able values, its images by hash."""
    record = {f.name: getattr(task, f.name) for f in fields(task)}
    return {**record, "images": [image.sha256 for image in task.images]}


def task_of(record: str, images: Path) -> Task:
    """Undo `task_record`, given as JSON; pictures lie in the folder `images` under their hash.

    Raises one of `packing.DAMAGE` where the record is none.
    """
    said: dict[str, Any] = json.loads(record)
    pictures = tuple(Image(sha, images / sha) for sha in said.pop("images"))
    lists = {name: tuple(said.pop(name)) for name in ("choices", "places")}
    return Task(images=pictures, **lists, **said)


def gold_key(task: Task) -> str:
    """Return what a verdict is kept under, beside attempt and grader: the hash of gold answer and choices."""
    return digest(task.answer, task.choices)[:KEY]
