"""Program for test_kill: `python killed_runs.py WHOLE CUT MODEL` trains in WHOLE, and in CUT with a kill in between.

As in storm.py each life is a fork of one process, which has imported everything and loaded the model. Prints the
steps of the lives as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from storm import live

from sharpen.examples import Imitate
from sharpen.improve import improve
from sharpen.models import load
from sharpen.run import Run
from sharpen.train import Train, trainer
from sharpen.types import Part, Rollout, Task
from sharpen.worlds import world

KILLED_AT = 11
"""Of twenty steps; the last checkpoint before it is after the eighth."""


@dataclass(frozen=True)
class Copy:
    """Imitate hand-written traces: a method without sampling."""

    start: Literal["base", "last"] = "base"

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        render = run.models["policy"].render  # type: ignore[attr-defined]
        made: list[Imitate] = []
        for task, text in zip(tasks, world("digits").seed_traces(tasks), strict=True):
            ids = (*render.tokenizer(text, add_special_tokens=False).input_ids, *render.stop_ids)
            made.append(Imitate(Rollout(task.id, task, task, (Part(tuple(ids), text, "teacher"),), "stop", "hand")))
        return made


class Slow(trainer.Steps):
    """Steps of a twentieth of a second at least, each with a line in a file."""

    log: Path

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Wait, and say where we are."""
        super().on_step_end(args, state, control, **rest)
        with self.log.open("a") as lines:
            lines.write(f"{state.global_step}\n")
        time.sleep(0.05)


def steps(out: Path) -> list[int]:
    """Return the steps of all lives in a folder."""
    log = out.with_suffix(".steps")
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []


def main(whole: Path, cut: Path, folder: str) -> None:
    """Train undisturbed, and in another folder until it is killed at a step and then to the end."""
    trainer.Steps = Slow  # type: ignore[misc]
    model, tasks = load(folder), world("digits").tasks("train", 40)

    def run(out: Path, log: Path) -> None:
        """One round of training on forty traces, a checkpoint every four steps."""
        Slow.log = log
        settings = Train(lr=1e-3, epochs=2, batch=4, checkpoints=5)
        improve(Copy(), model, tasks, rounds=1, out=out, settings=settings)

    def ended(pid: int) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    codes = [ended(live(run, whole, whole.with_suffix(".steps")))]
    pid = live(run, cut, cut.with_suffix(".steps"))
    while len(steps(cut)) < KILLED_AT and os.waitpid(pid, os.WNOHANG) == (0, 0):
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    codes.append(ended(pid))
    before, done = len(steps(cut)), (cut / "models" / "round-1").exists()
    codes.append(ended(live(run, cut, cut.with_suffix(".steps"))))
    found = {"codes": codes, "whole": steps(whole), "before": steps(cut)[:before], "after": steps(cut)[before:]}
    print(json.dumps({**found, "done_when_killed": done}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
