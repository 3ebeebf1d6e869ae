# pyright: strict
"""The fields of a row to a task, each checked; what cannot be used is refused with its reason."""

from __future__ import annotations

import re
from typing import cast

from ..types import Task
from .fields import MARK, BadRow, Fields, Row, scalar, text
from .pictures import Cell, Home, image

_PLACE = re.compile(  # a line of nothing but placeholders goes with its line break, so no hole is left
    r"^[ \t]*<image>(?:[ \t]*<image>)*[ \t]*(?:\r?\n|\Z)|<image>", re.MULTILINE
)


def task_of(row: Row, fields: Fields, name: str, home: Home) -> Task:
    """Return the task that a row's fields make; raises BadRow where they make none."""
    pictures = tuple(image(value, home) for value in fields.images)
    question, places = _placed(fields, len(pictures))
    if not question.strip():
        raise BadRow(f"{fields.question_key!r} is empty")
    choices = _choices(fields.choices)
    letters = tuple(chr(ord("A") + i) for i in range(len(choices)))
    if choices != letters and any(choice not in question for choice in choices):
        # Graded against, so shown; a question that spells them out already keeps its own wording.
        question += "\n" + "\n".join(f"{letter}. {choice}" for letter, choice in zip(letters, choices, strict=True))
    return Task(
        id=name,
        question=question,
        images=pictures,
        answer=None if fields.answer is None else scalar(fields.answer_key, fields.answer),
        choices=choices,
        system=None if fields.system is None else text("system", fields.system),
        places=places if any(places) else (),
        meta=_meta(row, fields),
    )


def _meta(row: Row, fields: Fields) -> dict[str, object]:
    own: object = fields.meta
    if own is not None and not isinstance(own, dict):
        raise BadRow(f"'meta' is a {type(own).__name__}, not an object")
    rest = {key: value for key, value in row.items() if key not in fields.used and not holds_bytes(value)}
    return {key: plain(value) for key, value in {**cast("dict[str, object]", own or {}), **rest}.items()}


def holds_bytes(value: object) -> bool:
    """Whether encoded bytes stand somewhere in a value: such a column is no note on a task."""
    if isinstance(value, list | tuple):
        return any(holds_bytes(item) for item in cast("list[object]", value))
    if isinstance(value, dict):
        return any(holds_bytes(item) for item in cast("dict[str, object]", value).values())
    return isinstance(value, bytes | Cell)


def plain(value: object) -> object:
    """Return a value as JSON has it; a date, a decimal and their like become text."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in cast("dict[object, object]", value).items()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _choices(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadRow(f"'choices' is a {type(value).__name__}, not a list")
    return tuple(scalar("choices", choice) for choice in cast("list[object]", value))


def _placed(fields: Fields, count: int) -> tuple[str, tuple[int, ...]]:
    """Return the question's text without marks, and where each image stands in it."""
    question: object = fields.question
    if isinstance(question, tuple):
        return _pieces(cast("tuple[object, ...]", question), fields.question_key, count)
    return place(text(fields.question_key, question), count, strict=fields.marks == "strict")


def _pieces(pieces: tuple[object, ...], key: str, count: int) -> tuple[str, tuple[int, ...]]:
    question, places = "", list[int]()
    for piece in pieces:
        if piece is None:
            places.append(len(question))
        else:
            question += text(key, piece)
    if len(places) != count:
        raise BadRow(f"the question has places for {len(places)} images and there are {count}; give one each")
    return question, tuple(places)


def place(question: str, count: int, strict: bool = False) -> tuple[str, tuple[int, ...]]:
    """Take the placeholders out of a question and say where they stood; without any, images come first.

    Where there is no image, `<image>` is text, unless `strict`. Raises BadRow where there are marks, but not
    one for each image.
    """
    marks = question.count(MARK)
    if marks == 0 or (count == 0 and not strict):
        return question, ()
    if marks != count:
        where = "give one each, or none" if count else "name the picture, or write < image > where it is text"
        raise BadRow(f"the question has {marks} {MARK} for {count} images; {where}")
    found, places, start = "", list[int](), 0
    for match in _PLACE.finditer(question):
        found += question[start : match.start()]
        places += [len(found)] * match[0].count(MARK)
        start = match.end()
    if start == len(question):  # the last line is gone, and so is the break before it
        found = re.sub(r"\r?\n\Z", "", found)
        places = [min(at, len(found)) for at in places]
    return found + question[start:], tuple(places)
