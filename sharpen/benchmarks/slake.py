# pyright: strict
"""SLAKE: questions about radiology images in English and Chinese; the English ones."""

from __future__ import annotations

from ..data.fields import Elsewhere, Fields, Row, text
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row whose picture lies in the unpacked archive."""
    if row.get("q_lang") != "en":
        raise Elsewhere("questions that are not in English")
    used = ("question", "answer", "img_name", "qid")
    return Fields(
        question=row.get("question"),
        images=(f"imgs/{text('img_name', row.get('img_name'))}",),
        answer=row.get("answer"),
        id=row.get("qid"),
        meta={"kind": row.get("content_type")},
        marks="lenient",
        used=frozenset(used),
    )


BENCHMARK = Benchmark(
    title="SLAKE",
    hub="BoKelvin/SLAKE",
    row=read,
    split="test",
    train="train",
    licence="CC BY 4.0",
    prompt="Answer in a word or a short phrase.",
    metric="accuracy over open and closed questions together, English",
    published=Published("Qwen2.5-VL-7B", 67.2, "arXiv 2506.07044, table 6"),
    pictures="download test.json and imgs.zip, unpack the latter beside it, and give --tasks slake:FOLDER/test.json",
)
