# pyright: strict
"""POPE: is an object in the picture, asked of objects that are there and of such as one would expect there."""

from __future__ import annotations

from ..data.fields import Fields, Row
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row; question ids come again in each of the three categories."""
    return Fields(
        question=row.get("question"),
        images=(row.get("image"),),
        answer=row.get("answer"),
        id=f"{row.get('category')}-{row.get('question_id')}",
        meta={"kind": row.get("category")},
        marks="lenient",
        used=frozenset({"question", "image", "answer", "id", "question_id"}),
    )


BENCHMARK = Benchmark(
    title="POPE",
    hub="lmms-lab/POPE",
    row=read,
    split="test",
    licence="MIT, that of the authors' repository, AoiDragon/POPE; its pictures are COCO's",
    prompt="Answer yes or no.",
    metric="accuracy; the original also reports F1, and so do many tables, the figure here perhaps too",
    published=Published("MMEvol-Qwen2-7B", 87.8, "huggingface.co/Tongyi-ConvAI/MMEvol-Qwen2-7B, README"),
)
