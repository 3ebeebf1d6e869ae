"""VISTA (arXiv 2605.11931): repair failed attempts from their good prefix, drop lucky guesses by attention.

Each round, from the model of the round before:
1. Sample K attempts per question and verify them.
2. Prefix resampling of each attempt not verified as correct (`steps.prefixes`): read it with the instruction
   before the image; the critical token is the first that is not among the k likeliest; keep what stands before
   it, put the likeliest token in its place, and sample J continuations from there with the original prompt.
3. Vision-aware attention score of each correct attempt: the image's share of a middle layer's attention,
   as a z-score within the question. Drop what lies below τ.
4. Imitate the rest, each attempt weighing the same, starting from the base model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal

from ..errors import require
from ..examples import Examples
from ..scorers.attention import ImageShare
from ..scorers.correct import correct
from ..steps import Repairing, at_least, limited
from ..types import Group, Task
from ..verbs import ZScore, dedupe, imitate, merge, right, where, wrong, zscore

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class Vista(Repairing):
    """Settings of VISTA-SFT; K = 10, J = 3, k = 5, temperature 1 and the restart from base are §4.1's."""

    threshold: float = -0.5  # τ, vision-aware attention score; -inf keeps all and reads nothing
    layer: int | Literal["auto"] | None = None  # a middle layer; ⌊L/2⌋ when None; "auto": chosen by data: ours
    most: int | None = None  # examples a question; None is all: ours
    distinct: bool = False  # keep one of attempts with equal tokens: ours

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "most")
        require(self.threshold == self.threshold, "threshold", self.threshold, "a number, or -inf for none")

    @property
    def looks(self) -> bool:
        """Whether it scores attention to images, which the tasks must have then."""
        return self.threshold > -inf

    def collect(self, run: Run, tasks: Sequence[Task]) -> Examples:
        """Return one example per correct attempt that looked at the image."""
        kept, _ = self.select(run, tasks)
        return imitate(kept)

    def select(self, run: Run, tasks: Sequence[Task]) -> tuple[list[Group], list[Group]]:
        """Return the correct attempts to learn from, and the failed ones of the first sampling."""
        share = ImageShare(run.layer(self.layer, tasks)) if self.looks else None
        groups = self.attempts(run, tasks)
        found = right(merge(groups, self.rescue(run, groups)), correct)
        kept = dedupe(found) if self.distinct else found
        run.drop(found, kept, "the same tokens as another attempt")
        looked = self.looking(run, kept, share) if share else kept
        return limited(run, looked, self.most), wrong(groups, correct)

    def looking(self, run: Run, found: Sequence[Group], share: ImageShare) -> list[Group]:
        """Keep the attempts that looked at the image about as much as the others at their question, or more."""
        scored = zscore(run.score(found, share), share)
        kept = where(scored, lambda r: (z := r[ZScore(share)]) is None or z >= self.threshold)
        run.drop(scored, kept, f"vision-aware attention score below {self.threshold}")
        return kept
