# pyright: strict
"""MMMU: college questions of thirty subjects with up to seven pictures; the split whose answers are public."""

from __future__ import annotations

from ..data.fields import Fields, Row, text
from ..data.options import listed, numbered, shown, tagged, untagged
from . import Benchmark, Published


def read(row: Row) -> Fields:
    """Read a row; question and choices say where their pictures stand."""
    question = text("question", row.get("question"))
    options = listed(row["options"]) if row.get("question_type") == "multiple-choice" else []
    asked = "\n".join(
        [question, *([shown([f"{untagged(o)} {o}" if untagged(o) != o else o for o in options])] if options else [])]
    )
    pieces, images = tagged(asked, numbered(row))
    answer = row.get("answer")
    if isinstance(answer, str) and answer.startswith("["):
        answer = listed(answer)[0]  # other spellings of the same answer follow
    return Fields(
        question=pieces,
        images=images,
        answer=answer,
        choices=[untagged(option) for option in options] or None,
        id=row.get("id"),
        meta={"kind": row.get("subfield")},
        used=frozenset({"question", "options", "answer", "id", *(f"image_{i}" for i in range(1, 8))}),
    )


BENCHMARK = Benchmark(
    title="MMMU",
    hub="lmms-lab/MMMU",
    row=read,
    split="validation",
    licence="Apache-2.0, as the card of MMMU/MMMU says; that of this copy names none",
    published=Published("InternVL2.5-8B", 56.0, "huggingface.co/OpenGVLab/InternVL2_5-8B, README of commit 082f8a8"),
)
