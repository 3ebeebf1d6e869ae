"""Do wandb, trackio and tensorboard themselves hold what a run told them: each is read back and compared.

pip install '.[wandb,trackio,tensorboard]'   # without constraints.txt, since trackio wants a pillow below 13
python -m bench.rivals.trackers

One round of ReST-EM on the tiny model, wandb offline and trackio on this machine; no network is used. What is expected
is read from the run's ledger and from what training wrote. Ends with 1 where a tracker holds anything else.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sharpen import cli
from sharpen.store import Store
from sharpen.trackers import PROJECT, figures, numbers
from sharpen.train.callbacks import LOGGED

TRACKERS = ("wandb", "trackio", "tensorboard")
ASKED = ["--tasks", "digits:20", "--test", "digits:10", "--rounds", "1", "--eval-samples", "2", "--train.epochs", "1"]
BLOCK = 32_768
"""Records of wandb's file do not cross blocks of so many bytes; each has a head of 7."""

Lines = dict[str, dict[int, dict[str, float]]]
"""By the name of a line: its steps, and the figures of each."""


def expected(folder: Path) -> Lines:
    """Return what the run itself recorded of its rounds and of its training."""
    with Store(folder, read_only=True) as store:
        rounds = {number: numbers(figures(result)) for number, result in enumerate(store.rounds())}
    training = json.loads((folder / "models" / "round-1" / "training.json").read_text("utf-8"))
    steps: dict[int, dict[str, float]] = {}
    for logged in training["curve"]:  # the last of them sums up, and has none of these
        if told := {f"train/{name}": float(logged[name]) for name in LOGGED if name in logged}:
            steps[logged["step"]] = told
    return {folder.name: rounds, f"{folder.name}-round-1": steps}


def of_tensorboard(folder: Path) -> Lines:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: Lines = {}
    for line in sorted((folder / "tensorboard").iterdir()):
        events = EventAccumulator(str(line)).Reload()
        steps = found.setdefault(line.name, {})
        for name in events.Tags()["scalars"]:
            for event in events.Scalars(name):
                steps.setdefault(event.step, {})[name] = event.value
    return found


def of_trackio(folder: Path) -> Lines:
    from trackio.sqlite_storage import SQLiteStorage  # pyright: ignore[reportMissingImports]

    found: Lines = {}
    for name in SQLiteStorage.get_runs(PROJECT):
        steps = found.setdefault(name[:-9], {})  # behind the name stand a dash and eight digits that know the run
        for log in SQLiteStorage.get_logs(PROJECT, name):
            steps.setdefault(log["step"], {}).update({k: v for k, v in log.items() if "/" in k})
    return found


def of_wandb(folder: Path) -> Lines:
    found: Lines = {}
    for file in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        name = ""
        for record in records(file):
            name = record.run.display_name or name
            told = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            if told:
                found.setdefault(name, {})[told["_step"]] = {k: v for k, v in told.items() if "/" in k}
    return found


def records(file: Path) -> Iterator[Any]:
    """Yield the records of wandb's own file, which nothing public reads: a log of blocks as LevelDB has it."""
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportMissingImports]

    data, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (left := BLOCK - at % BLOCK) < 7:
            at += left
            continue
        size, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last piece of one
            yield Record.FromString(whole)
            whole = b""


READERS: dict[str, Callable[[Path], Lines]] = {
    "wandb": of_wandb,
    "trackio": of_trackio,
    "tensorboard": of_tensorboard,
}


def differences(want: Lines, got: Lines) -> list[str]:
    """Say where a tracker holds something else; TensorBoard keeps single precision."""
    if want.keys() != got.keys():
        return [f"lines {sorted(got)} for {sorted(want)}"]
    said: list[str] = []
    for line, steps in want.items():
        for step in sorted({*steps, *got[line]}):
            ours, its = steps.get(step, {}), got[line].get(step, {})
            if ours.keys() != its.keys() or not all(math.isclose(its[k], v, rel_tol=1e-6) for k, v in ours.items()):
                said.append(f"{line}, step {step}: {its} for {ours}")
    return said


def main() -> None:
    with TemporaryDirectory() as scratch:
        os.environ |= {"WANDB_MODE": "offline", "TRACKIO_DIR": f"{scratch}/trackio"}
        folder = Path(scratch, "tracked")
        with redirect_stdout(sys.stderr):
            code = cli.run(["run", "rest_em", *ASKED, "--track", *TRACKERS, "--out", str(folder)])
        want = {} if code else expected(folder)
        wrong = {name: differences(want, read(folder)) for name, read in READERS.items()} if want else {}
    said = {
        "versions": {name: version(name) for name in (*TRACKERS, "pillow")},
        "steps": {line: len(steps) for line, steps in want.items()},
        "differences": wrong,
    }
    print(json.dumps(said, indent=1))
    sys.exit(bool(code or any(wrong.values())))


if __name__ == "__main__":
    main()
