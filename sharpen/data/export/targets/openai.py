# pyright: strict
"""OpenAI chat rows, pictures as data URIs: fine-tuning by imitation and by preference."""

from __future__ import annotations

from .. import Rows, Target
from ..records import Pair, Reply
from ..shapes import Row, Shapes


def reply(shapes: Shapes, record: Reply) -> Row:
    """Return a conversation of question and reply."""
    return {"messages": [*shapes.inline(record.task), {"role": "assistant", "content": record.text}]}


def pair(shapes: Shapes, record: Pair) -> Row:
    """Return a conversation with two outputs."""
    return {
        "input": {"messages": shapes.inline(record.task)},
        "preferred_output": [{"role": "assistant", "content": record.chosen}],
        "non_preferred_output": [{"role": "assistant", "content": record.rejected}],
    }


TARGET = Target("OpenAI fine-tuning", ".jsonl", reply=Rows(reply), pair=Rows(pair))
