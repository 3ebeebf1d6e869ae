"""VISTA that spends by need (ours): more continuations for questions with few correct attempts, at equal tokens.

As VISTA (arXiv 2605.11931), but prefix p of question t is resumed J · w_t · (Σ c) / (Σ c · w) times on average, where
w_t = (1 + correct attempts at t)^-need, c is what a continuation of p is expected to take (the tokens that the
failed attempt had after its critical token), and the sums are over all prefixes: the expected tokens, Σ c · n, are
those of J continuations everywhere. Numbers are rounded by an addressed draw, without bias.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..scorers.correct import correct
from ..steps import at_least, tokens_after
from ..types import Group
from ..verbs import each, right, rounded
from .vista import Vista

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class VistaByNeed(Vista):
    """Settings of VISTA and how steeply spending follows need."""

    whole: ClassVar[bool] = True  # the sums are over all questions
    need: float = 1.0  # exponent; 0 spends evenly, as VISTA does

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "need")

    def rescue(self, run: Run, groups: Sequence[Group]) -> list[Group]:
        """Resume each failed attempt from its good prefix, more often where correct attempts are few."""
        prefixes = self.prefixes(run, groups)
        solved = Counter(r.task.id for r in each(right(groups, correct)))
        weights = [(1 + solved[p.parent.task.id]) ** -self.need for p in prefixes]
        costs = [tokens_after(p) for p in prefixes]
        spent = sum(c * w for c, w in zip(costs, weights, strict=True))
        scale = self.resamples * sum(costs) / spent if spent else self.resamples
        counts = [rounded(scale * w, run.seed, p.parent.key) for w, p in zip(weights, prefixes, strict=True)]
        return self.resumed(run, prefixes, counts)
