# pyright: strict
"""Choices out of text, and questions whose text says where each of several pictures stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import cast

from .fields import BadRow, line, scalar

_TAG = re.compile(r"<image[ _]?(\d*)>")


def letter(index: object) -> str:
    """Return the letter of a choice that is told by its position from 0."""
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(ascii_uppercase):
        raise BadRow(f"the answer is {line(repr(index))}, not the position of a choice")
    return ascii_uppercase[index]


def lettered(text: str, ends: str) -> list[str]:
    """Return the choices of a text like "A: red, B: blue", in which `ends` is what stands before a next letter.

    Empty where the letters do not run from A on, one after another.
    """
    starts = list(re.finditer(rf"(?:^|{ends})\s*\(?([A-Z])[.:)]\s*", text))
    letters = [match[1] for match in starts]
    if len(letters) < 2 or letters != list(ascii_uppercase[: len(letters)]):
        return []
    stops = [match.start() for match in starts[1:]] + [len(text)]
    return [text[match.end() : stop].strip() for match, stop in zip(starts, stops, strict=True)]


def listed(value: object) -> list[str]:
    """Return a list of texts, or the one that a text like "['a', 'b']" spells out."""
    found = value
    if isinstance(value, str):
        try:
            found = cast("object", ast.literal_eval(value))
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise BadRow(f"the choices {line(repr(value))} are no list ({line(error)})") from None
    if not isinstance(found, list):
        raise BadRow(f"the choices are a {type(found).__name__}, not a list")
    return [scalar("choices", item) for item in cast("list[object]", found)]


def shown(choices: Sequence[str]) -> str:
    """Return choices as lines with their letters."""
    return "\n".join(f"{ascii_uppercase[i]}. {choice}" for i, choice in enumerate(choices))


def tagged(text: str, pictures: Mapping[str, object]) -> tuple[tuple[str | None, ...], tuple[object, ...]]:
    """Split a text at tags like `<image 1>` into pieces and the pictures they stand for, by number.

    A picture that no tag names comes first; a tag without a picture of its own is written in words, since
    some data sets draw all pictures of a question into one.
    """
    pieces: list[str | None] = []
    images: list[object] = []
    start = 0
    for match in _TAG.finditer(text):
        number = match[1] or "1"
        if number in pictures:
            pieces += [text[start : match.start()], None]
            images.append(pictures[number])
        else:
            pieces.append(f"{text[start : match.start()]}(image {number})")
        start = match.end()
    pieces.append(text[start:])
    named = {match[1] or "1" for match in _TAG.finditer(text)}
    before = [picture for number, picture in pictures.items() if number not in named]
    return (*(None for _ in before), *pieces), (*before, *images)


def untagged(text: str) -> str:
    """Return a text with its tags in words."""
    return _TAG.sub(lambda match: f"image {match[1] or '1'}", text)


def numbered(row: Mapping[str, object], most: int = 7) -> dict[str, object]:
    """Return the pictures in the columns `image_1`, `image_2` and so on, by number."""
    return {str(i): row[f"image_{i}"] for i in range(1, most + 1) if row.get(f"image_{i}") is not None}
