# pyright: strict
"""BLINK: fourteen tasks of perception that people solve at a glance, with up to four pictures."""

from __future__ import annotations

from ..data.fields import Fields, Row, text
from ..data.options import numbered
from . import Benchmark, Published

SUBTASKS = (
    "Art_Style",
    "Counting",
    "Forensic_Detection",
    "Functional_Correspondence",
    "IQ_Test",
    "Jigsaw",
    "Multi-view_Reasoning",
    "Object_Localization",
    "Relative_Depth",
    "Relative_Reflectance",
    "Semantic_Correspondence",
    "Spatial_Relation",
    "Visual_Correspondence",
    "Visual_Similarity",
)


def read(row: Row) -> Fields:
    """Read a row whose answer is a letter in brackets; its pictures come first."""
    return Fields(
        question=row.get("question"),
        images=tuple(numbered(row, 4).values()),
        answer=text("answer", row.get("answer")).strip("() "),
        choices=row.get("choices"),
        id=row.get("idx"),
        meta={"kind": row.get("sub_task")},
        marks="lenient",
        used=frozenset({"question", "prompt", "answer", "choices", "idx", *(f"image_{i}" for i in range(1, 5))}),
    )


BENCHMARK = Benchmark(
    title="BLINK",
    hub="BLINK-Benchmark/BLINK",
    configs=SUBTASKS,
    row=read,
    split="val",
    licence="Apache-2.0",
    prompt="Answer with the letter of the right choice.",
    published=Published("MMEvol-Qwen2-7B", 47.7, "huggingface.co/Tongyi-ConvAI/MMEvol-Qwen2-7B, README"),
)
