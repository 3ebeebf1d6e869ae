# pyright: strict
"""ChartQA: questions about charts; a number may be off by a twentieth."""

from __future__ import annotations

from ..answers import Grader
from ..data.fields import BadRow, Fields, Row, as_list
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row whose label is a list of one answer."""
    labels = as_list(row.get("label"))
    if len(labels) != 1:
        raise BadRow(f"'label' holds {len(labels)} answers, not one")
    return Fields(
        question=row.get("query"),
        images=(row.get("image"),),
        answer=labels[0],
        meta={"kind": row.get("human_or_machine")},
        marks="lenient",
        question_key="query",
        answer_key="label",
        used=frozenset({"query", "image", "label"}),
    )


BENCHMARK = Benchmark(
    title="ChartQA",
    hub="HuggingFaceM4/ChartQA",
    row=read,
    split="test",
    train="train",
    licence="GPL-3.0",
    prompt="Answer in a word, a number or a short phrase.",
    grader=Grader(tolerance=0.05),
    metric="relaxed accuracy, 5 %",
    published=Published("InternVL2.5-8B", 84.8, "huggingface.co/OpenGVLab/InternVL2_5-8B, README of commit 082f8a8"),
)
