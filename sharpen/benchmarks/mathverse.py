# pyright: strict
"""MathVerse: each geometry problem in versions that put less and less of it into words."""

from __future__ import annotations

from ..data.fields import Fields, Row
from ..data.options import lettered
from . import Benchmark, Published

IN_PICTURE = "The question is in the picture."


def read(row: Row) -> Fields:
    """Read a row; its choices are part of the question's text, or of the picture."""
    told = str(row.get("question_for_eval") or row.get("question") or "")
    choices = lettered(told.partition("Choices:")[2], r"\n") if row.get("question_type") == "multi-choice" else []
    question = str(row.get("question") or "").strip() or IN_PICTURE
    seen = all(choice in question for choice in choices)
    return Fields(
        question=question,
        images=() if row.get("image") is None else (row["image"],),
        answer=row.get("answer"),
        choices=choices if choices and seen else None,
        id=row.get("sample_index"),
        meta={"kind": row.get("problem_version")},
        marks="lenient",
        used=frozenset({"question", "image", "answer", "sample_index", "query_wo", "query_cot", "question_for_eval"}),
    )


BENCHMARK = Benchmark(
    title="MathVerse",
    hub="AI4Math/MathVerse",
    configs=("testmini",),
    row=read,
    split="testmini",
    licence="MIT",
    metric="accuracy of the answer, where the original also has its steps judged by a model",
    published=Published("InternVL2.5-8B", 39.5, "huggingface.co/OpenGVLab/InternVL2_5-8B, README of commit 082f8a8"),
)
