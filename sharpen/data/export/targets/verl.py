# pyright: strict
"""verl: Parquet of `prompt` messages with a reward model for RL, and of `messages` for SFT."""

from __future__ import annotations

from .. import Rows, Target
from ..records import Asked, Reply
from ..shapes import Row, Shapes


def reply(shapes: Shapes, record: Reply) -> Row:
    """Return a conversation of question and reply."""
    messages = [*shapes.asked(record.task), {"role": "assistant", "content": shapes.escaped(record.text)}]
    return {"messages": messages, "images": shapes.stored(record.task)}


def rl(shapes: Shapes, record: Asked) -> Row:
    """Return a prompt with the ground truth where verl's reward functions look for it."""
    return {
        "data_source": "sharpen",
        "prompt": shapes.asked(record.task),
        "images": shapes.stored(record.task),
        "ability": "visual reasoning",
        "reward_model": {"style": "rule", "ground_truth": record.answer},
        "extra_info": {"id": record.task.id, "split": "train", "index": next(shapes.rows)},
    }


COLUMNS = {"data_source": "text", "prompt": "messages", "images": "images", "ability": "text"}
TARGET = Target(
    "verl",
    ".parquet",
    reply=Rows(reply, {"messages": "messages", "images": "images"}),
    asked=Rows(rl, {**COLUMNS, "reward_model": "reward", "extra_info": "extra"}),
    advice="give a custom_reward_function, or name a data_source that verl knows: rows say 'sharpen'",
)
