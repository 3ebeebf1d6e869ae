"""ReST-EM (arXiv 2312.06585): sample, keep what is correct, train from the base model again, repeat.

1. E-step: sample K attempts per question and verify them; keep the correct ones, at most `most` a
   question, so that easy questions do not fill the set.
2. M-step: fine-tune the base model on them by their likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..examples import Imitate
from ..scorers.correct import correct
from ..steps import Sampled, at_least, limited
from ..types import Task
from ..verbs import imitate, right

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class RestEm(Sampled):
    """Settings of ReST-EM; each M-step starts from the base model, §3."""

    samples: int = 10  # K; 32 for MATH in §4 of the paper, 10 in VISTA's comparison
    temperature: float = 1.0  # VISTA's comparison; the paper samples with top-k 40 and 0.7
    most: int = 10  # correct attempts kept a question, §4 "cut-off threshold"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "most")

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return one example per correct attempt that the cap keeps."""
        return imitate(limited(run, right(self.attempts(run, tasks), correct), self.most))
