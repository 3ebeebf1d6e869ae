# pyright: strict
"""Chat messages to the fields of a task: system text, one question, and the reply if one is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from ..grading.extraction import extract
from .fields import ANSWER, MARK, BadRow, Fields, Row, as_list, first, images_of, line, mapping, rows_in

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}

Piece = str | None
"""Text, or None for an image."""


@dataclass(frozen=True)
class Turn:
    """One message: its pieces, None standing for an image, and the images that it brings along itself."""

    role: str
    pieces: tuple[Piece, ...]
    images: tuple[object, ...]
    typed: bool
    """Whether the content was a list of parts, so that its texts hold no marks."""


def parts_of(messages: object) -> list[Row]:
    """Return all typed parts of all messages."""
    return [part for message in rows_in(messages) for part in rows_in(message.get("content"))]


def turn(message: object) -> Turn:
    """Read one message with `role` and `content`, or `from` and `value`; raises BadRow where it is none."""
    said = mapping(message)
    role, content = said.get("role", said.get("from")), said.get("content", said.get("value"))
    if not isinstance(role, str) or role not in ROLES:
        raise BadRow(f"a message is by {line(repr(role))}; a task knows {', '.join(dict.fromkeys(ROLES.values()))}")
    if isinstance(content, str):
        return Turn(ROLES[role], (content,), (), typed=False)
    if not isinstance(content, list):
        raise BadRow(f"a message's content is a {type(content).__name__}, not text or a list of parts")
    pieces: list[Piece] = []
    images: list[object] = []
    for part in cast("list[object]", content):
        piece, own = _part(mapping(part) if not isinstance(part, str) else {"type": "text", "text": part})
        pieces.append(piece)
        images += [] if own is None else [own]
    return Turn(ROLES[role], tuple(pieces), tuple(images), typed=True)


def _part(part: Row) -> tuple[Piece, object]:
    """Return one part as (text or None, its own image or None)."""
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
        return cast("str", part["text"]), None
    if kind in ("image", "image_url", "input_image"):
        held = next((v for k in ("image_url", "image", "url", "path") if (v := part.get(k)) is not None), None)
        inner = mapping(held)
        return None, inner.get("url", held) if inner else held
    raise BadRow(f"a message has a part of type {line(repr(kind))}; a task holds text and images")


def asked(
    row: Row,
    key: str,
    messages: object,
    *,
    reply: object = None,
    answer: Mapping[str, object] | None = None,
    untyped: Literal["marks", "images first"] = "marks",
    used: Sequence[str] = (),
) -> Fields:
    """Return the fields of a row that holds a conversation of one question.

    `reply` is a message, or several, that stands in a column of its own. The answer is `answer` or the
    row's own column; else it is what the reply marks as its answer, else all of the reply. The reply
    itself is kept as `solution`. `untyped` says where images stand in content that is plain text: at its
    marks, or before it. Raises BadRow where there is not exactly one question.
    """
    if not isinstance(messages, list):
        raise BadRow(f"{key!r} is a {type(messages).__name__}, not a list of messages")
    replied = [] if reply is None else [{"role": "assistant", "content": reply}] if isinstance(reply, str) else reply
    turns = [turn(m) for m in (*cast("list[object]", messages), *as_list(replied))]
    roles = [t.role for t in turns]
    head = ["system"] if roles[:1] == ["system"] else []
    if roles not in ([*head, "user"], [*head, "user", "assistant"]):
        raise BadRow(
            f"asks {roles.count('user')} times ({', '.join(roles) or 'no message'}); make a row of each question"
        )
    user = turns[len(head)]
    images = user.images or images_of(row)
    before = (None,) * len(images) if untyped == "images first" and not user.typed else ()
    said = _text(turns[-1]) if roles[-1] == "assistant" else None
    gold_key, gold = first(answer or row, ANSWER)
    if gold is None and said is not None:
        gold = extract(said, ("tag", "boxed")) or said
    columns = {key, "images", "image", "system", *used, *([] if answer else [gold_key])}
    solution = {} if said is None or row.get("solution") is not None else {"solution": said}
    return Fields(
        question=(*before, *user.pieces) if user.typed or untyped == "images first" else user.pieces[0],
        images=images,
        answer=gold,
        choices=row.get("choices"),
        system=_text(turns[0]) if head else row.get("system"),
        id=row.get("id"),
        meta={**mapping(row.get("meta")), **solution},
        question_key=key,
        answer_key=gold_key,
        used=frozenset({*columns, "id", "meta", "choices"}),
    )


def _text(said: Turn) -> str:
    if any(piece is None for piece in said.pieces):
        raise BadRow(f"the {said.role} message holds an image; only a question may")
    if said.role == "assistant" and not said.typed and MARK in (said.pieces[0] or ""):
        raise BadRow(f"the reply holds {MARK}; only a question may")
    return "".join(piece or "" for piece in said.pieces)
