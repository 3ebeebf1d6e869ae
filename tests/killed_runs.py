"""Program for test_kill: `python killed_runs.py OUT MODEL` trains, slowly enough to be killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sharpen.examples import Imitate
from sharpen.improve import improve
from sharpen.models import load
from sharpen.run import Run
from sharpen.train import Train, trainer
from sharpen.types import Part, Rollout, Task
from sharpen.worlds import world


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


def training(out: Path, model: str) -> None:
    """One round of training on forty traces, two checkpoints a second or so."""
    settings = Train(lr=1e-3, epochs=6, batch=4, checkpoints=20)
    print("start", flush=True)
    improve(Copy(), load(model), world("digits").tasks("train", 40), rounds=1, out=out, settings=settings)


class Slow(trainer.Steps):
    """Steps of a tenth of a second at least."""

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Wait, and say where we are."""
        super().on_step_end(args, state, control, **rest)
        print("step", state.global_step, flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    trainer.Steps = Slow  # type: ignore[misc]
    training(Path(sys.argv[1]), sys.argv[2])
