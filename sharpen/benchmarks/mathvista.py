# pyright: strict
"""MathVista: mathematics about pictures of every kind; the split testmini, whose answers are public."""

from __future__ import annotations

from ..data.fields import Fields, Row, mapping
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row; unit and number of decimals, where the answer has them, are asked for."""
    said: list[str] = [str(row.get("question"))]
    if row.get("unit"):
        said.append(f"(Unit: {row['unit']})")
    precision = row.get("precision")
    if row.get("answer_type") == "float" and isinstance(precision, int | float):
        said.append(f"Give the answer with {int(precision)} decimal place{'s' * (precision != 1)}.")
    if row.get("answer_type") == "list":
        said.append("Give the answer as a list in square brackets.")
    return Fields(
        question="\n".join(said),
        images=(row.get("decoded_image"),),
        answer=row.get("answer"),
        choices=row.get("choices") or None,
        id=row.get("pid"),
        meta={"kind": mapping(row.get("metadata")).get("task")},
        marks="lenient",
        used=frozenset(
            {"question", "decoded_image", "image", "answer", "choices", "pid", "unit", "precision", "query"}
        ),
    )


BENCHMARK = Benchmark(
    title="MathVista",
    hub="AI4Math/MathVista",
    row=read,
    split="testmini",
    licence="CC BY-SA 4.0",
    published=Published("InternVL2.5-8B", 64.4, "huggingface.co/OpenGVLab/InternVL2_5-8B, README of commit 082f8a8"),
)
