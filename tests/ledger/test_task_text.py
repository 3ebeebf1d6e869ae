"""`sharpen show DIR --task ID`: all that is known of one task, in text that hostile output cannot steer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded import recorded_run
from support import make_task, query

from sharpen import cli
from sharpen.answers import Grader
from sharpen.ledger.audit import draw
from sharpen.ledger.audit import rows as sheet
from sharpen.ledger.check import faults
from sharpen.ledger.regrade import regrade
from sharpen.ledger.visible import visible, word
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.scorers.correct import correct
from sharpen.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_run(tmp_path_factory.mktemp("shown") / "run")


def shown(folder: Path, task: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    assert cli.run(["show", str(folder), "--task", task, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert cli.run(["show", str(folder), "--task", task]) == 0
    return found, capsys.readouterr().out


def test_every_attempt_is_shown_with_all_that_was_said_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, text = shown(folder, "t0", capsys)
    assert (found["question"], found["system"], found["gold"]) == ("what is it?", "look.", "7")
    assert found["images"][0]["there"]
    keys = [key for (key,) in query(folder, "SELECT key FROM rollouts WHERE task = 't0'")]
    assert sorted(a["key"] for a in found["attempts"]) == sorted(keys)
    assert all(key[:12] in text for key in keys)
    assert f"{len(keys)} attempts" in text

    rescued = next(a for a in found["attempts"] if a["verb"] == "resume" and a["scores"]["correct"] == 1)
    parent = next(a for a in found["attempts"] if a["key"] == rescued["parent"])
    assert rescued["given_text"] == parent["text"][:2] + "*"
    assert rescued["given_ids"] == 3
    assert rescued["text"] == rescued["given_text"] + "<answer>7</answer>"
    assert rescued["events"] == [
        {
            "scope": "collect",
            "round": rescued["round"],
            "kind": "dropped",
            "reason": "vision-aware attention score below -0.5",
        }
    ]
    kept = next(a for a in found["attempts"] if a["examples"] and a["verb"] == "sample")
    assert kept["verdicts"] == [
        {"grader": "answers-5", "outcome": "right", "reason": None, "found": "7", "current_gold": True}
    ]
    assert kept["scores"] == {"correct": 1.0, "image_share(layer=2)": pytest.approx(0.8)}
    assert kept["counted"] == [["collect", kept["round"]]]
    unknown = next(a for a in found["attempts"] if a["verdicts"] and a["verdicts"][0]["outcome"] == "unknown")
    assert unknown["scores"]["correct"] is None

    for line in (
        "gold: 7",
        "  cut after 3 given ids:",
        f"  resumed from {parent['key'][:12]}",
        "  answers-5: unknown (no_answer), no answer found",
        "  score correct: unknown",
        "  score image_share(layer=2): 0.8",
        f"  example {kept['examples'][0]['position']} of round {kept['round']}, imitate",
        "  dropped in collect 1: vision-aware attention score below -0.5",
        "    | three and four is <answer>8</answe",
    ):
        assert line in text.splitlines(), line


def test_an_attempt_of_an_earlier_run_and_an_image_that_went_away_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded_run(tmp_path / "r")
    with Store(folder) as store:
        store.forget_after(0)
        store.add_tasks([make_task("t0", "8")])
    (folder / "images" / make_task().images[0].sha256).unlink()
    _, text = shown(folder, "t0", capsys)
    assert "counted in no round of the latest run" in text
    assert ", which is not there" in text
    assert "found 7, on another gold answer" in text


def test_attempts_stand_under_the_question_they_were_made_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same id asks something else: one attempt was right for the old question, one is for the new one."""
    old, new = make_task("t", "7", "what is it?"), make_task("t", "9", "what was it?")
    answers = {"t": ["<answer>7</answer>"]}
    for task in (old, new):
        with Store(tmp_path / "r") as store:
            run = Run({"policy": Scripted.replay(answers)}, store)
            run.score(run.sample(store.add_tasks([task]), 1), correct)
    assert query(tmp_path / "r", "SELECT id, count(*) FROM tasks") == [("t", 2)]
    assert list(faults(tmp_path / "r")) == []
    found, text = shown(tmp_path / "r", "t", capsys)
    assert (found["question"], found["gold"]) == ("what was it?", "9")
    (earlier,) = found["earlier"]
    assert (earlier["question"], earlier["gold"]) == ("what is it?", "7")
    asked = {a["asked"]: a["verdicts"] for a in found["attempts"]}
    assert {k: (v[0]["outcome"], v[0]["current_gold"]) for k, v in asked.items()} == {
        earlier["asked"]: ("right", True),
        found["asked"]: ("wrong", True),
    }
    lines = text.splitlines()
    assert f"earlier under this id, known as {earlier['asked']}:" in lines
    assert sum(line == f"  asked {earlier['asked']}, an earlier question under this id" for line in lines) == 1
    with Store(tmp_path / "r") as store:  # each is graded and drawn by the gold answer of its own question
        assert regrade(store, Grader()).moves["answers-5"] == {("right", "right"): 1, ("wrong", "wrong"): 1}
        drawn = draw(store, 9, 0)
        assert (drawn.there["right"], drawn.there["wrong"], drawn.left_out) == (1, 1, 0)
        rows = {row[0]: row for row in sheet(store, drawn)}
        assert (rows["right"][2], rows["wrong"][2]) == ("what is it?", "what was it?")
        store.add_tasks([make_task("t", "7", "what was it?")])  # a repaired gold answer asks the same
        assert len(store.questions(["t"])) == 2
        assert store.tasks(["t"])["t"].answer == "7"
        assert regrade(store, Grader()).outcomes == {"right": 2}


HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07 \u202eevil\u202c \r\x9b31m\u2028 \x00 <answer>\x1b[1m7</answer>\n"
    "collect 1 sample, attempt 9"
)


def test_hostile_output_steers_no_terminal_and_forges_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = replace(make_task("bad\x1b[0m\nid"), question=HOSTILE, system=HOSTILE, choices=(HOSTILE, "7"), answer="B")
    with Store(tmp_path / "r") as store:
        run = Run({"policy": Scripted.replay({task.id: [HOSTILE]})}, store, round=1)
        run.score(run.sample(store.add_tasks([task]), 1), correct)
    found, text = shown(tmp_path / "r", task.id, capsys)
    assert found["attempts"][0]["text"] == HOSTILE
    assert all(c == "\n" or c.isprintable() for c in text)
    assert r"\x1b[2J\x1b]0;owned\x07 \u202eevil" in text
    starts = [line for line in text.splitlines() if line.lstrip().startswith("collect 1 sample, attempt")]
    assert len(starts) == 1
    assert starts[0].startswith("collect 1 sample, attempt 0, ")


def test_visible_keeps_what_people_write() -> None:
    plain = "naïve 日本語 עברית 👩\u200d🔬 x² \\frac{1}{2}\n\tnext"
    assert visible(plain) == plain
    assert word("a\nb\tc") == r"a\nb\tc"
    assert visible("\ud800") == r"\ud800"


def test_an_unknown_id_names_some_that_exist(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["show", str(folder), "--task", "nope"]) == 2
    said = capsys.readouterr().err
    assert "holds no task 'nope'; it holds 6, such as 'unseen', 't0'" in said


def test_a_damaged_attempt_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recorded_run(tmp_path / "r")
    with Store(folder) as store:
        store.db.run(("UPDATE rollouts SET parts = x'00' WHERE task = 't0'", ()))
    capsys.readouterr()
    assert cli.run(["show", str(folder), "--task", "t0"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "is damaged" in lines[0]


def test_a_terminal_of_another_alphabet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    from sharpen.folder_commands import say_out

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    say_out("日本")
    sys.stdout.flush()
    assert raw.getvalue() == b"\\u65e5\\u672c\n"


def test_a_reader_that_has_enough_ends_it_without_a_traceback(folder: Path) -> None:
    import os
    import subprocess
    import sys

    reading, writing = os.pipe()
    os.close(reading)
    code = "from sharpen.cli import main; main()"
    command = [sys.executable, "-c", code, "show", str(folder), "--task", "t0"]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, "")
