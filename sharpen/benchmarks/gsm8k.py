# pyright: strict
"""GSM8K: word problems of grade school; text alone."""

from __future__ import annotations

from ..data.fields import BadRow, Fields, Row, text
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row whose answer is a worked solution that ends with the number."""
    solution, mark, answer = text("answer", row.get("answer")).rpartition("####")
    if not mark:
        raise BadRow("'answer' holds no ####, after which the number stands")
    return Fields(
        question=row.get("question"),
        answer=answer.strip(),
        meta={"solution": solution.strip()},
        marks="lenient",
        used=frozenset({"question", "answer"}),
    )


BENCHMARK = Benchmark(
    title="GSM8K",
    hub="openai/gsm8k",
    configs=("main",),
    row=read,
    split="test",
    train="train",
    licence="MIT",
    published=Published("Qwen2.5-7B-Instruct", 91.6, "arXiv 2412.15115, table 8"),
)
