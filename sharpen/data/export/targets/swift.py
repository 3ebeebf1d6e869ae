# pyright: strict
"""ms-swift: JSON lines of messages with `<image>` in their text, and pictures by path."""

from __future__ import annotations

from .. import Rows, Target
from ..records import Asked, Pair, Reply
from ..shapes import Row, Shapes


def reply(shapes: Shapes, record: Reply) -> Row:
    """Return a conversation of question and reply."""
    return row(shapes, record, record.text)


def pair(shapes: Shapes, record: Pair) -> Row:
    """Return a conversation with the reply to reject beside it."""
    return {**row(shapes, record, record.chosen), "rejected_response": shapes.escaped(record.rejected)}


def rl(shapes: Shapes, record: Asked) -> Row:
    """Return a question with the gold answer for the reward functions."""
    return {
        "id": record.task.id,
        **row(shapes, record, None),
        "solution": record.answer,
        "choices": list(record.task.choices) or None,
    }


def row(shapes: Shapes, record: Reply | Pair | Asked, text: str | None) -> Row:
    """Return messages and pictures."""
    answered = [] if text is None else [{"role": "assistant", "content": shapes.escaped(text)}]
    messages = [*shapes.asked(record.task), *answered]
    return {"task": record.task.id, "messages": messages, "images": shapes.paths(record.task)}


TARGET = Target(
    "ms-swift",
    ".jsonl",
    reply=Rows(reply),
    pair=Rows(pair),
    asked=Rows(rl),
    advice="train with ROOT_IMAGE_DIR set to this folder, since pictures are named by paths inside it",
)
