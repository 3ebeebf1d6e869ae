"""How much an attempt looked at the image: shares of attention, from one teacher-forced pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..types import Group, Reading, Score
from ..verbs import each
from . import Scorer

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class ImageShare(Scorer):
    """λ_vis / (λ_sys + λ_vis + λ_ins), attention of one layer summed over the attempt's tokens, heads averaged.

    None where the task has no image. Source: VISTA (arXiv 2605.11931), vision-aware attention score.
    """

    layer: int | None = None  # the paper: a middle layer; ours: ⌊L/2⌋ when None

    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        layer = run.layer(self.layer)
        readings = iter(run.read(each(groups), layers=(layer,)))
        return [[image_share(next(readings), layer) if g.task.images else None for _ in g.rollouts] for g in groups]


def image_share(reading: Reading, layer: int) -> float | None:
    """Return the image's share of the attention that a response pays to its prompt; None for an empty response."""
    spans = list(zip(*reading.attention[layer], strict=True))
    if not spans:
        return None
    system, image, question = (sum(column) for column in spans)
    total = system + image + question
    return image / total if total > 0 else None
