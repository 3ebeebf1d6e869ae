# pyright: strict
"""ScienceQA: school questions with choices; those that have a picture."""

from __future__ import annotations

from ..data.fields import Fields, Row
from ..data.options import letter
from . import Benchmark


def read(row: Row) -> Fields:
    """Read a row whose answer is the position of a choice; the hint belongs to the question."""
    hint = f"{row['hint']}\n" if row.get("hint") else ""
    return Fields(
        question=f"{hint}{row.get('question')}",
        images=() if row.get("image") is None else (row["image"],),
        answer=letter(row.get("answer")),
        choices=row.get("choices"),
        meta={"kind": row.get("subject")},
        marks="lenient",
        used=frozenset({"question", "hint", "image", "answer", "choices"}),
    )


BENCHMARK = Benchmark(
    title="ScienceQA-IMG",
    hub="lmms-lab/ScienceQA",
    configs=("ScienceQA-IMG",),
    row=read,
    split="test",
    train="train",
    licence="CC BY-NC-SA 4.0, as its authors say; the card of the first copy on the hub says CC BY-SA 4.0",
    prompt="Answer with the letter of the right choice.",
)
