"""VISTA-DPO (arXiv 2605.11931): what VISTA collects, each correct attempt preferred to a failed one of its question.

L = L_DPO(chosen, rejected; β) + α · L_NLL(chosen), the mean over pairs; β is the trainer's `--train.beta`, 0.1.
The rejected attempt is drawn at random, once, from those of the first sampling verified as wrong: one that
could not be verified has not failed. A correct attempt whose question has no failed one makes no pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..examples import Examples
from ..steps import at_least
from ..types import Task
from ..verbs import imitate, prefer, where
from .vista import Vista

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class VistaDpo(Vista):
    """Settings of VISTA, the weight of the likelihood, and the pace of training."""

    alpha: float = 0.5  # α, §4.1
    lr_share: float = 0.1  # of the model's rate for imitation; ours: §4.1's 1e-5 by the 1e-4 of LLaMA-Factory's SFT

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "alpha", "lr_share")

    def collect(self, run: Run, tasks: Sequence[Task]) -> Examples:
        """Return a pair, and an imitation of weight α, per correct attempt whose question has a failed one."""
        kept, failed = self.select(run, tasks)
        pairs = prefer(kept, failed, run.seed)
        paired = {pair.chosen.key for pair in pairs}
        chosen = where(kept, lambda r: r.key in paired)
        run.drop(kept, chosen, "no failed attempt at the question to pair it with")
        return [*pairs, *imitate(chosen, self.alpha)]
