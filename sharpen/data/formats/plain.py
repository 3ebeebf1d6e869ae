# pyright: strict
"""One column for each thing: question, answer, images, choices, system, meta."""

from __future__ import annotations

from typing import ClassVar

from ..fields import ANSWER, QUESTION, BadRow, Fields, Row, first, images_of, short


class Plain:
    """A question with its answer in columns of a table."""

    title: ClassVar[str] = "plain"

    def fits(self, row: Row) -> bool:
        """Rows with a question; of any other shape where another format says so."""
        return any(key in row for key in QUESTION)

    def read(self, row: Row) -> Fields:
        """Take the first of the columns that each thing may be called."""
        question_key, question = first(row, QUESTION)
        answer_key, answer = first(row, ANSWER)
        if question is None:
            raise BadRow(f"has no {' or '.join(QUESTION)}; its columns are {short(', '.join(row))}")
        return Fields(
            question=question,
            images=images_of(row),
            answer=answer,
            choices=row.get("choices"),
            system=row.get("system"),
            id=row.get("id"),
            meta=row.get("meta"),
            question_key=question_key,
            answer_key=answer_key,
            used=frozenset({"id", question_key, answer_key, "image", "images", "choices", "system", "meta"}),
        )
