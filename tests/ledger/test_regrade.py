"""`sharpen regrade`: new verdicts beside the old ones, without sampling, and nothing left out silently."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import recorded_run
from support import make_task, query

from sharpen import cli
from sharpen.answers import Grader, Verdict
from sharpen.errors import StoreError
from sharpen.ledger import regrade as module
from sharpen.ledger.check import faults
from sharpen.ledger.regrade import regrade
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.scorers.correct import correct
from sharpen.store import Store

TEXTS = ["<answer>100</answer>", "<answer>103</answer>", "<answer>150</answer>", "<think>it never ends"]
LOOSE = Grader(tolerance=0.05)


def record(folder: Path) -> Path:
    """Two tasks with a gold answer of 100, judged exactly, and one without a gold answer."""
    with Store(folder) as store:
        tasks = store.add_tasks([make_task("a", "100"), make_task("b", "100"), make_task("open", None)])
        run = Run({"policy": Scripted.replay({t.id: TEXTS for t in tasks})}, store)
        groups = run.sample(tasks, 4)
        run.score(groups[:2], correct)
    return folder


def test_verdicts_move_as_the_new_grader_says_and_the_old_ones_stay(tmp_path: Path) -> None:
    with Store(record(tmp_path / "r")) as store:
        before = list(store.db.rows("SELECT * FROM verdicts ORDER BY 1, 2"))
        found = regrade(store, LOOSE)
        assert (found.attempts, found.skipped) == (12, {"without a gold answer": 4})
        assert found.outcomes == {"right": 4, "wrong": 2, "unknown": 2}
        assert found.now == {"no_answer": 2}
        assert found.moves["answers-5"] == {
            ("right", "right"): 2,
            ("wrong", "right"): 2,
            ("wrong", "wrong"): 2,
            ("unknown", "unknown"): 2,
        }
        assert found.reasons["answers-5"] == {"no_answer": 2}
        kept = list(store.db.rows("SELECT * FROM verdicts WHERE grader = 'answers-5' ORDER BY 1, 2"))
        new = list(store.db.rows("SELECT * FROM verdicts WHERE grader = ?", (LOOSE.name,)))
        assert (kept, len(new)) == (before, 8)
        # The run itself finds them under the same gold answer, and gives none anew.
        rollouts = list(store.rollouts({key: (t, t) for key, t in attempts(store)}).values())
        judged = Run({}, store, grader=Refusing(tolerance=0.05)).judge(rollouts)
        assert sorted(v.outcome for v in judged) == ["right"] * 4 + ["unknown"] * 2 + ["wrong"] * 2
    assert list(faults(tmp_path / "r")) == []


class Refusing(Grader):
    def grade_all(self, items: object) -> list[Verdict]:
        assert not items, "a verdict was given again"
        return []


def attempts(store: Store):
    tasks = store.tasks(["a", "b"])
    return [(key, tasks[name]) for key, name in store.db.rows("SELECT key, task FROM rollouts") if name in tasks]


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(record(tmp_path / "r")) as store:
        whole = regrade(store, LOOSE).as_dict()
        store.db.run(("DELETE FROM verdicts WHERE grader = ?", (LOOSE.name,)))
        monkeypatch.setattr(module, "BATCH", 3)
        assert regrade(store, LOOSE).as_dict() == whole


def test_attempts_without_an_old_verdict_or_a_recorded_task_are_counted(tmp_path: Path) -> None:
    with Store(record(tmp_path / "r")) as store:
        store.db.run(
            ("DELETE FROM verdicts WHERE outcome = 'right'", ()), ("UPDATE tasks SET id = 'gone' WHERE id = 'b'", ())
        )
        found = regrade(store, LOOSE)
        assert found.skipped == {"without a gold answer": 4, "without a recorded task": 4}
        assert found.moves["answers-5"]["no verdict", "right"] == 1


def test_an_old_verdict_on_another_gold_answer_is_none(tmp_path: Path) -> None:
    with Store(record(tmp_path / "r")) as store:
        store.add_tasks([make_task("a", "150"), make_task("b", "100")])
        found = regrade(store, Grader())
        assert found.moves["answers-5"]["no verdict", "right"] == 1
        assert found.moves["answers-5"]["right", "right"] == 1
        assert found.outcomes == {"right": 2, "wrong": 4, "unknown": 2}
        assert "answers-5 before -> now" in found.table()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(record(tmp_path / "r"))
    options = ["--grader.tolerance", "0.05", "--grader.extract", "tag", "number"]
    assert cli.run(["regrade", folder, *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["grader"] == "answers-5(extract=('tag', 'number'), tolerance=0.05)"
    assert found["before"]["answers-5"]["moved"]["wrong"] == {"right": 2, "wrong": 2, "unknown": 0}
    assert (found["attempts"], found["skipped"]) == (12, {"without a gold answer": 4})
    assert cli.run(["regrade", folder, *options]) == 0
    told = capsys.readouterr().out
    assert "unknown: 2 no_answer" in told
    assert "skipped: 4 without a gold answer" in told
    assert "right                2         0         0" in told
    assert cli.run(["regrade", folder, "--grader.tolerance", "-1"]) == 2


def test_a_folder_in_use_and_a_damaged_attempt_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = record(tmp_path / "r")
    with Store(folder) as store:
        assert cli.run(["regrade", str(folder)]) == 2
        assert "in use by another process" in capsys.readouterr().err
        store.db.run(("UPDATE rollouts SET parts = x'00' WHERE rowid = 2", ()))
    assert cli.run(["regrade", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "is damaged" in said
    assert f"sharpen check {folder}" in said


def test_numbers_of_rounds_stay_what_they_were(tmp_path: Path) -> None:
    """Scores are what a round was counted by; a new grader's verdicts change none of them."""
    folder = recorded_run(tmp_path / "r")
    with Store(folder) as store:
        regrade(store, Grader(extract=("boxed",)))
    assert list(faults(folder)) == []
    assert query(folder, "SELECT count(DISTINCT grader) FROM verdicts") == [(2,)]
    with Store(folder) as store:
        store.db.run(("UPDATE tasks SET task = '[]'", ()))
        with pytest.raises(StoreError, match="task 'unseen' is damaged"):
            regrade(store, LOOSE)
