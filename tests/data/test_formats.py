"""Rows as other projects write them: recognised by their shape, and read to the same task."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from support import PIXEL

from sharpen.data import formats
from sharpen.data.load import load
from sharpen.errors import TaskError
from sharpen.types import Image, Task

PICTURE = Image.of(PIXEL)
BASE64 = base64.b64encode(PIXEL).decode()
URI = f"data:image/png;base64,{BASE64}"
ASKED = "How many?"
BOXED = "Two and two. \\boxed{4}"

ROWS: dict[str, list[dict[str, Any]]] = {
    "plain": [
        {"question": ASKED, "image": "a.png", "answer": 4},
        {"query": "<image>How many?", "images": ["a.png"], "gold": "4"},
    ],
    "easyr1": [{"problem": "<image>How many?", "answer": "4", "images": ["a.png"]}],
    "verl": [
        {
            "data_source": "geometry",
            "prompt": [{"role": "user", "content": "<image>How many?"}],
            "images": [{"bytes": None, "path": "a.png"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": "4"},
            "extra_info": {"split": "train", "index": 0},
        }
    ],
    "sharegpt": [
        {
            "id": "x",
            "image": "a.png",
            "conversations": [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "4"}],
        },
        {"images": ["a.png"], "conversations": [{"from": "human", "value": "<image>How many?"}], "answer": "4"},
        {
            "images": ["a.png"],
            "conversations": [{"from": "human", "value": "<image>How many?"}],
            "chosen": {"from": "gpt", "value": BOXED},
            "rejected": {"from": "gpt", "value": "5"},
        },
    ],
    "openai": [
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": URI}}, {"type": "text", "text": ASKED}],
                },
                {"role": "assistant", "content": "Two and two.\n<answer>4</answer>"},
            ]
        },
    ],
    "trl": [
        {
            "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": ASKED}]}],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": BOXED}]}],
            "images": ["a.png"],
        },
        {"prompt": [{"role": "user", "content": ASKED}], "images": ["a.png"], "solution": "4"},
        {"prompt": ASKED, "image": "a.png", "chosen": BOXED, "rejected": "5"},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": ASKED}]},
                {"role": "assistant", "content": [{"type": "text", "text": "4"}]},
            ],
            "images": ["a.png"],
        },
    ],
    "swift": [
        {
            "messages": [{"role": "user", "content": "<image>How many?"}, {"role": "assistant", "content": BOXED}],
            "images": ["a.png"],
        },
        {"messages": [{"role": "user", "content": "<image>How many?"}], "images": ["a.png"], "solution": "4"},
    ],
    "vlmevalkit": [{"index": 7, "question": ASKED, "image": BASE64, "answer": "4", "category": "count"}],
}
CASES = [(name, row) for name, rows in ROWS.items() for row in rows]


def jsonl(folder: Path, *rows: object) -> Path:
    (folder / "a.png").write_bytes(PIXEL)
    path = folder / "t.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def why(folder: Path, row: dict[str, Any], format: str = "") -> str:
    loaded = load(jsonl(folder, row, {**ROWS[format or "plain"][0]}), max_bad=0.5, format=format)
    ((_, reason),) = loaded.skipped
    return reason


def test_every_format_is_tried() -> None:
    assert set(ROWS) == set(formats.names())


@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_row_has_the_shape_of_one_format(name: str, row: dict[str, Any]) -> None:
    assert formats.fitting(row, {n: formats.find(n) for n in formats.names()}) == [name]


@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_row_is_recognised_and_read(tmp_path: Path, name: str, row: dict[str, Any]) -> None:
    loaded = load(jsonl(tmp_path, row))
    (task,) = loaded.tasks
    assert (task.content, task.answer) == ((PICTURE, ASKED), "4")
    assert loaded.read_as.startswith(formats.find(name).title)
    assert load(jsonl(tmp_path, row), format=name).tasks == loaded.tasks


def test_what_it_was_read_as_names_the_columns(tmp_path: Path) -> None:
    row = {**ROWS["easyr1"][0], "level": 3}
    assert load(jsonl(tmp_path, row)).read_as == "EasyR1 rows: problem, answer, images; in meta: level"


def test_the_reply_is_kept_beside_the_answer_it_marks(tmp_path: Path) -> None:
    (task,) = load(jsonl(tmp_path, ROWS["swift"][0])).tasks
    assert (task.answer, task.meta) == ("4", {"solution": BOXED})


def test_the_other_columns_are_notes(tmp_path: Path) -> None:
    (task,) = load(jsonl(tmp_path, ROWS["verl"][0])).tasks
    assert task.meta == {"data_source": "geometry", "ability": "math", "extra_info": {"split": "train", "index": 0}}


def test_the_shape_of_most_rows_decides(tmp_path: Path) -> None:
    loaded = load(jsonl(tmp_path, ROWS["verl"][0], ROWS["swift"][0], ROWS["swift"][1]), max_bad=0.4)
    assert len(loaded.tasks) == 2
    assert loaded.skipped == [("t-1", "'messages' is a NoneType, not a list of messages")]


def test_a_named_format_is_read_whatever_the_rows_look_like(tmp_path: Path) -> None:
    """The same row, in which ms-swift sees the place of a picture and TRL a text."""
    row = jsonl(tmp_path, ROWS["swift"][0])
    for name, said, text in (("", "ms-swift", ASKED), ("trl", "TRL", f"<image>{ASKED}")):
        loaded = load(row, format=name)
        assert (loaded.read_as, loaded.tasks[0].content) == (f"{said} rows: messages, images", (PICTURE, text))


def test_a_format_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no format 'csv'; choose one of: easyr1, openai, plain"):
        load(jsonl(tmp_path, ROWS["plain"][0]), format="csv")


def test_the_system_message_and_the_place_of_an_image(tmp_path: Path) -> None:
    said = [{"role": "system", "content": "Look."}, {"role": "user", "content": "Is <image> like\n<image>\nthat?"}]
    (task,) = load(jsonl(tmp_path, {"messages": said, "images": ["a.png", "a.png"], "solution": "yes"})).tasks
    assert task.system == "Look."
    assert task.content == ("Is ", PICTURE, " like\n", PICTURE, "that?")


def test_pieces_keep_their_order_and_a_literal_mark_is_text(tmp_path: Path) -> None:
    parts = [
        {"type": "text", "text": "What is <image> in HTML, and this: "},
        {"type": "image_url", "image_url": {"url": URI}},
        {"type": "text", "text": "?"},
    ]
    (task,) = load(jsonl(tmp_path, {"messages": [{"role": "user", "content": parts}]})).tasks
    assert task.content == ("What is <image> in HTML, and this: ", PICTURE, "?")


def user(content: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("easyr1", {"problem": "<image>?", "answer": "1", "images": []}, "1 <image> for 0 images"),
        ("swift", {"messages": user("What is <image> in HTML?"), "images": []}, "1 <image> for 0 images"),
        ("swift", {"messages": user("<image>?"), "images": ["a.png", "a.png"]}, "1 <image> for 2 images"),
        ("swift", {"messages": user("  "), "images": []}, "'messages' is empty"),
        ("swift", {"messages": [*user("a"), *user("b")]}, "asks 2 times (user, user); make a row of each"),
        ("swift", {"messages": []}, "asks 0 times (no message)"),
        ("swift", {"messages": [{"role": "tool", "content": "x"}]}, "a message is by 'tool'"),
        ("swift", {"messages": user(3)}, "content is a int, not text"),
        ("swift", {"messages": [*user("a"), {"role": "assistant", "content": "<image>"}]}, "the reply holds <image>"),
        ("openai", {"messages": user([{"type": "input_audio", "input_audio": {}}])}, "a part of type 'input_audio'"),
        ("openai", {"messages": user([{"type": "image_url", "image_url": {"url": "http://x/a.png"}}])}, "is a link"),
        ("trl", {"prompt": user([{"type": "image"}]), "images": ["a.png"]}, "'prompt' is empty"),
        ("trl", {"prompt": user([{"type": "text", "text": "?"}]), "images": ["a.png"]}, "for 0 images and there are 1"),
        ("vlmevalkit", {"index": 1, "question": "?", "A": "x", "C": "y"}, "has choices A, C"),
        ("vlmevalkit", {"index": 1, "question": "?", "image": "5"}, "of row '5', which does not stand before it"),
        ("verl", {"prompt": "?", "reward_model": {"ground_truth": "4"}}, "'prompt' is a str, not a list of messages"),
    ],
)
def test_bad_rows_say_why(tmp_path: Path, name: str, row: dict[str, Any], reason: str) -> None:
    assert reason in why(tmp_path, row, name)


def test_a_benchmark_table_with_choices_hint_and_shared_pictures(tmp_path: Path) -> None:
    path = tmp_path / "bench.tsv"
    with path.open("w", newline="") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(["index", "image", "question", "hint", "A", "B", "answer", "category"])
        table.writerow(["1", BASE64, "Which?", "Look twice.", "red", "blue", "A", "colour"])
        table.writerow(["2", "1", "And now?", "", "3", "4", "B", "count"])
        table.writerow(["3", json.dumps([BASE64, BASE64]), "Same?", "", "", "", "yes", "pair"])
    one, two, three = load(path).tasks
    assert one == Task("1", "Look twice.\nWhich?\nA. red\nB. blue", (PICTURE,), "A", ("red", "blue"))
    assert two == Task("2", "And now?\nA. 3\nB. 4", (PICTURE,), "B", ("3", "4"))
    assert (len(three.images), three.answer) == (2, "yes")
    assert one.meta == {"category": "colour"}
