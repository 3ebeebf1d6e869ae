# pyright: strict
"""MATH-Vision: problems of mathematics competitions with a picture."""

from __future__ import annotations

from ..data.fields import Fields, Row, text
from ..data.options import listed, tagged
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row; choices that are letters alone are told in the picture."""
    pieces, images = tagged(text("question", row.get("question")), {"1": row.get("decoded_image")})
    options = listed(row["options"]) if row.get("options") else []
    return Fields(
        question=pieces,
        images=images,
        answer=row.get("answer"),
        choices=options or None,
        id=row.get("id"),
        meta={"kind": row.get("subject")},
        used=frozenset({"question", "decoded_image", "image", "answer", "options", "id"}),
    )


BENCHMARK = Benchmark(
    title="MATH-Vision",
    hub="MathLLMs/MathVision",
    row=read,
    split="test",
    licence="MIT",
    published=Published("InternVL2.5-8B", 19.7, "huggingface.co/OpenGVLab/InternVL2_5-8B, README of commit 082f8a8"),
)
