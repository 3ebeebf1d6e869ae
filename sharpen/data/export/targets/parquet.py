# pyright: strict
"""Plain Parquet with an Image column, one column for each thing: for the Hub, for tools, and for this package."""

from __future__ import annotations

from .. import Rows, Target
from ..records import Asked, Pair, Reply
from ..shapes import Row, Shapes


def reply(shapes: Shapes, record: Reply) -> Row:
    """Return a question with a worked solution."""
    return {**asked(shapes, record), "solution": record.text}


def pair(shapes: Shapes, record: Pair) -> Row:
    """Return a question with two replies."""
    return {**asked(shapes, record), "chosen": record.chosen, "rejected": record.rejected}


def rl(shapes: Shapes, record: Asked) -> Row:
    """Return a question alone, under its task's id."""
    return {"id": record.task.id, **asked(shapes, record)}


def asked(shapes: Shapes, record: Reply | Pair | Asked) -> Row:
    """Return a task's own columns."""
    return {
        "task": record.task.id,
        "question": shapes.marked(record.task),
        "images": shapes.stored(record.task),
        "answer": record.task.answer,
        "choices": list(record.task.choices) or None,
        "system": record.task.system,
    }


BASE = {"task": "text", "question": "text", "images": "images", "answer": "text", "choices": "texts", "system": "text"}
TARGET = Target(
    "Parquet",
    ".parquet",
    reply=Rows(reply, {**BASE, "solution": "text"}),
    pair=Rows(pair, {**BASE, "chosen": "text", "rejected": "text"}),
    asked=Rows(rl, {"id": "text", **BASE}),
)
