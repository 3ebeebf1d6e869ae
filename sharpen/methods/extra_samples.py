"""Extra samples (ours, a control for VISTA): the tokens of prefix resampling spent on more attempts from the start.

As VISTA (arXiv 2605.11931) in all but step 2. Failed attempts are read as there, and nothing is resumed: a question
whose failed attempts have c_1 … c_m tokens after their critical tokens is given J · (c_1 + … + c_m) / (mean length
of its attempts) further attempts, rounded by an addressed draw, without bias.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from ..steps import tokens_after
from ..types import Group
from ..verbs import rounded
from .vista import Vista

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class ExtraSamples(Vista):
    """Settings of VISTA; J = `resamples` says how many continuations' tokens are spent."""

    def rescue(self, run: Run, groups: Sequence[Group]) -> list[Group]:
        """Write further attempts for the tokens that continuations would take."""
        spared: Counter[str] = Counter()
        for prefix in self.prefixes(run, groups):
            spared[prefix.parent.task.id] += self.resamples * tokens_after(prefix)
        counts = [rounded(spared[g.task.id] / mean_length(g), run.seed, run.round, g.task.id) for g in groups]
        return self.attempts(run, [g.task for g in groups], counts)


def mean_length(group: Group) -> float:
    """Return the mean number of tokens of a question's attempts, 1 where there is none."""
    return fmean(len(r.ids) for r in group.rollouts) if group.rollouts else 1.0
