"""Rows of every shape become tasks, and every row that cannot is named."""

import base64
import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image as pil

import sharpen.worlds
from sharpen.data.load import Loaded, load, load_tasks
from sharpen.errors import TaskError
from sharpen.types import Image, Task


def png(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    pil.new("RGB", (4, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


RED, BLUE = Image.of(png("red")), Image.of(png("blue"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "images").mkdir(parents=True)
    (home / "images" / "red.png").write_bytes(png("red"))
    (home / "images" / "blue.png").write_bytes(png("blue"))
    (home / "broken.png").write_bytes(png()[:-20])
    (tmp_path / "secret.png").write_bytes(png())
    return home


def jsonl(folder: Path, *rows: Any) -> Path:
    path = folder / "geo.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


def one(folder: Path, **row: Any) -> Task:
    (task,) = load_tasks(jsonl(folder, {"question": "Why?", **row}))
    return task


def reason(folder: Path, **row: Any) -> str:
    """Why this row cannot be used, beside one that can."""
    loaded = load(jsonl(folder, {"question": "fine"}, {"question": "Why?", "id": "x", **row}), max_bad=0.5)
    assert [t.question for t in loaded.tasks] == ["fine"]
    ((_, why),) = loaded.skipped
    assert "\n" not in why
    return why


# --- rows ---------------------------------------------------------------------------------------


def test_a_full_row(folder: Path) -> None:
    task = one(
        folder,
        id="a",
        answer="B",
        images=["images/red.png", "images/blue.png"],
        choices=["one", 2],
        system="Think.",
        meta={"source": "me"},
        level=3,
    )
    assert task == Task("a", "Why?\nA. one\nB. 2", (RED, BLUE), "B", ("one", "2"), "Think.")
    assert task.meta == {"source": "me", "level": 3}


def test_choices_that_the_question_spells_out_are_not_shown_twice(folder: Path) -> None:
    asked = "Which? (A) one (B) 2"
    assert one(folder, question=asked, choices=["one", 2]).question == asked


def test_a_bare_row_is_unlabelled(folder: Path) -> None:
    assert one(folder) == Task("geo-1", "Why?")
    assert one(folder, answer=None, image=None, choices=None, system=None, id=None, meta=None).answer is None


def test_aliases(folder: Path) -> None:
    rows = [{"problem": "P", "solution": "S"}, {"query": "Q", "gold": 7}, {"question": "A", "answer": "B"}]
    tasks = load_tasks(jsonl(folder, *rows))
    assert [(t.question, t.answer) for t in tasks] == [("P", "S"), ("Q", "7"), ("A", "B")]


def test_a_second_alias_is_data(folder: Path) -> None:
    task = one(folder, answer="4", solution="because 2 + 2")
    assert task.answer == "4"
    assert task.meta == {"solution": "because 2 + 2"}


@pytest.mark.parametrize(("answer", "text"), [(4, "4"), (0, "0"), (0.5, "0.5"), (" x ", " x ")])
def test_answers_are_text(folder: Path, answer: object, text: str) -> None:
    assert one(folder, answer=answer).answer == text


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"answer": True}, "'answer' is a bool, not text or a number"),
        ({"answer": ["4"]}, "'answer' is a list"),
        ({"gold": {"a": 1}}, "'gold' is a dict"),
        ({"answer": float("nan")}, "'answer' is nan, not a finite number"),
        ({"answer": " "}, "'answer' is empty"),
        ({"question": "  "}, "'question' is empty"),
        ({"question": None, "b": 1}, "has no question or problem or query; its columns are question, id, b"),
        ({"question": ["?"]}, "'question' is a list, not text"),
        ({"question": "\ud800"}, "half a character"),
        ({"id": ""}, "'id' is empty"),
        ({"id": [1]}, "'id' is a list"),
        ({"choices": "AB"}, "'choices' is a str, not a list"),
        ({"choices": ["a", None]}, "'choices' is a NoneType"),
        ({"system": 3}, "'system' is a int, not text"),
        ({"meta": "x"}, "'meta' is a str, not an object"),
        ({"image": "images/red.png", "images": []}, "both 'image' and 'images'"),
        ({"image": 3}, "an image is 3, not a path"),
        ({"image": ""}, "an image is '', not a path"),
        ({"images": [None]}, "an image is None, not a path"),
        ({"image": "images/none.png"}, "image 'images/none.png' is not a file in "),
        ({"image": "images"}, "image 'images' is not a file in "),
        ({"image": "a\0b"}, "cannot be opened"),
        ({"image": "x" * 5000}, "cannot be opened (OSError"),
        ({"image": "https://example.org/a.png"}, "is a link; put the picture beside"),
        ({"image": "file:///etc/hostname"}, "is a link"),
        ({"image": "data:image/png;base64,@@"}, "is not base64"),
        ({"image": "data:text/html,hello"}, "is not data:image/...;base64"),
        ({"image": "data:image/png;base64,AAAA"}, "header is broken; convert it"),
        ({"image": "broken.png"}, "broken.png) cannot be decoded"),
        ({"images": ["images/red.png", "broken.png"]}, "broken.png) cannot be decoded"),
        ({"image": "../secret.png"}, "'../secret.png' lies outside the task file's folder"),
        ({"image": "/etc/hostname"}, "'/etc/hostname' lies outside"),
        ({"image": "images/red.png", "question": "<image> and <image>"}, "2 <image> for 1 images"),
        ({"images": ["images/red.png"] * 2, "question": "<image>?"}, "1 <image> for 2 images"),
        ({"image": "images/red.png", "question": "<image>\n"}, "'question' is empty"),
    ],
)
def test_bad_rows_say_why(folder: Path, row: dict[str, Any], why: str) -> None:
    assert why in reason(folder, **row)


def test_links_out_of_the_folder_are_refused(folder: Path) -> None:
    (folder / "link.png").symlink_to("../secret.png")
    (folder / "links").symlink_to("..")
    (folder / "ring.png").symlink_to("ring.png")
    (folder / "good.png").symlink_to("images/red.png")
    assert "lies outside" in reason(folder, image="link.png")
    assert "lies outside" in reason(folder, image="links/secret.png")
    assert "ring.png" in reason(folder, image="ring.png")
    assert one(folder, image="good.png").images == (RED,)


def test_images_from_elsewhere(folder: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png("blue")).decode()
    assert one(folder, image=uri).images == (BLUE,)
    assert one(folder, images=[uri, "images/red.png"]).images == (BLUE, RED)
    assert one(folder, images="images/red.png").images == (RED,)
    assert one(folder, image={"bytes": None, "path": "images/red.png"}).images == (RED,)
    assert one(folder, image=str(folder / "images" / "red.png")).images == (RED,)


# --- places -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "content"),
    [
        ("Why?", (RED, BLUE, "Why?")),
        ("<image><image>Why?", (RED, BLUE, "Why?")),
        ("<image>\n<image>\nWhy?", (RED, BLUE, "Why?")),
        ("<image> <image>\r\nWhy?", (RED, BLUE, "Why?")),
        ("Why?\n<image><image>", ("Why?", RED, BLUE)),
        ("Why?\n<image>\n<image>\n", ("Why?", RED, BLUE)),
        ("First:\n<image>\nsecond:\n<image>\nWhy?", ("First:\n", RED, "second:\n", BLUE, "Why?")),
        ("Is <image> like <image>?", ("Is ", RED, " like ", BLUE, "?")),
        ("Is\n<image> like\n<image>?", ("Is\n", RED, " like\n", BLUE, "?")),
    ],
)
def test_placeholders_become_places(folder: Path, question: str, content: tuple[object, ...]) -> None:
    task = one(folder, question=question, images=["images/red.png", "images/blue.png"])
    assert task.content == content
    assert "<image>" not in task.question


def test_without_images_a_placeholder_is_a_lost_picture(folder: Path) -> None:
    """More likely than a question about HTML; a picture that is not shown would go unseen."""
    why = reason(folder, question="What does <image> mean in HTML?", images=[])
    assert why.endswith("1 <image> for 0 images; name the picture, or write < image > where it is text")
    assert one(folder, question="What does < image > mean in HTML?").content == ("What does < image > mean in HTML?",)


# --- how many bad rows --------------------------------------------------------------------------


def test_any_bad_row_stops_by_default(folder: Path) -> None:
    good, bad = [{"question": "fine"}] * 6, [{"id": f"b{i}"} for i in range(4)]
    path = jsonl(folder, *good, *bad)
    with pytest.raises(TaskError) as caught:
        load(path)
    message = str(caught.value)
    assert "4 of 10 rows" in message
    assert "--max-bad 0.4" in message
    assert "\n" not in message
    assert "b0: has no question" in message
    assert "b2: " in message
    assert "and 1 more" in message
    assert "b3" not in message


def test_allowed_bad_rows_are_reported(folder: Path) -> None:
    rows = [{"question": "fine"}] * 71 + [{}] * 29
    loaded = load(jsonl(folder, *rows), max_bad=0.29)  # though 0.29 * 100 < 29
    assert len(loaded.tasks) == 71
    assert [name for name, _ in loaded.skipped][:2] == ["geo-72", "geo-73"]
    with pytest.raises(TaskError, match="29 of 100"):
        load(jsonl(folder, *rows), max_bad=0.28)


def test_no_usable_row_is_never_allowed(folder: Path) -> None:
    with pytest.raises(TaskError, match=r"2 of 2 rows cannot be used.*Repair them$"):
        load(jsonl(folder, {}, {}), max_bad=1.0)


def test_the_second_of_two_ids_is_bad(folder: Path) -> None:
    loaded = load(jsonl(folder, {"question": "a", "id": 7}, {"question": "b", "id": "7"}), max_bad=0.5)
    assert [t.question for t in loaded.tasks] == ["a"]
    assert loaded.skipped == [("7", "row 2 has the id of row 1")]


def test_max_bad_is_a_share(folder: Path) -> None:
    with pytest.raises(TaskError, match="max_bad is 5"):
        load(jsonl(folder, {"question": "a"}), max_bad=5)


# --- files --------------------------------------------------------------------------------------


def test_jsonl_lines(folder: Path) -> None:
    path = folder / "t.jsonl"
    lines = ['\ufeff{"question": "ü\u2028b"}', "", "{broken", "[1]", '{"question": "c"}', ""]
    path.write_text("\n".join(lines), "utf-8")
    loaded = load(path, max_bad=0.5)
    assert [(t.id, t.question) for t in loaded.tasks] == [("t-1", "ü\u2028b"), ("t-5", "c")]
    assert [name for name, _ in loaded.skipped] == ["t-3", "t-4"]
    assert "is not JSON" in loaded.skipped[0][1]
    assert "is a list, not an object" in loaded.skipped[1][1]


def test_json_list(folder: Path) -> None:
    path = folder / "t.json"
    path.write_text(json.dumps([{"question": "a", "image": "images/red.png"}]))
    assert load_tasks(str(path)) == [Task("t-1", "a", (RED,))]
    path.write_text('{"question": "a"}')
    with pytest.raises(TaskError, match=r"holds a dict; give a list of rows, \[\{"):
        load(path)


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_tables(folder: Path, suffix: str, delimiter: str) -> None:
    path = folder / f"t{suffix}"
    uri = "data:image/png;base64," + base64.b64encode(png() + b"\0" * 200_000).decode()  # beyond csv's limit
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file, delimiter=delimiter)
        table.writerow(["question", "answer", "images", "choices", "level"])
        table.writerow(["two\nlines", "4", '["images/red.png", "images/blue.png"]', '["4", "5"]', "easy"])
        table.writerow(["b", "", "images/red.png", "", ""])
        table.writerow(["c", "[1]", uri, "", ""])
    before = csv.field_size_limit()
    first, second, third = load_tasks(path)
    assert first == Task("t-1", "two\nlines\nA. 4\nB. 5", (RED, BLUE), "4", ("4", "5"))
    assert first.meta == {"level": "easy"}
    assert second == Task("t-2", "b", (RED,))
    assert second.meta == {}
    assert third.answer == "[1]"
    assert len(third.images) == 1
    assert csv.field_size_limit() == before


def test_a_table_without_a_line_of_columns_is_told_from_one_of_bad_rows(folder: Path) -> None:
    path = folder / "t.csv"
    path.write_text("What colour?,red,images/red.png\nAnd this?,blue,images/blue.png\n")
    wanted = "names 'What colour?', 'red', 'images/red.png', none of which is question or problem or query; rename one"
    for spec in (path, folder):
        with pytest.raises(TaskError) as told:
            load(spec)
        assert wanted in str(told.value)
    path.write_text("id,question,answer\na,,red\nb,And this?,blue\n")  # one row without is a row
    assert [t.id for t in load(path, max_bad=0.5).tasks] == ["b"]


def test_table_rows_that_do_not_fit(folder: Path) -> None:
    path = folder / "t.csv"
    path.write_text('question,choices\na,\nb,c,d\ne,"[1"\n')
    loaded = load(path, max_bad=0.7)
    assert [t.question for t in loaded.tasks] == ["a"]
    assert "more cells than the header" in loaded.skipped[0][1]
    assert "'choices' is not JSON" in loaded.skipped[1][1]


def test_parquet(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"question": "a", "answer": 4, "images": [{"bytes": png("blue"), "path": "x.png"}], "level": None},
        {"question": "b", "answer": None, "images": [{"bytes": None, "path": "images/red.png"}], "level": 2},
        {"question": "c", "answer": 5, "images": [], "level": 1},
    ]
    parquet.write_table(pa.Table.from_pylist(rows), folder / "t.parquet")
    tasks = load_tasks(folder / "t.parquet")
    assert tasks == [Task("t-1", "a", (BLUE,), "4"), Task("t-2", "b", (RED,)), Task("t-3", "c", (), "5")]
    assert [t.meta["level"] for t in tasks] == [None, 2, 1]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_empty_files(folder: Path, suffix: str) -> None:
    path = folder / f"t{suffix}"
    path.write_bytes(b"")
    with pytest.raises(TaskError, match="holds no rows; give at least one"):
        load(path)


@pytest.mark.parametrize(("name", "text"), [("t.json", "[]"), ("t.csv", "question,answer\n"), ("t.jsonl", "\n\n")])
def test_files_without_rows(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(TaskError, match="holds no rows"):
        load(folder / name)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_files_of_noise(folder: Path, suffix: str) -> None:
    path = folder / f"t{suffix}"
    path.write_bytes(b"\xff\xfe\x00\x93" * 50)
    with pytest.raises(TaskError, match=r"cannot be read \(.*; repair it") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(folder: Path) -> None:
    (folder / "t.txt").write_text("x")
    (folder / "d.jsonl").mkdir()
    for spec, why in [
        ("none.jsonl", r"none\.jsonl' does not exist; give a .*\.parquet.*shapes:N"),
        ("t.txt", r"unknown suffix '\.txt'; give a \.jsonl"),
        ("d.jsonl", "holds no metadata.jsonl"),
        ("x" * 5000 + ".json", "does not exist"),
    ]:
        with pytest.raises(TaskError, match=why):
            load(folder / spec)
    with pytest.raises(TaskError, match="'triangles:3' does not exist"):
        load("triangles:3")


# --- worlds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["digits:0", "digits:x", "digits:", "shapes:-3", "shapes:2.5", "digits:²"])
def test_worlds_want_a_number(spec: str) -> None:
    why = rf"{spec}: .* is no number of tasks; give 1 or more, as in {spec[:6]}:200"
    with pytest.raises(TaskError, match=why):
        load(spec)


def test_worlds_have_their_splits() -> None:
    with pytest.raises(TaskError, match="digits has no split 'val'; take one of train, test"):
        load("digits:3", split="val")


def test_worlds_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def world(name: str) -> SimpleNamespace:
        return SimpleNamespace(tasks=lambda split, n, seed: (Task(f"{name}-{split}-{seed}-{i}", "?") for i in range(n)))

    monkeypatch.setattr(sharpen.worlds, "world", world, raising=False)
    loaded = load("shapes:2", split="test", seed=5)
    assert loaded == Loaded([Task("shapes-test-5-0", "?"), Task("shapes-test-5-1", "?")], [])
    assert [t.id for t in load_tasks("digits:1")] == ["digits-train-0-0"]
