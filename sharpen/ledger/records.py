# pyright: strict
"""Tasks, examples and verdicts as the ledger's rows, and the checksum by which a changed row is found."""

from __future__ import annotations

import json
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, get_args

from ..answers import Outcome, Verdict
from ..examples import Example
from ..plan import KEY
from ..types import Image, Rollout, Task, digest

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
ASKED = 16
"""Hexadecimal digits that tell the questions of one task id apart."""


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


def asked_key(task: Task) -> str:
    """Return the hash of what a task asks, without its gold answer: a repaired gold answer asks the same."""
    shown = [piece if isinstance(piece, str) else {"image": piece.sha256} for piece in task.content]
    return digest(task.id, task.system, shown)[:ASKED]


def verdict_of(outcome: str, reason: str | None, found: str | None) -> Verdict:
    """Return a verdict from its row; raises ValueError for an outcome that there is not."""
    if outcome not in OUTCOMES:
        raise ValueError(f"its outcome is {outcome!r}, there is only {', '.join(OUTCOMES)}")
    return Verdict(outcome, reason, found)


def example_row(round: int, run: int, position: int, example: Example) -> tuple[object, ...]:
    """Return an example as a ledger row: kind, attempt, other attempt, its numbers as JSON, and a seal."""
    first, *others = example.rollouts
    numbers = {name: value for name, value in vars(example).items() if not isinstance(value, Rollout)}
    kind = type(example).__name__.lower()
    said = (position, kind, first.key, others[0].key if others else None, json.dumps(numbers, default=str))
    return (round, run, *said, seal(round, *said))


def seal(*values: object) -> bytes:
    """Return a checksum over what a row says, so that a changed or damaged row is found."""
    total = blake2b(digest_size=8)
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.digest()
