"""kill -9 in the middle, the same command again: it goes on, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import query

from sharpen.ledger.check import faults
from sharpen.packing import unpack_parts

HERE = Path(__file__).parent


def program(name: str, *arguments: str) -> dict[str, Any]:
    """Run a program beside this file and return what it printed last."""
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    ran = subprocess.run(
        [sys.executable, str(HERE / name), *arguments],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return {**json.loads(ran.stdout.splitlines()[-1]), "told": ran.stderr[-2000:]}


@pytest.mark.parametrize(
    ("kind", "kills"),
    [("scripted", 6), *(pytest.param(kind, 30, marks=pytest.mark.slow) for kind in ("scripted", "tiny"))],
)
def test_killed_at_random_moments_of_a_run_of_two_rounds(kind: str, kills: int, tmp_path: Path) -> None:
    """Examples and verdicts are those of an undisturbed run, and no attempt that was recorded is sampled again."""
    (undisturbed,) = storm(kind, tmp_path / "whole", 0)["folders"]
    found = storm(kind, tmp_path / "cut", kills)
    assert sum(found["killed"]) == kills
    assert found["moved"] == 0
    # A kill may fall between the end of an attempt and its record, so at most one a kill is sampled twice.
    for calls, distinct, killed in zip(found["calls"], found["distinct"], found["killed"], strict=True):
        assert distinct <= calls <= distinct + killed
    for folder in found["folders"]:
        same(Path(folder), Path(undisturbed))


@pytest.mark.slow
def test_killed_in_each_phase_of_a_round(tmp_path: Path) -> None:
    """While the first round samples, trains and measures; the rest is as in an undisturbed run."""
    found = storm("phases", tmp_path / "runs", 3)
    assert (found["caught"], found["killed"], found["moved"]) == ([True] * 3, 3, 0)
    calls, distinct = found["calls"], found["distinct"]
    assert calls[1] == distinct[1] == distinct[0] <= calls[0] <= distinct[0] + 3
    same(tmp_path / "runs" / "cut", tmp_path / "runs" / "whole")


def same(folder: Path, undisturbed: Path) -> None:
    """Two folders of one run hold the same, and a folder that was killed is whole."""
    assert list(faults(folder)) == []
    assert attempts(folder) == attempts(undisturbed)
    assert scores(folder) == pytest.approx(scores(undisturbed), abs=1e-4)
    for table in (
        "round, position, kind, rollout, other, numbers FROM examples ORDER BY round, position",
        "* FROM verdicts ORDER BY 1, 2, 3",
        "scope, round, rollout, gold FROM uses ORDER BY 1, 2, 3",
        "scope, round, kind, reason, task, rollout FROM events ORDER BY 1, 2, 3, 4, 5, 6",
    ):
        assert query(folder, f"SELECT {table}") == query(undisturbed, f"SELECT {table}"), table


def attempts(folder: Path) -> list[tuple[object, ...]]:
    """Every attempt but its log-probs, whose last bits depend on what else was in the batch."""
    rows = query(folder, "SELECT key, parent, finish, parts FROM rollouts ORDER BY key")
    return [(*row, [(p.ids, p.text, p.by) for p in unpack_parts(blob, folder)]) for *row, blob in rows]


def scores(folder: Path) -> dict[tuple[str, str], float]:
    rows = query(folder, "SELECT rollout, scorer, value FROM scores")
    return {(rollout, scorer): -1e9 if value is None else value for rollout, scorer, value in rows}


def storm(kind: str, out: Path, kills: int) -> dict[str, Any]:
    """Run tests/storm.py and return what it found."""
    found = program("storm.py", kind, str(out), str(kills), "1")
    assert found["ended"] == 0, found["told"]
    return found


@pytest.mark.slow
def test_killed_while_training(tmp_path: Path, random_folder: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    found = program("killed_runs.py", str(whole), str(cut), str(random_folder))
    assert found["codes"] == [0, -signal.SIGKILL, 0], found["told"]
    assert not found["done_when_killed"]
    assert found["whole"] == list(range(1, 21))
    assert found["before"] == list(range(1, len(found["before"]) + 1))
    assert 11 <= len(found["before"]) < 20
    # From the last checkpoint, not from the start.
    assert found["after"] == list(range(len(found["before"]) // 4 * 4 + 1, 21))
    ours, theirs = (load_file(d / "models" / "round-1" / "model.safetensors") for d in (cut, whole))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, atol=1e-5, rtol=1e-4)
