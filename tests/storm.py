"""Program for test_kill: `python storm.py scripted|tiny|phases OUT KILLS SEED` runs, is killed, runs again.

The moments are random, or one in each phase of a round. Each life is a fork of one process that has imported
everything, so that a kill falls into the work and not into the imports. Prints what the lives wrote as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from support import Wrapped, make_reading, make_task

from sharpen.improve import improve
from sharpen.methods.vista import Vista
from sharpen.models import load
from sharpen.models.model import Write, Written
from sharpen.models.scripted import Asked, Scripted
from sharpen.train import Train
from sharpen.worlds import world


def rule(asked: Asked) -> str:
    time.sleep(0.004)
    answer = 7 if asked.seed * (asked.attempt + 1) % 3 == 0 else 8
    return f"{asked.seed % 97} is <answer>{answer}</answer>"


class Logged(Wrapped):
    """A model that appends a line to a file for each attempt it writes."""

    def __init__(self, inner: Any, log: Path) -> None:
        super().__init__(inner)
        self.log = log

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        with self.log.open("ab", buffering=0) as log:
            for written in self.inner.write(requests):
                log.write(f"{requests[written.request].seed} {written.attempt}\n".encode())
                yield written


def scripted(out: Path, log: Path) -> None:
    """Two rounds of VISTA with a scripted model."""
    inner = Scripted(rule, lambda task, text: make_reading(text, [0, 0, 9]))

    def rename(start: Any, examples: Any, settings: Any, folder: Path, reference: Any, seed: int) -> Any:
        return Logged(Scripted(rule, inner.measure, name=f"{folder.name} of {len(examples)}"), log)

    tasks = [make_task(f"t{i}") for i in range(40)]
    improve(Vista(samples=4), Logged(inner, log), tasks, rounds=2, out=out, trainer=rename)


def tiny(test: int = 0, pause: float = 0) -> Callable[[Path, Path], None]:
    """Two rounds of VISTA with the model that ships, training included; `pause` in seconds after an attempt or step."""
    from sharpen.train import trainer

    model, tasks, asked_then = load("tiny"), world("digits").tasks("train", 8), world("digits").tasks("test", test)

    class Slow(trainer.Steps):
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            super().on_step_end(args, state, control, **rest)
            time.sleep(5 * pause)

    trainer.Steps = Slow  # type: ignore[misc]

    def train(start: Any, examples: Any, settings: Any, folder: Path, reference: Any, seed: int) -> Any:
        return trainer.train(start, examples, settings, folder, reference, seed)

    def run(out: Path, log: Path) -> None:
        # The trainer wants the model itself, so the log is put where all models of transformers write.
        plain = type(model).write

        def write(self: Any, requests: Sequence[Write]) -> Iterator[Written]:
            with log.open("ab", buffering=0) as lines:
                for written in plain(self, requests):
                    asked = requests[written.request]
                    if asked.sampling.temperature:  # the canary is greedy, and tried at every start
                        lines.write(f"{asked.seed} {written.attempt}\n".encode())
                    yield written
                    time.sleep(pause)

        type(model).write = write
        settings = Train(lr=1e-3, epochs=2, batch=8, checkpoints=4)
        method = Vista(samples=4, resamples=2)
        options: dict[str, Any] = {"settings": settings, "trainer": train, "test": asked_then, "samples": 2}
        improve(method, model, tasks, rounds=2, out=out, **options)

    return run


def live(run: Callable[[Path, Path], None], out: Path, log: Path) -> int:
    """Fork a life and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        run(out, log)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def held(out: Path) -> dict[str, int]:
    """Return the row numbers of the attempts in the ledger, by key."""
    if not (out / "ledger.db").exists():
        return {}
    database = sqlite3.connect(out / "ledger.db")
    try:
        return dict(database.execute("SELECT key, rowid FROM rollouts"))
    except sqlite3.OperationalError:  # killed before the tables were made
        return {}
    finally:
        database.close()


class Storm:
    """Runs in one folder, killed again and again; `moved` counts recorded attempts that were written anew."""

    def __init__(self, run: Callable[[Path, Path], None], out: Path) -> None:
        self.run = run
        self.out = out
        self.log = out.with_name(f"{out.name}.calls")
        self.seen: dict[str, int] = {}
        self.killed = self.moved = 0

    def strike(self, after: float) -> int:
        """Kill a life after some seconds; return its exit status, negative where the kill came in time."""
        pid = live(self.run, self.out, self.log)
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
        return self._ended(pid)

    def strike_in(self, phase: Callable[[Path], bool]) -> bool:
        """Kill a life as soon as it is in a phase; return whether it still was when it died."""
        pid = live(self.run, self.out, self.log)
        while not phase(self.out) and os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
        self._ended(pid)
        return phase(self.out)

    def finish(self) -> int:
        """Let a life end."""
        return self._ended(live(self.run, self.out, self.log))

    def _ended(self, pid: int) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        now = held(self.out)
        self.moved += sum(now.get(key) != row for key, row in self.seen.items())
        self.seen = now
        self.killed += code == -signal.SIGKILL
        return code


def count(out: Path, query: str) -> int:
    """Return what a query counts in a ledger; 0 where there is none yet."""
    if not (out / "ledger.db").exists():
        return 0
    database = sqlite3.connect(out / "ledger.db")
    try:
        return int(database.execute(f"SELECT count(*) FROM {query}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        database.close()


def sampling(out: Path) -> bool:
    """Whether some attempts of round 1 are recorded, and not all."""
    return 3 <= count(out, "rollouts WHERE scope = 'collect' AND verb = 'sample'") < 32


def training(out: Path) -> bool:
    """Whether a checkpoint is written, and no model."""
    return any(out.glob("models/round-1.work-*/checkpoint-*")) and not (out / "models" / "round-1").exists()


def evaluation(out: Path) -> bool:
    """Whether some attempts of the first trained model at the test tasks are recorded, and its round is not."""
    return count(out, "rollouts WHERE scope = 'eval' AND round = 1") >= 3 and not count(out, "rounds WHERE round = 1")


def phases(out: Path) -> dict[str, Any]:
    """Kill a run in each phase of its first round, let it end, and run another undisturbed."""
    run = tiny(test=4, pause=0.01)
    out.mkdir()
    cut, whole = Storm(run, out / "cut"), Storm(run, out / "whole")
    caught = [cut.strike_in(phase) for phase in (sampling, training, evaluation)]
    ended = [storm.finish() for storm in (cut, whole)]
    calls = [Counter(s.log.read_text().splitlines()) for s in (cut, whole)]
    numbers = {"calls": [c.total() for c in calls], "distinct": [len(c) for c in calls], "moved": cut.moved}
    return {"caught": caught, "killed": cut.killed, "ended": max(ended), **numbers}


def main(kind: str, out: Path, kills: int, seed: int) -> None:
    """Kill lives until enough were killed; a run that ends before is followed by another in a new folder."""
    if kind == "phases":
        print(json.dumps(phases(out)))
        return
    run = scripted if kind == "scripted" else tiny()
    longest = 0.45 if kind == "scripted" else 2.4
    draw = random.Random(seed)
    storms: list[Storm] = []
    left, ended = kills, 0
    while left or not storms:
        storm = Storm(run, out / str(len(storms)))
        storms.append(storm)
        out.mkdir(exist_ok=True)
        while left and storm.strike(draw.uniform(0.01, longest)) < 0:
            left -= 1
        ended = storm.finish()
    calls = [Counter(s.log.read_text().splitlines()) for s in storms]
    found = {
        "folders": [str(s.out) for s in storms],
        "killed": [s.killed for s in storms],
        "ended": ended,
        "moved": sum(s.moved for s in storms),
        "attempts": [len(s.seen) for s in storms],
        "calls": [c.total() for c in calls],
        "distinct": [len(c) for c in calls],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
