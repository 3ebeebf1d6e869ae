"""`sharpen audit`: what is put before a person, in which order, and what a spreadsheet must not run."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from support import make_task

from sharpen import cli
from sharpen.answers import Grader
from sharpen.ledger import audit
from sharpen.ledger.regrade import regrade
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.scorers.correct import correct
from sharpen.store import Store

FORMULA = '=HYPERLINK("http://x","y")'


def rule(asked: Asked) -> str:
    """Of ten attempts 1 is near the gold answer, 2 are unknown, 4 right and 3 wrong."""
    answer = [103, None, None, 100, 100, 100, 100, 150, 150, 150][asked.attempt]
    return "<think>it never ends" if answer is None else f"@{asked.attempt} <answer>{answer}</answer>"


def record(folder: Path) -> Path:
    with Store(folder) as store:
        tasks = store.add_tasks([replace(make_task("a", "100"), question=FORMULA), make_task("b", "100")])
        run = Run({"policy": Scripted(rule)}, store)
        run.score(run.sample(tasks, 10), correct)
        regrade(store, Grader(tolerance=0.05))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return record(tmp_path / "r")


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_disagreements_first_then_what_graders_agree_on_evenly(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit.csv"
    assert cli.run(["audit", str(folder), "--n", "12", "--out", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"disagreement: 2, 2 in {out}",
        f"partly unknown: 0, 0 in {out}",
        f"unknown: 4, 4 in {out}",
        f"right: 8, 3 in {out}",
        f"wrong: 6, 3 in {out}",
    ]
    rows = sheet(out)
    assert [r["why"] for r in rows] == ["disagreement"] * 2 + ["unknown"] * 4 + ["right"] * 3 + ["wrong"] * 3
    assert list(rows[0]) == [
        *("why", "task", "question", "choices", "gold", "found"),
        *("answers-5", "answers-5(tolerance=0.05)"),
        *("text", "attempt", "image", "human", "comment"),
    ]
    first = rows[0]
    assert (first["answers-5"], first["answers-5(tolerance=0.05)"], first["found"]) == ("wrong", "right", "103")
    assert rows[2]["answers-5"] == "unknown (no_answer)"
    assert all(r["human"] == r["comment"] == "" and Path(r["image"]).is_file() for r in rows)
    assert len({r["attempt"] for r in rows}) == 12


def test_a_seed_gives_the_same_sheet_and_another_one_another(folder: Path) -> None:
    with Store(folder, read_only=True) as store:
        first, again, other = (audit.draw(store, 8, seed).chosen for seed in (0, 0, 1))
    assert first == again
    assert first["right"] != other["right"]
    assert [len(first[sort]) for sort in audit.SORTS] == [2, 0, 2, 2, 2]


def test_a_grader_that_tells_less_than_another_does_not_fill_the_sheet(folder: Path) -> None:
    """It finds no answer at all: nothing that the others agreed on is a disagreement for that."""
    with Store(folder) as store:
        regrade(store, Grader(extract=("boxed",)))
        drawn = audit.draw(store, 12, 0)
    assert [drawn.there[sort] for sort in audit.SORTS] == [2, 14, 4, 0, 0]
    assert [len(drawn.chosen[sort]) for sort in audit.SORTS] == [2, 6, 4, 0, 0]


@pytest.mark.parametrize(
    ("there", "n", "wanted"),
    [
        ((90, 90, 30, 30, 30), 12, (6, 3, 1, 1, 1)),  # half disagreements, a quarter each for the others
        ((90, 90, 30, 30, 30), 3, (1, 1, 1, 0, 0)),
        ((90, 90, 30, 30, 30), 2, (2, 0, 0, 0, 0)),
        ((90, 1, 0, 0, 0), 12, (11, 1, 0, 0, 0)),  # what one sort lacks, the others fill
        ((2, 90, 30, 30, 30), 12, (2, 5, 2, 2, 1)),
        ((0, 90, 0, 1, 0), 12, (0, 11, 0, 1, 0)),
        ((0, 0, 0, 1, 9), 6, (0, 0, 0, 1, 5)),
        ((1, 1, 1, 2, 2), 50, (1, 1, 1, 2, 2)),
    ],
)
def test_what_one_sort_lacks_another_fills(there: tuple[int, ...], n: int, wanted: tuple[int, ...]) -> None:
    assert tuple(audit.shares(dict(zip(audit.SORTS, there, strict=True)), n).values()) == wanted


def test_a_large_ledger_is_drawn_from_like_a_small_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The few that are held while drawing are the ones that would be chosen from all."""
    many = [(f"{i:032x}", {"g": "right" if i % 3 else "wrong"}) for i in range(9000)]
    monkeypatch.setattr(audit, "_verdicts", lambda store: iter(many))
    with Store(folder, read_only=True) as store:
        drawn = audit.draw(store, 10, 5)
    for sort in ("right", "wrong"):
        ranked = sorted((audit.digest(5, key), key) for key, said in many if said["g"] == sort)
        assert list(drawn.chosen[sort]) == [key for _, key in ranked[:5]]
    assert [drawn.there[sort] for sort in audit.SORTS] == [0, 0, 0, 6000, 3000]


def test_cells_that_a_spreadsheet_would_run_are_text(folder: Path, tmp_path: Path) -> None:
    cli.run(["audit", str(folder), "--out", str(tmp_path / "a.csv")])
    rows = sheet(tmp_path / "a.csv")
    assert {r["question"] for r in rows if r["task"] == "a"} == {f"'{FORMULA}"}
    assert all(r["text"].startswith("'@") for r in rows if r["why"] != "unknown")
    for start in "=+-@\t\r":
        assert audit.cell(f"{start}1").startswith("'")
    assert audit.cell("a=1\n\x1b[2J\x00") == "a=1\n\\x1b[2J\\x00"
    assert len(audit.cell("x" * 100_000)) < 32_767


def test_a_sheet_with_entries_is_never_overwritten(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.csv"
    command = ["audit", str(folder), "--out", str(out)]
    assert cli.run(command) == 0
    assert cli.run(command) == 0  # nobody has written into it
    rows = sheet(out)
    for column in ("human", "comment"):
        with out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows([{**rows[0], column: "right"}, *rows[1:]])
        held = out.read_bytes()
        assert cli.run(command) == 2
        assert "holds human entries in 1 row," in capsys.readouterr().err
        assert out.read_bytes() == held
    for foreign in (b"my notes\n", b"\xff\xfe\x00", b"why;task;human\nx;y;right\n"):
        out.write_bytes(foreign)
        assert cli.run(command) == 2
        assert "is no audit sheet" in capsys.readouterr().err
        assert out.read_bytes() == foreign


def test_it_is_written_whole_or_not_at_all(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.csv"
    with Store(folder) as store:
        cli.run(["audit", str(folder), "--out", str(out)])
        held = out.read_bytes()
        store.db.run(("UPDATE rollouts SET parts = x'00'", ()))
    assert cli.run(["audit", str(folder), "--out", str(out)]) == 2
    assert "is damaged" in capsys.readouterr().err
    assert out.read_bytes() == held
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".partial"] == []


def test_places_of_the_wrong_kind_are_said(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.txt"
    file.write_text("")
    for out, told in (
        (tmp_path, f"--out {tmp_path} is a folder; give a file to write, such as {tmp_path}/audit.csv"),
        (file / "a.csv", f"cannot write {file}/a.csv: {file} is a file, not a folder, or give another --out"),
        (tmp_path / "no" / "a.csv", f"{tmp_path}/no does not exist; make it, or give another --out"),
    ):
        assert cli.run(["audit", str(folder), "--out", str(out)]) == 2
        assert told in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    for command in ("audit", "regrade", "check", "show"):
        for place, told in (
            (file, f"{file} is a file, not a folder; give the --out of a run"),
            (tmp_path / "no", f"{tmp_path}/no does not exist; give the --out of a run"),
            (empty, f"{empty} is no run folder: it holds no ledger.db; give the --out of a run"),
        ):
            assert cli.run([command, str(place)]) == 2
            assert told in capsys.readouterr().err


def test_earlier_gold_answers_and_empty_ledgers_are_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.csv"
    with Store(folder) as store:
        store.add_tasks([make_task("b", "150")])
    assert cli.run(["audit", str(folder), "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["left_out"] == 10
    assert said["right"] == {"there": 4, "in_sheet": 4}
    assert {r["task"] for r in sheet(out)} == {"a"}
    with Store(tmp_path / "empty"):
        pass
    assert cli.run(["audit", str(tmp_path / "empty"), "--out", str(out)]) == 2
    assert "holds no verdicts" in capsys.readouterr().err
    assert cli.run(["audit", str(folder), "--n", "0"]) == 2
    assert "--n 0" in capsys.readouterr().err
