"""Is the answer the gold one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..answers import Grader
from ..types import Group, Score
from ..verbs import each
from . import Scorer

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class Correct(Scorer):
    """1 right, 0 wrong, None where the grader cannot tell; the run's grader where none is given."""

    grader: Grader | None = None

    @property
    def name(self) -> str:
        """`correct`, with the grader's settings where one is given."""
        return f"correct({self.grader.name})" if self.grader else "correct"

    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        rollouts = each(groups)
        verdicts = run.judge(rollouts, self.grader)
        for rollout, verdict in zip(rollouts, verdicts, strict=True):
            if verdict.outcome == "unknown":
                run.note("unknown", f"cannot tell: {verdict.reason}", rollout)
        scores = iter(verdicts)
        return [[next(scores).score for _ in g.rollouts] for g in groups]


correct = Correct()
