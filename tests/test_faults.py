"""What goes wrong on real machines: each fault is one clear error, and nothing recorded is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killed_runs import Copy
from support import make_task, query

from sharpen import cli
from sharpen.errors import StoreError, TaskError
from sharpen.improve import improve
from sharpen.ledger import database
from sharpen.ledger.check import faults, held
from sharpen.models.scripted import Scripted
from sharpen.rounds import Improved
from sharpen.run import Run
from sharpen.store import Store
from sharpen.train import Train
from sharpen.types import Image, Task
from sharpen.worlds import world

TASKS = [make_task(f"t{i}") for i in range(60)]
LONG = Scripted(lambda asked: f"{asked.seed} {asked.attempt} " * 40)


def sample(folder: Path) -> list[str]:
    """Sample the tasks in a folder and return the keys."""
    with Store(folder) as store:
        return [r.key for g in Run({"policy": LONG}, store).sample(TASKS, 4) for r in g.rollouts]


def recorded(folder: Path) -> set[str]:
    return {key for (key,) in query(folder, "SELECT key FROM rollouts")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, where this machine lets us make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk; test_a_ledger_that_may_not_grow needs none")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_one_error_and_the_same_command_goes_on_when_there_is_space(small_disk: Path) -> None:
    with pytest.raises(StoreError, match=r"disk is full; free some space and give the same command again"):
        sample(small_disk / "run")
    before = recorded(small_disk / "run")
    assert 0 < len(before) < 240
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert before < set(sample(small_disk / "run"))
    assert before < recorded(small_disk / "run")


def test_an_image_that_does_not_fit_on_the_disk_is_an_error_that_leaves_no_half_of_it(small_disk: Path) -> None:
    with Store(small_disk / "run") as store:
        with pytest.raises(StoreError, match=r"cannot write .*free some space"):
            store.add_tasks([Task("big", "?", (Image.of(os.urandom(400_000)),))])
        assert list(store.images.iterdir()) == []


def test_a_ledger_that_may_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk: SQLite itself refuses more pages."""
    sample_part = TASKS[:5]
    with Store(tmp_path / "run") as store:
        kept = [r.key for g in Run({"policy": LONG}, store).sample(sample_part, 4) for r in g.rollouts]
        pages = next(store.db.rows("PRAGMA page_count"))[0]
        list(store.db.rows(f"PRAGMA max_page_count = {pages + 4}"))
        with pytest.raises(StoreError, match="the disk is full"):
            Run({"policy": LONG}, store).sample(TASKS, 4)
    before = recorded(tmp_path / "run")
    assert set(kept) < before
    assert before < set(sample(tmp_path / "run"))


def test_a_locked_database_is_said_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_FOR_LOCK_S", 0.2)
    keys = sample(tmp_path)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    with Store(tmp_path) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program keeps the ledger locked; close it"):
            store.add_event("collect", 0, "odd", "reason", None, None)
        other.execute("ROLLBACK")
        store.add_event("collect", 0, "odd", "reason", None, None)
        assert store.events("collect", 0) == {("odd", "reason"): 1}
    other.close()
    assert recorded(tmp_path) == set(keys)


def test_a_verdict_that_there_is_not_is_said_by_all_that_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path) as store:
        run = Run({"policy": LONG}, store)
        rollouts = [r for g in run.sample(store.add_tasks(TASKS[:2]), 1) for r in g.rollouts]
        run.judge(rollouts)
        store.db.run(("UPDATE verdicts SET outcome = 'banana'", ()))
        with pytest.raises(StoreError, match=r"a verdict on attempt \w+ is damaged \(its outcome is 'banana'"):
            run.judge(rollouts)
    for command in (["audit", str(tmp_path), "--out", str(tmp_path / "a.csv")], ["regrade", str(tmp_path)]):
        assert cli.run(command) == 2
        said = capsys.readouterr().err
        assert "its outcome is 'banana'" in said
        assert "Traceback" not in said


def test_scrambled_pages_are_said_and_counted_as_what_cannot_be_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every page but the first, which names the tables: what SQLite makes of it differs from page to page."""
    sample(tmp_path)
    file = tmp_path / "ledger.db"
    plain = file.read_bytes()
    for seed in range(8):
        draw = random.Random(seed)
        data = bytearray(plain)
        for page in range(4096, len(data), 4096):
            if draw.random() < 0.5:
                data[page : page + 512] = draw.randbytes(512)
        file.write_bytes(data)
        assert cli.run(["check", str(tmp_path)]) == 1
        found = capsys.readouterr()
        assert "ledger.db" in found.out
        assert "Traceback" not in found.err


def test_what_fails_when_a_snapshot_is_let_go_is_an_error_of_the_ledger(tmp_path: Path) -> None:
    sample(tmp_path)

    class Failing:
        """A connection to a file that is damaged by the time it is let go."""

        in_transaction = True
        text_factory: object = str

        def execute(self, statement: str) -> None:
            if statement == "COMMIT":
                raise sqlite3.DatabaseError("database disk image is malformed")

    with Store(tmp_path, read_only=True) as store:
        plain, store.db._db = store.db._db, Failing()  # type: ignore[assignment]
        with pytest.raises(StoreError, match="is damaged or no ledger"), store.db.snapshot():
            pass
        store.db._db = plain


def test_rows_that_cannot_be_counted_are_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(tmp_path)
    with Store(tmp_path) as store:
        store.db.run(("DROP TABLE verdicts", ()))
    assert held(tmp_path)["verdicts"] is None
    assert cli.run(["check", str(tmp_path)]) == 1
    assert "uncounted verdicts" in capsys.readouterr().out
    monkeypatch.setattr(database, "WAIT_FOR_LOCK_S", 0.1)
    with sqlite3.connect(tmp_path / "ledger.db", isolation_level=None) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="keeps the ledger locked"):
            held(tmp_path)
    other.close()


def test_a_ledger_that_is_empty_is_not_made_by_looking_at_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ledger.db").touch()
    assert cli.run(["regrade", str(tmp_path)]) == 2
    assert "ledger.db is empty: nothing was recorded in it" in capsys.readouterr().err
    assert (tmp_path / "ledger.db").stat().st_size == 0
    sample(tmp_path)  # a run, killed before it had made its tables, goes on
    assert len(recorded(tmp_path)) == 240


def test_the_log_is_forced_to_the_disk_while_another_process_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint would stop at what the reader sees; the order is pictures, then their folder, then the log."""
    forced: list[str] = []
    plain = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (forced.append(Path(os.readlink(f"/proc/self/fd/{file}")).name), plain(file))[1]
    )
    with Store(tmp_path) as store:
        store.add_tasks(TASKS[:1])
        reader = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM tasks").fetchall()
        Run({"policy": LONG}, store).sample(TASKS[:1], 2)
        before = len(forced)
        store.db.sync()
        assert forced[before:] == ["ledger.db-wal"]
        reader.close()
        log = forced.index("ledger.db-wal")
        assert forced[:log] == [f"{TASKS[0].images[0].sha256}.partial", "images"]
        store.write_manifest({})
        assert forced[-2:] == ["manifest.partial", tmp_path.name]
    assert tmp_path.name in forced[log:]


@pytest.mark.parametrize(("size", "cause"), [("3m", "SafetensorError"), ("9m", "RuntimeError")])
def test_a_disk_that_fills_up_in_training_is_one_error_and_the_same_command_goes_on(
    size: str, cause: str, small_disk: Path, random_model: Any
) -> None:
    """At 3 MiB safetensors has no room for a checkpoint's weights, at 9 MiB torch has none for the optimiser."""
    from sharpen.models.hf import HF

    def run() -> Improved:
        model = HF(random_model.folder, random_model.name)
        model._identity = random_model.identity  # type: ignore[misc]
        settings = Train(lr=1e-3, epochs=2, batch=2, checkpoints=2)
        return improve(Copy(), model, few, rounds=1, out=small_disk / "run", settings=settings)

    few = world("digits").tasks("train", 4)
    subprocess.run(["mount", "-o", f"remount,size={size}", str(small_disk)], check=True)
    with pytest.raises(
        StoreError, match=r"cannot write the training in .*; free some space, .* same command"
    ) as raised:
        run()
    assert type(raised.value.__cause__).__name__ == cause
    kept = recorded(small_disk / "run")
    assert len(kept) == 4
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    for _ in range(2):
        assert run().rounds[0].tally.examples == 4
        assert recorded(small_disk / "run") == kept
        assert list(faults(small_disk / "run")) == []
        shutil.rmtree(small_disk / "run" / "models")  # to save space; what needs it trains it anew
        (gone,) = faults(small_disk / "run")
        assert gone.line.startswith("models round-1: its folder is not there: deleted, or not copied along")


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_truncated_ledger_is_refused(part: float, tmp_path: Path) -> None:
    sample(tmp_path)
    file = tmp_path / "ledger.db"
    with file.open("r+b") as data:
        data.truncate(int(file.stat().st_size * part) // 4096 * 4096)
    with pytest.raises(StoreError, match=r"ledger.db is damaged or no ledger .*restore it or give another --out"):
        sample(tmp_path)


def test_a_ledger_of_a_newer_version_and_a_database_of_something_else_are_refused(tmp_path: Path) -> None:
    sample(tmp_path / "newer")
    sample(tmp_path / "older")
    for name, statement in (
        ("newer", "PRAGMA user_version = 99"),
        ("older", "PRAGMA user_version = 2"),
        ("other", "CREATE TABLE phone (number TEXT)"),
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        with sqlite3.connect(tmp_path / name / "ledger.db") as other:
            other.execute(statement)
        other.close()
    with pytest.raises(StoreError, match=r"is version 99 of the ledger, .*: a newer sharpen wrote it"):
        Store(tmp_path / "newer")
    with pytest.raises(StoreError, match=r"is version 2 of the ledger, .*: an older sharpen wrote it, or give another"):
        Store(tmp_path / "older")
    with pytest.raises(StoreError, match="is a database of something else"):
        Store(tmp_path / "other")
    assert query(tmp_path / "newer", "SELECT count(*) FROM rollouts") == [(240,)]


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    """In a process without the rights of root, to whom everything is writable."""
    tmp_path.chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from sharpen.store import Store\n"
        "from sharpen.errors import StoreError\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: Store(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error)\n"
    )
    for parent in tmp_path.parents:  # pytest keeps its folders to the user
        if parent.name.startswith("pytest"):
            parent.chmod(0o755)
    ran = subprocess.run(
        [sys.executable, "-c", program, str(closed / "run")], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("cannot write to the run folder"), ran.stderr
    assert "give another --out" in ran.stdout


def grader_workers(pid: int) -> list[int]:
    """The processes that a run's grader started and that have begun to work, as they have a child each."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(tuple(map(int, line.split())) for line in listed.splitlines())
    return [worker for worker, parent in parents.items() if parent == pid and worker in parents.values()]


def test_a_check_whose_worker_is_killed_is_counted_as_a_crash_and_tried_again(tmp_path: Path) -> None:
    """A real run in a process of its own, and SIGKILL for one of its graders while it judges 120 answers."""
    command = [sys.executable, str(Path(__file__).with_name("killed_grader.py")), str(tmp_path / "run")]
    paths = os.pathsep.join(str(Path(__file__).parents[i]) for i in (0, 1))
    options: dict[str, Any] = {"env": {**os.environ, "PYTHONPATH": paths}, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options) as process:
        while not (workers := grader_workers(process.pid)):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        os.kill(workers[0], signal.SIGKILL)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    outcomes = "SELECT outcome, reason, count(*) FROM verdicts GROUP BY 1, 2 ORDER BY 1"
    assert query(tmp_path / "run", outcomes) == [("right", None, 119), ("unknown", "crash", 1)], told
    assert "120 attempts at 120 tasks: 119 correct, 1 unknown" in told
    assert "  1 unknown: cannot tell: crash" in told.splitlines()
    assert "  0.8% cannot be told" in told

    again = subprocess.run(command, **options, timeout=120, check=True).stderr
    assert "120 attempts at 120 tasks: 120 correct, 0 unknown" in again
    assert "  1 retried: a verdict that ended in crash" in again.splitlines()
    assert query(tmp_path / "run", outcomes) == [("right", None, 120)]


def test_an_image_that_vanishes_in_the_middle_is_taken_from_the_ledger(
    tmp_path: Path, random_model: Any, store: Store
) -> None:
    from sharpen.worlds import world

    (task,) = world("digits").tasks("train", 1)
    file = tmp_path / "picture.png"
    file.write_bytes(task.images[0].read())
    mine = Task("mine", "what is it?", (Image.of(file),), "7")
    (held,) = store.add_tasks([mine])
    file.unlink()
    run = Run({"policy": random_model}, store)
    (group,) = run.sample([held], 1, max_tokens=2)
    assert len(group.rollouts) == 1
    (store.images / mine.images[0].sha256).unlink()
    random_model._pixels.clear()
    random_model.read_prompts.forget()
    with pytest.raises(TaskError, match="cannot be read"):
        run.sample([held], 1, max_tokens=3)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_or_twice_leaves_with_130_and_loses_nothing(times: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from sharpen.cli import main; main()"]
    options = [
        "run",
        "rest_em",
        "--tasks",
        "digits:200",
        "--rounds",
        "1",
        "--eval-samples",
        "1",
        "--out",
        str(tmp_path),
    ]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        count = 0
        while count < 30 and process.poll() is None:
            time.sleep(0.1)
            if (tmp_path / "ledger.db").exists():
                try:
                    count = query(tmp_path, "SELECT count(*) FROM rollouts")[0][0]
                except sqlite3.OperationalError:
                    continue
        with pytest.raises(StoreError, match="is in use by another process; wait for it or give another --out"):
            Store(tmp_path)
        assert process.poll() is None  # it was refused while the first one was at work
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert query(tmp_path, "SELECT count(*) FROM rollouts")[0][0] >= count
    assert query(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    if times == 1:
        assert "go on with: sharpen run rest_em" in told
