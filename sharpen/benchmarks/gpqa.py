# pyright: strict
"""GPQA, diamond: science questions that a search does not answer; text alone, behind a form on the hub."""

from __future__ import annotations

from ..data.fields import Fields, Row, text
from ..data.options import letter
from ..types import digest
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row; the right choice stands where a hash of the question and the choices puts it."""
    right = text("Correct Answer", row.get("Correct Answer")).strip()
    wrong = [text(key, row.get(key)).strip() for i in (1, 2, 3) if (key := f"Incorrect Answer {i}")]
    question = text("Question", row.get("Question")).strip()
    choices = sorted([right, *wrong], key=lambda choice: digest("gpqa", question, choice))
    return Fields(
        question=question,
        answer=letter(choices.index(right)),
        choices=choices,
        meta={"kind": row.get("High-level domain")},
        marks="lenient",
        question_key="Question",
        used=frozenset({"Question", "Correct Answer", *(f"Incorrect Answer {i}" for i in (1, 2, 3))}),
    )


BENCHMARK = Benchmark(
    title="GPQA Diamond",
    hub="Idavidrein/gpqa",
    configs=("gpqa_diamond",),
    row=read,
    split="train",
    licence="CC BY 4.0",
    prompt="Answer with the letter of the right choice.",
    published=Published("Qwen2.5-7B-Instruct", 33.3, "huggingface.co/internlm/internlm3-8b-instruct, README"),
)
