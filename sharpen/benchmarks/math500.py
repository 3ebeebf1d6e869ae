# pyright: strict
"""MATH-500: five hundred problems of mathematics competitions; text alone."""

from __future__ import annotations

from ..data.fields import Fields, Row
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row; its worked solution is kept."""
    return Fields(
        question=row.get("problem"),
        answer=row.get("answer"),
        id=row.get("unique_id"),
        meta={"kind": row.get("subject")},
        marks="lenient",
        question_key="problem",
        used=frozenset({"problem", "answer", "unique_id"}),
    )


BENCHMARK = Benchmark(
    title="MATH-500",
    hub="HuggingFaceH4/MATH-500",
    row=read,
    split="test",
    licence="MIT, that of prm800k from which it is taken; the card names none",
    published=Published("Qwen2.5-7B-Instruct", 72.4, "huggingface.co/internlm/internlm3-8b-instruct, README"),
)
