"""ReST-EM with VISTA's prefix resampling (ours): the failed attempts are resumed before the correct ones are kept.

1. E-step: sample K attempts per question and verify them; resume those not verified as correct from before
   their critical token (arXiv 2605.11931) and verify the continuations; keep at most `most` correct a question.
2. M-step: fine-tune the base model on them by their likelihood (arXiv 2312.06585).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..examples import Imitate
from ..scorers.correct import correct
from ..steps import Repairing, at_least, limited
from ..types import Task
from ..verbs import imitate, merge, right

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class RestEmPrefix(Repairing):
    """Settings of ReST-EM and of prefix resampling, as in VISTA."""

    most: int = 10  # correct attempts kept a question, continuations among them

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "most")

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return one example per correct attempt, sampled or resumed, that the cap keeps."""
        groups = self.attempts(run, tasks)
        found = right(merge(groups, self.rescue(run, groups)), correct)
        return imitate(limited(run, found, self.most))
