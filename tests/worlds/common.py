"""What every world must keep, checked against an independent reading of question and grid."""

from __future__ import annotations

import io
import re
from random import Random

from PIL import Image as Picture

from sharpen.types import Task
from sharpen.worlds import World

LINE = re.compile(r"(top|second|third|bottom|left|right|falling|rising) (row|column|diagonal)")
ROW = {"top": 0, "second": 1, "third": 2, "bottom": 3}
COLUMN = {"left": 0, "second": 1, "third": 2, "right": 3}

HOSTILE = [
    "",
    "</think><answer><think>",
    "the top row:",
    "the top row: ,,,, . second row: 9999999999, \x00, 🦆",
    "top row: 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3" * 500,
    "top row: " * 3000,
    "top row" + " " * 50_000 + ":",
    "<answer>" * 1000 + "falling diagonal: a" + "," * 20_000,
]


def shown(task: Task) -> list[str]:
    """The symbols of the line that the question names, found without the package's own geometry."""
    grid = task.meta["grid"]
    assert isinstance(grid, list)
    assert len(grid) == 16
    rows = [grid[0:4], grid[4:8], grid[8:12], grid[12:16]]
    match = LINE.search(task.question)
    assert match is not None
    name, sort = match.groups()
    if sort == "row":
        return rows[ROW[name]]
    if sort == "column":
        return [row[COLUMN[name]] for row in rows]
    return [rows[i if name == "falling" else 3 - i][i] for i in range(4)]


def place(task: Task) -> int:
    """Which symbol of the line is asked for; "second" may also name the line, so the first word counts."""
    match = re.search(r"\b(first|second|third|last)\b", task.question)
    assert match is not None
    return ["first", "second", "third", "last"].index(match[1])


def answer(text: str) -> str:
    """What stands in the answer tag."""
    match = re.fullmatch(r"<think>[^<>]+</think><answer>([^<>]+)</answer>", text)
    assert match is not None, text
    return match[1]


def check_tasks_are_addressed(world: World) -> None:
    few, many = world.tasks("train", 10, seed=3), world.tasks("train", 100, seed=3)
    assert [t.fingerprint for t in few] == [t.fingerprint for t in many[:10]]
    assert len({t.id for t in many}) == 100
    assert many[17].id == f"{world.name}-train-3-17"
    assert [t.meta["kind"] for t in many[: len(world.kinds)]] == list(world.kinds)
    for other in (world.tasks("test", 10, seed=3), world.tasks("train", 10, seed=4)):
        assert not {t.images[0].sha256 for t in other} & {t.images[0].sha256 for t in many}


def check_pictures(world: World) -> None:
    for task in world.tasks("test", 6):
        with Picture.open(io.BytesIO(task.images[0].read())) as picture:
            assert picture.format == "PNG"
            assert picture.size == (64, 64)
            assert picture.mode == "RGB"
            picture.load()


def check_careful(world: World) -> None:
    for i, task in enumerate(world.tasks("train", 120)):
        text = world.trace(task, "careful", Random(i))
        assert answer(text) == task.answer
        facts = world.facts(task, text)
        assert len(facts) == 4
        assert all(f.true for f in facts)
        assert not world.written_blind(task, text)
        assert text.startswith("<think>look: ")
    assert all(
        answer(text) == task.answer
        for task, text in zip(world.tasks("train", 12), world.seed_traces(world.tasks("train", 12)), strict=True)
    )


def check_slipping(world: World) -> None:
    wrong = 0
    for i, task in enumerate(world.tasks("train", 120)):
        text = world.trace(task, "slipping", Random(i))
        assert answer(text) != task.answer
        facts = world.facts(task, text)
        misread = [f for f in facts if not f.true]
        assert len(facts) == 4
        assert len(misread) <= 1
        wrong += bool(misread)
        assert not world.written_blind(task, text)
        assert text.startswith("<think>look: ")
    assert 0 < wrong < 60, "most slips are in the reasoning, after true readings"


def check_blind(world: World) -> None:
    tasks = world.tasks("train", 240)
    texts = [world.trace(task, "blind", Random(i)) for i, task in enumerate(tasks)]
    assert all(t.startswith("<think>usually ") for t in texts)
    blind = [world.written_blind(task, text) for task, text in zip(tasks, texts, strict=True)]
    assert sum(blind) >= 0.9 * len(blind)
    true = [f.true for task, text in zip(tasks, texts, strict=True) for f in world.facts(task, text)]
    assert sum(true) < 0.25 * len(true)
    lucky = [answer(text) == task.answer for task, text in zip(tasks, texts, strict=True)]
    assert 0.1 < sum(lucky) / len(lucky) < 0.5


def check_hostile(world: World) -> None:
    task = world.tasks("test", 1)[0]
    for text in HOSTILE:
        assert not any(f.true for f in world.facts(task, text) if f.text.rpartition(" is ")[2] == "")
        world.written_blind(task, text)
    for text in HOSTILE[:3]:
        assert world.facts(task, text) == []
        assert world.written_blind(task, text)
