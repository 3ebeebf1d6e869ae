# pyright: strict
"""We-Math: problems with the single steps that they are made of, as questions of their own."""

from __future__ import annotations

from ..data.fields import BadRow, Fields, Row, line, text
from ..data.options import lettered
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row whose choices are one text, "A. 3; B. 4"."""
    choices = lettered(text("option", row.get("option")), ";")
    if not choices:
        raise BadRow(f"'option' is {line(repr(row.get('option')))}, not choices with letters")
    return Fields(
        question=row.get("question"),
        images=(row.get("image_path"),),
        answer=row.get("answer"),
        choices=choices,
        meta={"kind": row.get("key")},
        marks="lenient",
        used=frozenset({"question", "option", "answer", "image_path"}),
    )


BENCHMARK = Benchmark(
    title="We-Math",
    hub="We-Math/We-Math",
    row=read,
    split="testmini",
    licence="CC BY-NC 4.0",
    prompt="Answer with the letter of the right choice.",
    metric="accuracy over all questions, where the original compares problems with their steps",
    published=Published("Qwen2.5-VL-7B", 63.1, "arXiv 2504.13055, table 1"),
)
