"""A recorded run with every sort of row: resumed, dropped, unknown, unfinished and ready-made attempts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import make_reading, make_task, query

from sharpen.examples import Imitate
from sharpen.improve import improve
from sharpen.methods.vista import Vista
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.types import Image, Part, Reading, Rollout, Task

TASKS = [make_task(f"t{i}") for i in range(5)]
DRAWING = Image.of(b"what a tool drew")


def rule(asked: Asked) -> str:
    """Attempt 0 is wrong, 1 has no answer, 2 and 3 are right; what goes on from a prefix is right every other time."""
    if asked.given:
        return f"<answer>{7 + asked.attempt % 2}</answer>"
    return ["three and four is <answer>8</answer>", "it never ends ", "so <answer>7</answer>", "<answer>7</answer>"][
        asked.attempt % 4
    ]


def measure(task: Task, text: str) -> Reading:
    looks = (0.1, 0.8, 0.1) if text.startswith("so") else (0.4, 0.2, 0.4)
    return make_reading(text, [0, 0, 9], shares=[looks] * (len(text) + 1))


@dataclass(frozen=True)
class Taught(Vista):
    """VISTA with one more example a round that a teacher wrote, with a drawing in it."""

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        parts = (Part((1, 2), "look", "teacher", image=DRAWING), Part((3,), "7", "teacher"))
        taught = Rollout(f"teacher-{run.round}", tasks[0], tasks[0], parts, "stop", "teacher")
        return [*super().collect(run, tasks), Imitate(taught)]


def recorded_run(folder: Path, tasks: Sequence[Task] = TASKS, rule: Callable[[Asked], str] = rule) -> Path:
    """Two rounds with a trainer that only gives the model another name."""

    def rename(start: Any, examples: Any, settings: Any, place: Path, *rest: Any) -> Scripted:
        return Scripted(rule, measure, name=place.name)

    method = Taught(samples=4, resamples=2, max_tokens=34)
    test = [make_task("unseen")]
    model = Scripted(rule, measure)
    improve(method, model, tasks, rounds=2, out=folder, test=test, samples=2, trainer=rename, manifest={"command": "x"})
    verbs = {verb for (verb,) in query(folder, "SELECT DISTINCT verb FROM rollouts")}
    assert verbs == {"sample", "resume", "given"}
    assert {kind for (kind,) in query(folder, "SELECT kind FROM events")} >= {"dropped", "unknown"}
    assert query(folder, "SELECT count(*) FROM rollouts WHERE finish = 'length'")[0][0]
    return folder
