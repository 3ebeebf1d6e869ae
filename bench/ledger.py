"""What the ledger costs: attempts written per second, its share of a round, and growth with the number of tasks.

python -m bench.ledger            # about two minutes on two cores
python -m bench.ledger --full     # with a run of 100,000 tasks x 10 attempts
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sharpen.improve import improve
from sharpen.ledger.database import Database
from sharpen.methods.rest_em import RestEm
from sharpen.methods.vista import Vista
from sharpen.models import load
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Task

ATTEMPTS = 10
TRACE = "there are three red and four blue ones, so together it is "


def rule(asked: Asked) -> str:
    return f"{TRACE}<answer>{7 if (asked.seed + asked.attempt) % 3 == 0 else 8}</answer>"


def tasks(n: int) -> list[Task]:
    return [Task(f"t{i}", f"how many are there in row {i}?", answer="7") for i in range(n)]


def keep(start: Any, examples: Any, settings: Any, folder: Path, reference: Any, seed: int) -> Scripted:
    """Train nothing: what is measured is everything else."""
    return Scripted(rule, name=f"{folder.name} of {len(examples)}")


def one(n: int) -> dict[str, float]:
    """Run a scripted round over n tasks in this process."""
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        improve(RestEm(samples=ATTEMPTS), Scripted(rule), tasks(n), rounds=1, out=folder, trainer=keep)
        size = (Path(folder) / "ledger.db").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"tasks": n, "seconds": time.perf_counter() - began, "peak_bytes": peak, "ledger_bytes": size}


def growth(sizes: list[int]) -> list[dict[str, float]]:
    """Run each size in a process of its own, since a process never gives its peak back."""
    command = [sys.executable, "-m", "bench.ledger", "--one"]
    runs = [subprocess.run([*command, str(n)], capture_output=True, text=True, check=True) for n in sizes]
    return [json.loads(run.stdout) for run in runs]


class Watch:
    """Seconds spent inside the ledger's file, by wrapping the ways into it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        for name in ("write", "write_one", "run", "sync"):
            setattr(Database, name, self._timed(getattr(Database, name)))
        rows = Database.rows
        Database.rows = self._timed(lambda *a, **k: iter(list(rows(*a, **k))))

    def _timed(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*args: Any, **named: Any) -> Any:
            began, self._depth = time.perf_counter(), self._depth + 1
            try:
                return inner(*args, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - began

        return outer


def written() -> float:
    """Return attempts per second of 20,000 that are made, packed, written and forced to the disk."""
    with TemporaryDirectory() as folder, Store(Path(folder)) as store:
        few = tasks(2_000)
        began = time.perf_counter()
        groups = Run({"policy": Scripted(rule)}, store).sample(few, ATTEMPTS)
        store.db.sync()
        return sum(len(g.rollouts) for g in groups) / (time.perf_counter() - began)


def share(n: int) -> tuple[float, float, float]:
    """Return the ledger's share of a VISTA round of the tiny model, its seconds and the round's, training included."""
    from sharpen.worlds import world

    model, watch = load("tiny"), Watch()
    some, unseen = world("digits").tasks("train", n), world("digits").tasks("test", n)
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        improve(Vista(), model, some, rounds=1, out=folder, test=unseen)
    total = time.perf_counter() - began
    return watch.seconds / total, watch.seconds, total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--full", action="store_true", help="up to 100,000 tasks, some minutes")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one)))
        return
    rate = median(written() for _ in range(5))
    sizes = growth([1_000, 10_000, 100_000] if options.full else [1_000, 3_000, 10_000])
    part, inside, total = share(60)
    if options.json:
        print(json.dumps({"ours": rate, "theirs": None, "ratio": None, "bound": None, "growth": sizes, "share": part}))
        return
    print(f"attempts made, written and durable: {rate:,.0f}/s")
    for row in sizes:
        each = 1000 * row["seconds"] / row["tasks"]
        peak, size = row["peak_bytes"] / 2**20, row["ledger_bytes"] / 2**20
        print(
            f"{row['tasks']:,.0f} tasks x {ATTEMPTS}: {row['seconds']:.1f} s, {each:.2f} ms a task, "
            f"peak memory {peak:,.0f} MiB, ledger {size:,.0f} MiB"
        )
    print(f"share of a VISTA round of the tiny model: {part:.2%} ({inside:.2f} of {total:.1f} s)")


if __name__ == "__main__":
    main()
