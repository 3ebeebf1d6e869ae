"""kill -9 in the middle, the same command again: it goes on, and ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from support import query

HERE = Path(__file__).parent


def start(*arguments: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    return subprocess.Popen(
        [sys.executable, str(HERE / "killed_runs.py"), *arguments],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def finish(*arguments: str) -> list[str]:
    with start(*arguments) as process:
        out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return out.splitlines()


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_killed_while_sampling(tmp_path: Path) -> None:
    finish("sampling", str(tmp_path / "whole"))
    process = start("sampling", str(tmp_path / "cut"))
    count = 0
    for _ in range(600):
        time.sleep(0.05)
        if (tmp_path / "cut" / "ledger.db").exists():
            try:
                count = query(tmp_path / "cut", "SELECT count(*) FROM rollouts")[0][0]
            except sqlite3.OperationalError:
                continue
        if count >= 60:
            break
    kill(process)
    held = dict(query(tmp_path / "cut", "SELECT key, rowid FROM rollouts"))
    assert 60 <= len(held) < 160
    finish("sampling", str(tmp_path / "cut"))
    # What was held is still the same row: it was not sampled again.
    again = dict(query(tmp_path / "cut", "SELECT key, rowid FROM rollouts"))
    assert {key: again[key] for key in held} == held
    for table in ("examples ORDER BY round, position", "rollouts ORDER BY key", "events ORDER BY 1, 2, 3, 4, 5, 6"):
        columns = "key, parts, parent" if table.startswith("rollouts") else "*"
        sql = f"SELECT {columns} FROM {table}"
        assert query(tmp_path / "cut", sql) == query(tmp_path / "whole", sql)


def test_killed_while_training(tmp_path: Path, random_folder: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    steps = [line for line in finish("training", str(whole), str(random_folder)) if line.startswith("step")]
    process = start("training", str(cut), str(random_folder))
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "step 31":
            break
    kill(process)
    assert not (cut / "models" / "round-1").exists()
    rest = [line for line in finish("training", str(cut), str(random_folder)) if line.startswith("step")]
    assert steps[0] == "step 1"
    assert 20 < int(rest[0].split()[1]) <= 32  # from the last checkpoint, not from the start
    assert rest[-1] == steps[-1]
    ours, theirs = (load_file(d / "models" / "round-1" / "model.safetensors") for d in (cut, whole))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, atol=1e-5, rtol=1e-4)
