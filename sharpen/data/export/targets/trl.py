# pyright: strict
"""TRL: Parquet with typed messages and an Image column, for `SFTTrainer`, `DPOTrainer` and `GRPOTrainer`."""

from __future__ import annotations

from .. import Rows, Target
from ..records import Asked, Pair, Reply
from ..shapes import Row, Shapes, said


def reply(shapes: Shapes, record: Reply) -> Row:
    """Return a prompt-completion row, so that only the reply is trained on."""
    return {**asked(shapes, record), "completion": [said("assistant", record.text)]}


def pair(shapes: Shapes, record: Pair) -> Row:
    """Return a preference row with its prompt apart."""
    both = {"chosen": [said("assistant", record.chosen)], "rejected": [said("assistant", record.rejected)]}
    return {**asked(shapes, record), **both}


def rl(shapes: Shapes, record: Asked) -> Row:
    """Return a prompt with the gold answer for the reward functions."""
    return {
        "id": record.task.id,
        **asked(shapes, record),
        "solution": record.answer,
        "choices": list(record.task.choices),
    }


def asked(shapes: Shapes, record: Reply | Pair | Asked) -> Row:
    """Return what every row has."""
    return {"task": record.task.id, "prompt": shapes.typed(record.task), "images": shapes.stored(record.task)}


BASE = {"task": "text", "prompt": "typed", "images": "images"}
TARGET = Target(
    "TRL",
    ".parquet",
    reply=Rows(reply, {**BASE, "completion": "typed"}),
    pair=Rows(pair, {**BASE, "chosen": "typed", "rejected": "typed"}),
    asked=Rows(rl, {"id": "text", **BASE, "solution": "text", "choices": "texts"}),
    advice="load with datasets.load_dataset('parquet', data_files=…) and .with_transform(remove_none_values) of TRL",
)
