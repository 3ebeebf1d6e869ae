"""STaR (arXiv 2203.14465): one attempt per question, a second one told the answer where it failed, restart from base.

1. Write one attempt per question and verify it.
2. Rationalisation (§3.2): where no attempt is right, write another one that is shown the answer, and keep it if it
   arrives there. The hint is a view (`views.told_answer`): what is trained on is asked without it.
3. Imitate the right ones, starting from the base model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..examples import Imitate
from ..scorers.correct import correct
from ..steps import Sampled, at_least
from ..types import Task
from ..verbs import imitate, merge, right
from ..views import told_answer

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class Star(Sampled):
    """Settings of STaR; each round starts from the base model, §3.1."""

    samples: int = 1  # §3.1
    temperature: float = 0.0  # greedy; §5 found higher temperatures harmful
    hinted: int = 1  # attempts told the answer, at a question without a right one; 0 is no rationalisation

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "hinted")

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return one example per right attempt, told the answer or not."""
        found = right(self.attempts(run, tasks), correct)
        unsolved = [g.task for g in found if self.hinted and not g.rollouts]
        told = right(self.attempts(run, unsolved, self.hinted, told_answer), correct)
        for group in told:
            if not group.rollouts:
                run.note("not rationalised", "no right attempt, not even when told the answer", task=group.task)
        return imitate(merge(found, told))
