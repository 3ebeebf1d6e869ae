# pyright: strict
"""What a format takes out of a row, and the readings of values that all formats share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

Row = Mapping[str, object]

MARK = "<image>"
QUESTION = ("question", "problem", "query")
ANSWER = ("answer", "solution", "gold")


class BadRow(Exception):
    """This row cannot be used; the message is the reason."""


class Elsewhere(Exception):
    """This row belongs to a part of its data set that is not asked for; the message names that part."""


@dataclass(frozen=True)
class Fields:
    """A row's values by their meaning, not checked yet.

    `question` is text, or a tuple of pieces in order in which None stands for the next image. `marks` says what
    `<image>` is in a text: always a place ("strict"), or a place where there are images and text in the questions
    of a data set that is known to have none ("lenient").
    `used` names the columns that are told here; the others join `meta`.
    """

    question: object
    images: Sequence[object] = ()
    answer: object = None
    choices: object = None
    system: object = None
    id: object = None
    meta: object = None
    marks: Literal["strict", "lenient"] = "strict"
    question_key: str = "question"
    answer_key: str = "answer"
    used: frozenset[str] = frozenset()


def first(row: Row, keys: Sequence[str]) -> tuple[str, object]:
    """Return the first of these columns that holds something; the others are not aliases in this row but data."""
    return next(((key, row[key]) for key in keys if row.get(key) is not None), (keys[0], None))


def images_of(row: Row) -> tuple[object, ...]:
    """Return the values of `image` or `images`, one or a list; raises BadRow where both hold something."""
    values = [row[key] for key in ("image", "images") if row.get(key) is not None]
    if len(values) > 1:
        raise BadRow("has both 'image' and 'images'; keep one")
    return as_list(values[0]) if values else ()


def as_list(value: object) -> tuple[object, ...]:
    """Return a list's items, and anything else as the only item."""
    return tuple(cast("list[object]", value)) if isinstance(value, list) else (value,)


def rows_in(value: object) -> list[Row]:
    """Return the objects of a list of objects; empty for anything else."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Row", item) for item in items if isinstance(item, dict)]


def mapping(value: object) -> Row:
    """Return an object's entries; empty for anything else."""
    return cast("Row", value) if isinstance(value, dict) else {}


def text(key: str, value: object) -> str:
    """Return a text; raises BadRow for anything else."""
    if not isinstance(value, str):
        raise BadRow(f"{key!r} is a {type(value).__name__}, not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{key!r} holds half a character (a lone surrogate)") from None
    return value


def scalar(key: str, value: object) -> str:
    """Return text as it is and a number as Python writes it; True is a number to Python but not to a person."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise BadRow(f"{key!r} is {value}, not a finite number")
        return str(value)
    if not isinstance(value, str):
        raise BadRow(f"{key!r} is a {type(value).__name__}, not text or a number")
    if not value.strip():
        raise BadRow(f"{key!r} is empty; leave it out where there is none")
    return text(key, value)


def line(what: object) -> str:
    """Return an error or a value in one short line."""
    said = f"{type(what).__name__}: {what}" if isinstance(what, BaseException) else str(what)
    return short(" ".join(said.split()))


def short(said: str, limit: int = 120) -> str:
    """Cut a text that would bury the message it stands in."""
    return said if len(said) <= limit else said[:limit] + "…"
