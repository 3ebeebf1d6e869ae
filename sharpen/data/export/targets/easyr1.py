# pyright: strict
"""EasyR1: Parquet of `problem`, `answer` and `images`; it trains by reinforcement alone."""

from __future__ import annotations

from .. import Rows, Target
from ..records import Asked
from ..shapes import Row, Shapes


def rl(shapes: Shapes, record: Asked) -> Row:
    """Return a problem with its answer."""
    if record.task.system is not None:
        shapes.notes["system messages that EasyR1 has no column for; put them into its format_prompt"] += 1
    return {"problem": shapes.marked(record.task), "answer": record.answer, "images": shapes.stored(record.task)}


TARGET = Target(
    "EasyR1",
    ".parquet",
    asked=Rows(rl, {"problem": "text", "answer": "text", "images": "images"}),
    advice="set data.train_files to rl.parquet; prompt_key, answer_key and image_key are the defaults",
)
