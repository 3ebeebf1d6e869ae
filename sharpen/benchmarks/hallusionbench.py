# pyright: strict
"""HallusionBench: pictures that mislead, and edited ones; the questions that have a picture."""

from __future__ import annotations

from ..data.fields import BadRow, Fields, Row, line
from . import Benchmark, Published

ANSWERS = {"0": "no", "1": "yes"}


def read(row: Row) -> Fields:
    """Read a row whose answer is 0 or 1."""
    if str(row.get("gt_answer")) not in ANSWERS:
        raise BadRow(f"'gt_answer' is {line(repr(row.get('gt_answer')))}, not 0 or 1")
    return Fields(
        question=row.get("question"),
        images=(row.get("image"),),
        answer=ANSWERS[str(row["gt_answer"])],
        meta={"kind": row.get("subcategory")},
        marks="lenient",
        used=frozenset({"question", "image", "gt_answer"}),
    )


BENCHMARK = Benchmark(
    title="HallusionBench",
    hub="lmms-lab/HallusionBench",
    row=read,
    split="image",
    licence="BSD-3-Clause, as the card of the authors' own copy says, rayguan/HallusionBench",
    prompt="Answer yes or no.",
    metric="accuracy over questions; the original also reports it over figures and over pairs",
    published=Published("MMEvol-Qwen2-7B", 64.1, "huggingface.co/Tongyi-ConvAI/MMEvol-Qwen2-7B, README"),
)
