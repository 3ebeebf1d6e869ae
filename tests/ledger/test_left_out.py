"""Rows that became no task: all of them can be named, whether the run began or was refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import make_task

from sharpen import cli
from sharpen.improve import improve
from sharpen.ledger.left_out import by_reason
from sharpen.methods.rest_em import RestEm
from sharpen.models.scripted import Scripted
from sharpen.setup import REFUSED, labelled

GOOD = {"question": "what is it?", "answer": "a dog", "choices": ["a dog", "a cat"]}


def tasks_file(folder: Path, rows: Sequence[object]) -> Path:
    file = folder / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def half_bad(folder: Path) -> Path:
    """Thirty rows that can be used, 25 whose picture is not there, two without a question, one that no grader takes."""
    rows: list[object] = [{**GOOD, "id": f"good{i}"} for i in range(30)]
    rows += [{**GOOD, "id": f"bad{i}", "image": f"{i}.png"} for i in range(25)]
    rows += [{"id": "\x1b[2Jempty"}, {"id": "empty"}, {**GOOD, "id": "odd", "answer": "'Z', it's"}]
    return tasks_file(folder, rows)


def run_without_them(tmp_path: Path) -> Path:
    """A run on half of the rows."""
    found = labelled(str(half_bad(tmp_path)), max_bad=0.5, allow_bad_gold=True)
    seven = Scripted(lambda asked: "<answer>a dog</answer>")
    improve(
        RestEm(samples=1), seven, found.tasks, rounds=1, out=tmp_path / "r", left_out=found.skipped,
        trainer=lambda *_: seven,
    )  # fmt: skip
    return tmp_path / "r"


def test_a_run_says_the_share_and_show_counts_reasons_and_names_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_without_them(tmp_path)
    told = capsys.readouterr().err
    assert "  28 of 58 rows of " in told
    assert "(48.3%) are left out, 8 of them not named here;" in told
    assert "  left out bad0: image '0.png' is not a file in" in told

    assert cli.run(["show", str(folder)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "left" in line]
    assert [line.split(" in ")[0] for line in lines] == [
        "left out: 25 rows, image … is not a file",
        "left out: 2 rows, has no question or problem or query; its columns are id",
        "left out: 1 row, its gold answer … fails its grader (gold_unparsable)",
        f"`sharpen show {folder} --left-out` names these 28 rows",
    ]
    assert cli.run(["show", str(folder), "--left-out"]) == 0
    *rows, last = capsys.readouterr().out.splitlines()
    assert [row.split(": ")[0] for row in rows] == [*(f"bad{i}" for i in range(25)), r"\x1b[2Jempty", "empty", "odd"]
    assert last == "28 rows of the task files became no task"

    assert cli.run(["show", str(folder), "--left-out", "--json"]) == 0
    named = json.loads(capsys.readouterr().out)
    assert (len(named), named[-1]["id"]) == (28, "odd")
    assert cli.run(["show", str(folder), "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)["left_out"]
    assert (counted["rows"], list(counted["by_reason"].values())) == (28, [25, 2, 1])
    assert cli.run(["show", str(folder), "--left-out", "--task", "good0"]) == 2


def test_a_refused_file_says_where_all_its_rows_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r"
    for command in (["eval"], ["run", "rest_em"], ["compare", "rest_em"]):
        assert cli.run([*command, "--tasks", str(half_bad(tmp_path)), "--out", str(out)]) == 2
        assert "27 of 58 rows cannot be used: bad0: " in (told := capsys.readouterr().err)
        assert told.endswith(f"All 27 rows are in {out / REFUSED}, with reasons\n")
        named = [json.loads(line) for line in (out / REFUSED).read_text().splitlines()]
        assert [row["id"] for row in named] == [*(f"bad{i}" for i in range(25)), "\x1b[2Jempty", "empty"]
        (out / REFUSED).unlink()
    # With those allowed, the gold answer stops it, and the rows of before are named with it.
    assert cli.run(["eval", "--tasks", str(half_bad(tmp_path)), "--max-bad", "0.5", "--out", str(out)]) == 2
    assert "All 28 rows are in" in capsys.readouterr().err


def test_rows_that_cannot_be_written_are_named_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "file"
    out.write_text("")
    assert cli.run(["eval", "--tasks", str(half_bad(tmp_path)), "--out", str(out)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in told[1:-1]] == [  # the first one says how rows were read
        *(f"  bad{i}" for i in range(25)),
        r"  \x1b[2Jempty",
        "  empty",
    ]
    assert "All are named above, since" in told[-1]


def test_the_rows_of_the_first_file_are_named_where_the_second_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    test = tasks_file(tmp_path / "other", [{**GOOD, "answer": None, "id": "open"}])
    first = ["--tasks", str(half_bad(tmp_path)), "--max-bad", "0.5", "--allow-bad-gold"]
    assert cli.run(["run", "rest_em", *first, "--test", str(test), "--out", str(tmp_path / "r")]) == 2
    assert "All 29 rows are in" in capsys.readouterr().err
    last = (tmp_path / "r" / REFUSED).read_text().splitlines()[-1]
    assert json.loads(last) == {"id": "open", "reason": "has no answer"}


@pytest.mark.parametrize(
    ("reasons", "wanted"),
    [
        (["row 2 has the id of row 1", "row 30 has the id of row 2"], {"row N has the id of row N": 2}),
        (["'answer' is empty", "'id' is empty"], {"'answer' is empty": 1, "'id' is empty": 1}),
        (
            ["image 0123456789ab (/a/b.png) is too large", "image aaaaaaaaaaaa is too large"],
            {"image … is too large": 2},
        ),
        (
            ["its gold answer 'a\\'b' fails", 'its gold answer "it\'s" fails', "its gold answer '' fails"],
            {"its gold answer … fails": 3},
        ),
    ],
)
def test_reasons_are_counted_without_what_is_one_rows_own(reasons: list[str], wanted: dict[str, int]) -> None:
    assert by_reason((make_task().id, reason) for reason in reasons) == wanted
