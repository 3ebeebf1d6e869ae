"""Cells in processes of their own: each worker loads the model once and works one cell after another.

Started as `python -m sharpen.workers ARGUMENTS`, with the arguments of `sharpen compare`. A worker reads cells as JSON
lines from its standard input and answers each with a line; it ends at once when that input closes, so that a
comparison killed in any way leaves no process behind. What it would print goes to `log.txt` in the cell's folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import asdict
from io import StringIO
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any

from .cells import Cell, Record, Shared, held, work
from .errors import UserError

LOG = "log.txt"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Workers:
    """Processes that work cells, started as they are needed; calling it works one cell."""

    def __init__(self, arguments: Sequence[str], shared: Shared, jobs: int, threads: int) -> None:
        self._arguments = list(arguments)
        self._shared = shared
        self._environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "TOKENIZERS_PARALLELISM": "false"}
        self._running: set[subprocess.Popen[str]] = set()
        self._free: SimpleQueue[subprocess.Popen[str] | None] = SimpleQueue()
        for _ in range(jobs):
            self._free.put(None)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __call__(self, cell: Cell) -> Record:
        """Work a cell and return its record; raises UserError with the reason where it comes to nothing."""
        worker = self._free.get() or self._start()
        try:
            answer = exchange(worker, asdict(cell))
        except BrokenPipeError:
            answer = None
        alive = answer is not None
        self._free.put(worker if alive else None)
        log = self._shared.out / cell.folder / LOG
        if answer is None:
            self._running.discard(worker)
            raise UserError(f"its process ended with code {ended(worker)}; {log} says how far it came")
        if "error" in answer:
            raise UserError(f"{answer['error']} (more in {log})")
        found = held(self._shared, cell)
        if found is None:
            raise UserError(f"it left no record that fits, {log} says what it did; was the program changed meanwhile?")
        return found

    def _start(self) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, "-m", __name__, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches the comparison alone, which then stops its workers
        )
        self._running.add(worker)
        return worker

    def stop(self) -> None:
        """End all workers; what they have finished is in their ledgers."""
        for worker in self._running:
            worker.terminate()
        while self._running:
            ended(self._running.pop())


def ended(worker: subprocess.Popen[str]) -> int:
    """Wait for a process that is ending, close its pipes and return its code."""
    code = worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe:
            with suppress(BrokenPipeError):  # what it was still to be told
                pipe.close()
    return code


def exchange(worker: subprocess.Popen[str], message: Mapping[str, object]) -> dict[str, Any] | None:
    """Send a line and return the answer; None where the process ended instead."""
    if not (worker.stdin and worker.stdout):
        raise ValueError("a worker needs both pipes")
    print(json.dumps(message), file=worker.stdin, flush=True)
    line = worker.stdout.readline()
    return json.loads(line) if line else None


def main(arguments: Sequence[str]) -> None:
    """Work the cells that standard input names, one after another."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    cells: SimpleQueue[str] = SimpleQueue()
    Thread(target=listen, args=(sys.stdin, cells), daemon=True).start()
    shared: Shared | None = None
    while True:
        said = json.loads(cells.get())
        cell = Cell(said["word"], said["seed"], tuple(said["targets"]) if said["targets"] else None)
        answer: dict[str, str] = {}
        try:
            shared = shared or quietly_shared(arguments)
            folder = shared.out / cell.folder
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / LOG).open("a", buffering=1) as log, redirect_stderr(log):
                answer = answered(shared, cell)
        except (UserError, OSError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


def listen(lines: IO[str], cells: SimpleQueue[str]) -> None:
    """Pass lines on; leave at once when there will be no more, in the middle of a cell too: the ledger holds it."""
    for line in lines:
        cells.put(line)
    os._exit(0)


def quietly_shared(arguments: Sequence[str]) -> Shared:
    """Load what all cells share; what there is to say of it the comparison has said already."""
    from .compare_command import shared_of

    with redirect_stderr(StringIO()):
        return shared_of(arguments)[1]


def answered(shared: Shared, cell: Cell) -> dict[str, str]:
    """Work a cell and say how it went; a fault of the program shows its traceback in the log."""
    try:
        work(shared, cell)
    except UserError as error:
        return {"error": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    return {}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    main(sys.argv[1:])
