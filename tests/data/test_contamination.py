"""What is learnt from and measured on, too, is found by question and picture together, and by neither alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pil
from PIL import ImageDraw

from sharpen import setup
from sharpen.data.contamination import Unseen
from sharpen.data.images import decode
from sharpen.data.load import load_tasks
from sharpen.errors import TaskError
from sharpen.types import Image, Task

LONG = "a train leaves the station at noon and goes sixty miles an hour for three hours how far does it get"


def figure(label: str, colour: str = "white") -> pil.Image:
    """A triangle with a small number in it."""
    picture = pil.new("RGB", (256, 256), colour)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(20, 226), (236, 226), (128, 30)], outline="black", width=2)
    draw.text((128, 200), label, fill="black")
    return picture


def saved(picture: pil.Image, kind: str = "PNG", **options: Any) -> Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.of(buffer.getvalue())


def task(name: str, question: str = "Find x.", picture: Image | None = None, answer: str | None = "3") -> Task:
    return Task(name, question, (picture,) if picture else (), answer)


def found(one: Task, other: Task) -> list[tuple[str, float]]:
    return [(o.picture, o.question) for o in Unseen([other]).overlaps([one])]


def test_a_copy_is_found_whatever_it_was_saved_as() -> None:
    picture = figure("30")
    copies = [
        saved(picture.resize((128, 128)), "JPEG", quality=75),
        saved(picture.resize((400, 400)), "WEBP", quality=80),
        saved(picture.convert("L"), "PNG"),
    ]
    for copy in copies:
        assert found(task("a", picture=saved(picture)), task("b", picture=copy)) == [
            ("a picture that looks the same", 1.0)
        ]
    assert found(task("a", picture=saved(picture)), task("b", " find  X. ", saved(picture))) == [
        ("the same picture", 1.0)
    ]


def test_one_of_the_two_is_no_evidence() -> None:
    one, other = saved(figure("30")), saved(figure("30", "navy"))
    assert found(task("a", "Find x.", one), task("b", "Find y.", one)) == []
    assert found(task("a", "Find x.", one), task("b", "Find x.", other)) == []
    assert found(task("a", "Find x.", one), task("b", "Find x.")) == []


def test_figures_that_differ_in_a_small_number_are_told_apart_by_their_answers() -> None:
    one, other = saved(figure("30")), saved(figure("45"))
    assert found(task("a", picture=one, answer="3"), task("b", picture=other, answer="4")) == []
    assert found(task("a", picture=one, answer="3"), task("b", picture=other, answer=" 3 ")) != []
    assert found(task("a", picture=one, answer="3"), task("b", picture=one, answer="4")) == [("the same picture", 1.0)]


def test_without_pictures_words_decide() -> None:
    assert found(task("a", LONG), task("b", LONG.upper())) == [("no picture", 1.0)]
    # 21 words are 14 runs of 8. With a word more at the end all 14 are shared, and it is not the same text.
    assert found(task("a", LONG), task("b", f"{LONG} now")) == [("no picture", 1.0)]
    # Another word in the middle spoils 8 of them, the third from the end 3, the last 1; four fifths are asked for.
    assert found(task("a", LONG), task("b", LONG.replace("sixty", "fifty"))) == []
    assert found(task("a", LONG), task("b", LONG.replace("does it", "has it"))) == []
    words = LONG.split()
    assert found(task("a", LONG), task("b", " ".join([*words[:-1], "reach"]))) == [("no picture", 13 / 14)]


def test_every_picture_counts() -> None:
    one, other = saved(figure("30")), saved(figure("30", "navy"))
    assert Unseen([Task("b", "?", (one, one))]).overlaps([Task("a", "?", (one, other))]) == []
    assert Unseen([Task("b", "?", (one,))]).overlaps([Task("a", "?", (one, other))]) == []
    assert len(Unseen([Task("b", "?", (one, other))]).overlaps([Task("a", "?", (one, other))])) == 1


@pytest.mark.parametrize("world", ["digits", "shapes"])
def test_the_worlds_raise_no_alarm_though_their_grids_look_alike(world: str) -> None:
    train, test = load_tasks(f"{world}:60"), load_tasks(f"{world}:60", split="test")
    assert Unseen(test).overlaps(train) == []
    seen = [Task("copy", t.question, (saved(decode(t.images[0]), "WEBP", lossless=True),)) for t in train[:5]]
    assert [o.train for o in Unseen(seen).overlaps(train)] == [t.id for t in train[:5]]


def test_what_is_found_is_said_and_dropped_where_that_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    data = setup.Data([task("a", LONG), task("b")], [task("c", LONG)], [])
    kept = setup.apart(data)
    assert [t.id for t in kept.tasks] == ["a", "b"]
    assert [o.train for o in kept.contaminated] == ["a"]
    said = capsys.readouterr().err
    assert "task a asks what evaluation task 'c' asks: no picture, the same words" in said
    assert "1 of 2 tasks to learn from are measured on, too" in said
    dropped = setup.apart(data, drop=True)
    assert [t.id for t in dropped.tasks] == ["b"]
    assert dropped.left_out == [("a", "asks what evaluation task 'c' asks: no picture, the same words")]
    with pytest.raises(TaskError, match="all 1 tasks to learn from are measured on, too"):
        setup.apart(setup.Data([task("a", LONG)], [task("c", LONG)], []), drop=True)


def test_a_run_names_them_in_its_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sharpen.cli import RunOptions, found_by

    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_text('{"question": "what is two and two?", "answer": "4"}\n')
    options = RunOptions(tasks=str(tmp_path / "train.jsonl"), test=str(tmp_path / "test.jsonl"), out=tmp_path / "run")
    assert [(o.train, o.test) for o in found_by(options).contaminated] == [("train-1", "test-1")]
