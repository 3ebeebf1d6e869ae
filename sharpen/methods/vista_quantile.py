"""VISTA with a threshold per question (ours): of its correct attempts the share that looked least is dropped.

As VISTA (arXiv 2605.11931) but for τ: a question's cut is the `share` quantile of the vision-aware attention
scores of its own correct attempts, so that ⌊share · n⌋ of n are dropped, fewer where scores are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

from ..errors import require
from ..scorers.attention import ImageShare
from ..types import Group
from .vista import Vista

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class VistaQuantile(Vista):
    """Settings of VISTA; `share` stands for the threshold, which is not used unless it is -inf: no score at all."""

    share: float = 0.3  # dropped of each question; ours: a normal score lies below τ = -0.5 in 31 % of cases

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.share < 1, "share", self.share, "a share from 0 to below 1")

    def looking(self, run: Run, found: Sequence[Group], share: ImageShare) -> list[Group]:
        """Drop of each question the share of attempts that looked least; unknown scores stay."""
        scored = run.score(found, share)
        kept: list[Group] = []
        for group in scored:
            known = sorted(s for r in group.rollouts if (s := r[share]) is not None)
            # Slack for shares that binary fractions miss: 0.29 · 100 is 28.999… there.
            least = known[floor(self.share * len(known) + 1e-9)] if known else 0.0
            stays = tuple(r for r in group.rollouts if (s := r[share]) is None or s >= least)
            kept.append(Group(group.task, stays))
        run.drop(scored, kept, f"image share below the {self.share} quantile of its question")
        return kept
