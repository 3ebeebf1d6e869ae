# pyright: strict
"""MMStar: questions that were chosen because they cannot be answered without their picture."""

from __future__ import annotations

from ..data.fields import BadRow, Fields, Row, line, text
from ..data.options import lettered
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row whose choices stand in the question's text, "Options: A: red, B: blue"."""
    question = text("question", row.get("question"))
    choices = lettered(question.rpartition("Options:")[2].strip(), r",|\n")
    if not choices:
        raise BadRow(f"{line(repr(question[-80:]))} ends with no choices with letters")
    return Fields(
        question=question,
        images=(row.get("image"),),
        answer=row.get("answer"),
        choices=choices,
        id=row.get("index"),
        meta={"kind": row.get("category")},
        marks="lenient",
        used=frozenset({"question", "image", "answer", "index"}),
    )


BENCHMARK = Benchmark(
    title="MMStar",
    hub="Lin-Chen/MMStar",
    row=read,
    split="val",
    licence=None,
    prompt="Answer with the letter of the right choice.",
    published=Published("MMEvol-Qwen2-7B", 51.6, "huggingface.co/Tongyi-ConvAI/MMEvol-Qwen2-7B, README"),
)
