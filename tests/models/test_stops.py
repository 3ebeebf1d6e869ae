"""Stop strings are found where the whole text comes to hold one, and only the last tokens are put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from sharpen.models.model import Sampling, Write
from sharpen.models.stops import EDGE, said
from sharpen.worlds import world

PIECES = [*("é€😀".encode()[i : i + 1] for i in range(9)), b"", b"a", b"b", b"ab", b" ba", b"\n\n", b"a" * 30]
"""Bytes of characters of two, three and four of them, tokens without text, short ones and a long one."""
STOPS = ("ab ba", "é", "a😀b", "\n\n€", "bb", "aa" * 20)


@dataclass
class Row:
    given: tuple[int, ...] = ()
    ids: list[int] = field(default_factory=list[int])


def texts(rows: Sequence[Sequence[int]]) -> list[str]:
    return [b"".join(PIECES[i] for i in row).decode(errors="replace") for row in rows]


def holds(row: Row, stop: str) -> bool:
    """The plain way: all occurrences in the whole text, without those that end in what is given."""
    given, whole = texts([row.given, [*row.given, *row.ids]])
    before = len(given.rstrip("\ufffd"))
    return any(whole.startswith(stop, at) and at + len(stop) > before for at in range(len(whole)))


def test_an_attempt_ends_at_the_token_at_which_its_whole_text_holds_a_stop_string() -> None:
    draw = Random(0)
    ends = 0
    for _ in range(400):
        stops = tuple(draw.sample(STOPS, 2))
        few = draw.sample(range(len(PIECES)), 4)
        given = tuple(draw.choices(few, k=draw.randrange(12)))
        rows = [Row(given) for _ in range(3)]
        for _ in range(25):
            for row in rows:
                row.ids.append(draw.choice(few if draw.random() < 0.9 else range(len(PIECES))))
            found = said(rows, stops, texts)
            assert found == [any(holds(row, stop) for stop in stops) for row in rows]
            ends += sum(found)
            rows = [row for row, ended in zip(rows, found, strict=True) if not ended]
            if not rows:
                break
    assert ends > 200


def test_as_few_tokens_are_put_into_words_as_a_stop_string_reaches_back() -> None:
    """A stop string of 5 characters reaches 13 back: 6 tokens of one character, 12, 24, and the last one by itself."""
    asked: list[int] = []

    def counted(rows: Sequence[Sequence[int]]) -> list[str]:
        asked.append(sum(map(len, rows)))
        return texts(rows)

    for before in (100, 10_000):
        asked.clear()
        rows = [Row((PIECES.index(b"b"),) * 50, [PIECES.index(b"a")] * before) for _ in range(4)]
        assert said(rows, ("ab ba",), counted) == [False] * 4
        assert EDGE == 8
        assert asked == [4, 4 * 6, 4 * 12, 4 * 24]


def test_a_long_last_token_does_not_hide_where_a_stop_string_begins() -> None:
    """Behind 40 tokens without text: the last one alone is more text than a stop string has."""
    row = Row((PIECES.index(b"b"),), [*[PIECES.index(b"")] * 40, PIECES.index(b"a" * 30)])
    assert said([row], ("ba",), texts) == [True]


def test_a_resumed_attempt_ends_where_it_does_as_a_whole(random_model: Any) -> None:
    """Resumed in the middle of the stop string by the draws of its own tail; what is in the prefix ends nothing."""
    prompt = random_model.prompt(world("digits").tasks("train", 1)[0])
    hot = Sampling(1.0, max_tokens=12)
    (whole,) = random_model.write([Write(prompt, hot, 3, (0,))])
    greedy = replace(hot, temperature=0.0)
    ids = whole.part.ids[:4]
    (tail,) = random_model.write([Write(prompt, greedy, 0, (0,), given=(ids[:2], ids[2:]))])
    text = random_model.render.said([[*ids, *tail.part.ids]])[0]
    last = random_model.render.said([ids])[0]
    stop = text[len(last) - 2 : len(last) + 2]
    assert text.index(stop) == len(last) - 2
    (cut,) = random_model.write([Write(prompt, replace(greedy, stop=(stop,)), 0, (0,), given=(ids[:2], ids[2:]))])
    assert cut.finish == "stop"
    assert stop in last + cut.part.text
    assert len(cut.part.ids) < len(tail.part.ids)
    assert cut.part.ids == tail.part.ids[: len(cut.part.ids)]
    (on,) = random_model.write([Write(prompt, replace(greedy, stop=(last[-3:],)), 0, (0,), given=(ids,))])
    assert on.part.ids[: len(cut.part.ids)] == cut.part.ids
    assert len(on.part.ids) > 1


@pytest.mark.parametrize("length", [1, 40])
def test_rows_of_all_ages_are_asked_at_once(length: int) -> None:
    calls: list[int] = []

    def counted(rows: Sequence[Sequence[int]]) -> list[str]:
        calls.append(len(rows))
        return texts(rows)

    a = PIECES.index(b"a" * 30)
    rows = [Row((), [a] * n) for n in range(1, length + 1)]
    said(rows, ("bb",), counted)
    assert calls[0] == calls[1] == length
    assert len(calls) == 2
