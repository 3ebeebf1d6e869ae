"""The command line: the user's faults end with one line and code 2, and leave nothing behind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support import PIXEL, query

from sharpen import cli
from sharpen.answers import Grader
from sharpen.errors import TaskError
from sharpen.setup import labelled, train_and_test
from sharpen.store import Store


def tasks_file(folder: Path, *rows: dict[str, object]) -> str:
    file = folder / "tasks.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "good.png").write_bytes(PIXEL)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no picture")
    return str(file)


ROW = {"id": "a", "question": "what is it?", "answer": "red", "image": "good.png"}
FAULTS = {
    "a wrong model name": (["--model", "no/such-model"], [ROW], "no/such-model"),
    "an empty task file": ([], [], "tasks.jsonl"),
    "a task without its image file": ([], [{**ROW, "image": "missing.png"}], "missing.png"),
    "a broken image": ([], [{**ROW, "image": "broken.png"}], "a: "),
    "an image outside the folder": ([], [{**ROW, "image": "../../etc/passwd"}], "passwd"),
    "no rounds": (["--rounds", "0"], [ROW], "--rounds 0"),
    "a task without an answer": ([], [{**ROW, "answer": None}], "no answer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_user_is_one_line_with_code_2_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    options, rows, named = FAULTS[name]
    file = tasks_file(tmp_path, *rows)
    out = tmp_path / "run"
    code = cli.run(["run", "vista", "--tasks", file, "--test", file, "--out", str(out), *options])
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("sharpen: ")]
    assert code == 2
    assert len(lines) == 1
    assert named in lines[0]
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["rum"], "'rum'"),
        (["run", "vistas"], "'vistas'"),
        (["run"], "one method"),
        (["run", "vista", "--tasks", "digits:x"], "digits:x"),
        (["run", "vista", "--tasks", "nowhere.jsonl"], "nowhere.jsonl"),
        (["compare"], "methods by name"),
        (["show", "nowhere"], "nowhere"),
    ],
)
def test_wrong_words_are_named(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert named in capsys.readouterr().err


SETTINGS = [
    ["--samples", "0"],
    ["--train.micro-batch", "0"],
    ["--train.epochs", "0"],
    ["--max-bad", "2"],
    ["--eval-samples", "0"],
    ["--seed", "-5"],
    ["--temperature", "nan"],
    ["--max-tokens", "0"],
    ["--grader.tolerance", "nan"],
    ["--grader.iou", "7"],
    ["--grader.limit-s", "nan"],
]


@pytest.mark.parametrize("options", SETTINGS, ids=lambda words: words[0])
def test_a_setting_that_cannot_be_used_is_named(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tasks_file(tmp_path, ROW)
    out = tmp_path / "run"
    try:
        code = cli.run(["run", "vista", "--tasks", file, "--test", file, "--out", str(out), *options])
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 2
    said = capsys.readouterr().err
    assert options[0].strip("-").replace("-", "_") in said.replace("-", "_")
    assert "Traceback" not in said
    assert not out.exists()


def test_a_layer_that_the_model_lacks_is_refused_before_anything_is_collected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--tasks", "digits:4", "--test", "digits:2", "--eval-samples", "1"]
    assert cli.run(["run", "vista", *sizes, "--layer", "99", "--out", str(tmp_path / "r")]) == 2
    assert "--layer 99" in capsys.readouterr().err
    assert query(tmp_path / "r", "SELECT count(*) FROM rollouts WHERE scope = 'collect'") == [(0,)]


def test_measuring_into_the_folder_of_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path) as store:
        store.write_manifest({"method": "Vista"})
        store.set_round(1, {"round": 1})
    assert cli.run(["eval", "--tasks", "digits:2", "--out", str(tmp_path)]) == 2
    assert "holds a run, which this would replace" in capsys.readouterr().err
    assert query(tmp_path, "SELECT count(*) FROM rounds") == [(1,)]


def test_help_of_run_names_the_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["run", "--help"]) == 0
    told = capsys.readouterr().out
    for named in ("rest_em", "vista", "--model", "--tasks", "--out", "`sharpen run METHOD --help` has all"):
        assert named in told


def test_few_held_out_tasks_are_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tasks_file(tmp_path, *({**ROW, "id": f"r{i}"} for i in range(30)))
    data = train_and_test(file, "", 1)
    assert len(data.tasks) + len(data.test) == 30
    assert f"{len(data.test)} of 30 tasks are held out" in (told := capsys.readouterr().err)
    assert "so few tell nothing" in told


def test_gold_answers_that_fail_their_grader_are_named_and_more_than_one_in_a_hundred_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**ROW, "id": f"r{i}", "answer": str(i)} for i in range(99)]
    bad = {**ROW, "id": "odd", "answer": "Z", "choices": ["a dog", "a cat"]}
    one = labelled(tasks_file(tmp_path, *rows, bad))
    assert [name for name, _ in one.skipped] == ["odd"]
    assert len(one.tasks) == 99
    assert "left out odd: its gold answer" in capsys.readouterr().err
    file = tasks_file(tmp_path, *rows[:50], bad)
    with pytest.raises(TaskError, match=r"1 of 51 gold answers .* 'odd': .* --allow-bad-gold"):
        labelled(file)
    assert len(labelled(file, allow_bad_gold=True).tasks) == 50


def test_what_is_left_out_is_said_of_the_last_run_only(tmp_path: Path) -> None:
    rows = [{**ROW, "id": f"r{i}", "answer": "B", "choices": ["a dog", "a cat"]} for i in range(3)]
    bad = {**rows[0], "id": "odd", "answer": "Z"}
    options = ["--allow-bad-gold", "--eval-samples", "1", "--out", str(tmp_path / "e")]
    for last, left_out in ((bad, [("odd",)]), ({**bad, "answer": "A"}, [])):
        assert cli.run(["eval", "--tasks", tasks_file(tmp_path, *rows, last), *options]) == 0
        assert query(tmp_path / "e", "SELECT task FROM events WHERE scope = 'import'") == left_out


def test_a_gold_answer_is_graded_as_it_stands_whatever_the_texts_look_like(tmp_path: Path) -> None:
    rows = [{**ROW, "id": f"r{i}", "answer": "a dog", "choices": ["a cat", "a dog"]} for i in range(3)]
    assert len(labelled(tasks_file(tmp_path, *rows), grader=Grader(extract=("option",))).tasks) == 3


def test_the_graders_settings_are_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--tasks", "digits:3", "--eval-samples", "1", "--out", str(tmp_path / "e"), "--json"]
    assert cli.run(["eval", *sizes, "--grader.extract", "boxed"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"]["value"] == 0  # answers stand in tags, and silence is wrong
    grader = query(tmp_path / "e", "SELECT DISTINCT grader FROM verdicts")
    assert len(grader) == 1
    assert "extract=('boxed',)" in grader[0][0]


def test_a_wrong_option_leaves_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.run(["run", "vista", "--no-such-option", "3"])
    assert left.value.code == 2
    assert "no-such-option" in capsys.readouterr().err


def test_every_setting_of_a_method_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.run(["run", "vista", "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert all(
        option in text for option in ("--samples", "--resamples", "--threshold", "--train.lr", "--model", "--rounds")
    )


def test_every_option_of_run_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # wider, two options stand side by side
    with pytest.raises(SystemExit):
        cli.run(["run", "rest_em", "--help"])
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    for words in (
        "draw by chance follows from it. (default: 0)",
        "goes on after the last one. (default: 3)",
        "The extraction steps in order;",
        "a number may have and be right",
        "what only algebra could decide is unknown.",
        "Hard limit of one algebraic check",
        "Least overlap that is right",
    ):
        assert words in text, words


def test_how_many_tasks_are_measured_on_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = train_and_test("digits:8", "", 1)
    assert (len(data.tasks), len(data.test)) == (8, 200)
    assert "  measured on 200 tasks of digits:200; name others by --test\n" in capsys.readouterr().err
    train_and_test("digits:8", tasks_file(tmp_path, ROW), 1)
    assert f"  measured on 1 task of {tmp_path}/tasks.jsonl\n" in capsys.readouterr().err


def test_list_names_methods_and_worlds(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["methods"]) >= {"vista", "rest_em"}
    assert found["worlds"] == ["shapes", "digits"]


def test_interruption_says_how_to_go_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "list_command", interrupted)
    assert cli.run(["list"]) == 130
    assert "go on with: sharpen list" in capsys.readouterr().err


def test_a_threshold_of_minus_infinity_is_valid_json_in_the_manifest() -> None:
    from sharpen import setup

    made = setup.jsonable({"method": {"threshold": float("-inf"), "top": 5}, "seed": 0})
    assert made == {"method": {"threshold": "-inf", "top": 5}, "seed": 0}
