"""RFT, rejection sampling fine-tuning (arXiv 2308.01825): the seed traces and distinct right paths, imitated once.

1. Sample K attempts per question; keep those that are right and in which every equation holds (§3.3).
2. Of the attempts at a question that state the same list of equations keep the first: paths must differ in
   their calculations, not in their words. Where a text states no equation in numbers, its words without
   case, punctuation and spacing stand for them: ours, for questions that are not calculations.
3. Fine-tune the base model on the seed traces, where there are any, and on these.

The paper samples from a model fine-tuned on the seed traces: give one that `sft_seed` trained, or two rounds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..examples import Imitate
from ..scorers.correct import correct
from ..scorers.equations import Calculates, equations
from ..steps import Sampled, seed_traces
from ..types import Rollout, Task
from ..verbs import dedupe, imitate, merge, right, where

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class Rft(Sampled):
    """Settings of RFT; it trains the base model, §3.3."""

    samples: int = 100  # K, §3.3
    temperature: float = 0.7  # §3.3

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return one example per seed trace and per distinct right path."""
        calculates = Calculates()
        found = run.score(right(self.attempts(run, tasks), correct), calculates)
        sound = where(found, lambda r: r[calculates] != 0)
        run.drop(found, sound, "right, but an equation does not hold")
        distinct = dedupe(sound, path)
        run.drop(sound, distinct, "the same path as another attempt at the question")
        return imitate(merge(seed_traces(run, tasks), distinct))


def path(rollout: Rollout) -> tuple[str, ...]:
    """Return what makes two attempts the same path: the equations, or the words of a text without any."""
    return equations(rollout.text) or tuple(re.findall(r"\w+", rollout.text.casefold()))
