# pyright: strict
"""Tables of VLMEvalKit: `index`, `image` in base64, `question`, `hint`, choices in columns `A` to `Z`, `answer`."""

from __future__ import annotations

import json
from string import ascii_uppercase
from typing import ClassVar

from ..fields import BadRow, Fields, Row, as_list, line

SHORTEST = 64
"""Shorter text in `image` is the index of an earlier row with the same picture, as VLMEvalKit reads it."""


class Vlmevalkit:
    """Rows of a benchmark's table; remembers the pictures, since a row may point to an earlier one."""

    title: ClassVar[str] = "VLMEvalKit"

    def __init__(self) -> None:
        self._pictures: dict[str, object] = {}

    def fits(self, row: Row) -> bool:
        """Rows of `index`, `question` and a picture or a choice."""
        return {"index", "question"} <= set(row) and bool({"image", "image_path", "A"} & set(row))

    def read(self, row: Row) -> Fields:
        """Put the hint before the question and the lettered columns into choices."""
        letters = [letter for letter in ascii_uppercase if row.get(letter) is not None]
        if letters != list(ascii_uppercase[: len(letters)]):
            raise BadRow(f"has choices {', '.join(letters)}; leave none out in between")
        question = row.get("question")
        if isinstance(question, str) and row.get("hint") is not None:
            question = f"{row['hint']}\n{question}"
        return Fields(
            question=question,
            images=self._images(row),
            answer=row.get("answer"),
            choices=[str(row[letter]) for letter in letters] or None,
            id=row.get("index"),
            used=frozenset({"index", "question", "hint", "image", "image_path", "answer", *letters}),
        )

    def _images(self, row: Row) -> tuple[object, ...]:
        if row.get("image") is None:
            return tuple(_listed(row["image_path"])) if row.get("image_path") is not None else ()
        found: list[object] = []
        for value in _listed(row["image"]):
            if isinstance(value, int) or (isinstance(value, str) and len(value) < SHORTEST):
                if str(value) not in self._pictures:
                    raise BadRow(f"its picture is that of row {line(repr(value))}, which does not stand before it")
                found.append(self._pictures[str(value)])
            else:
                found.append(f"data:image/*;base64,{''.join(value.split())}" if isinstance(value, str) else value)
        if len(found) == 1:
            self._pictures[str(row.get("index"))] = found[0]
        return tuple(found)


def _listed(value: object) -> tuple[object, ...]:
    """Return several pictures from a cell that holds a list, as JSON where cells are text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            return as_list(json.loads(value))
        except ValueError as error:
            raise BadRow(f"'image' is not a list ({line(error)})") from None
    return as_list(value)
