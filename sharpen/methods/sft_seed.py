"""SFT-Seed (baseline of arXiv 2605.11931): imitate the seed traces alone, without any attempt of the model's own.

A seed trace is the reference solution that a task carries as `meta["solution"]` (or `rationale`): a column of a
task file, or a careful trace of a world. It is tokenised once, as a teacher's response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..errors import UserError
from ..examples import Imitate
from ..steps import Start, seed_traces
from ..types import Task
from ..verbs import imitate, solution

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class SftSeed:
    """Settings of SFT-Seed: only what each round starts from; every round imitates the same traces."""

    whole: ClassVar[bool] = True  # whether any task has a trace is a question about all of them
    start: Start = "base"

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return one example per task with a seed trace; UserError where none has one."""
        if all(solution(task) is None for task in tasks):
            raise UserError(
                f"none of {len(tasks)} tasks carries a reference solution to imitate; give a file with a column "
                "`solution` beside `answer`, or `rationale`, or take a method that samples"
            )
        return imitate(seed_traces(run, tasks))
