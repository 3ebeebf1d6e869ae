# pyright: strict
"""ScienceQA: school questions with choices; those that have a picture."""

from __future__ import annotations

from ..data.fields import Elsewhere, Fields, Row
from ..data.options import letter
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row whose answer is the position of a choice; the hint belongs to the question."""
    if row.get("image") is None:
        raise Elsewhere("questions without a picture")
    hint = f"{row['hint']}\n" if row.get("hint") else ""
    return Fields(
        question=f"{hint}{row.get('question')}",
        images=(row["image"],),
        answer=letter(row.get("answer")),
        choices=row.get("choices"),
        meta={"kind": row.get("subject")},
        marks="lenient",
        used=frozenset({"question", "hint", "image", "answer", "choices"}),
    )


BENCHMARK = Benchmark(
    title="ScienceQA-IMG",
    hub="derek-thomas/ScienceQA",
    row=read,
    split="test",
    train="train",
    licence="CC BY-NC-SA 4.0, as its authors say; the card of this copy says CC BY-SA 4.0",
    prompt="Answer with the letter of the right choice.",
    published=Published("LLaVA-1.5-7B", 66.8, "arXiv 2310.03744, table 3"),
)
