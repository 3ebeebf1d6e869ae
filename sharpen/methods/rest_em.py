"""ReST-EM (arXiv 2312.06585): sample, keep what is correct, train from the base model again, repeat.

1. E-step: sample K attempts per question and verify them; keep the correct ones, at most `most` a
   question, so that easy questions do not fill the set.
2. M-step: fine-tune the base model on them by their likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import require
from ..examples import Imitate
from ..scorers.correct import correct
from ..types import Task
from ..verbs import cap, imitate, right

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class RestEm:
    """Settings of ReST-EM."""

    samples: int = 10  # K; 32 for MATH in §4 of the paper, 10 in VISTA's comparison
    most: int = 10  # correct attempts kept a question, §4 "cut-off threshold"
    temperature: float = 1.0  # VISTA's comparison; the paper samples with top-k 40 and 0.7
    max_tokens: int | None = None  # None takes the model's own
    start: Literal["base", "last"] = "base"  # §3: each M-step starts from the base model

    def __post_init__(self) -> None:
        for name in ("samples", "most"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        require(self.temperature >= 0, "temperature", self.temperature, "0 (greedy) or more")
        require(self.max_tokens is None or self.max_tokens >= 1, "max-tokens", self.max_tokens, "1 or more")

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return one example per correct attempt that the cap keeps."""
        sampled = run.sample(tasks, self.samples, temperature=self.temperature, max_tokens=self.max_tokens)
        found = right(run.score(sampled, correct), correct)
        kept = cap(found, self.most, run.seed)
        run.drop(found, kept, f"more than {self.most} correct attempts at one question")
        return imitate(kept)
