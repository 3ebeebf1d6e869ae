"""What is trained on: the example kinds, frozen like the other nouns, each with one loss in `train.objectives`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from .types import Rollout


class Example(Protocol):
    """Something to train on; a kind of a method's own also brings `objective` (see `train.objectives`)."""

    needs_reference: ClassVar[bool]
    """Whether its loss uses log-probs of the model that training starts from."""

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        """The attempts it needs; examples that share the first one share its forward pass."""
        ...


Examples = Sequence[Example]


@dataclass(frozen=True)
class Imitate:
    """Raise the likelihood of an attempt; the loss is its mean token NLL times `weight`."""

    needs_reference: ClassVar[bool] = False
    rollout: Rollout
    weight: float = 1.0

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        return (self.rollout,)


@dataclass(frozen=True)
class Prefer:
    """Prefer one attempt to another of the same task (DPO, arXiv 2305.18290)."""

    needs_reference: ClassVar[bool] = True
    chosen: Rollout
    rejected: Rollout
    weight: float = 1.0

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        return (self.chosen, self.rejected)


@dataclass(frozen=True)
class Reinforce:
    """Policy gradient on an attempt with one advantage, or one per part that the model wrote."""

    needs_reference: ClassVar[bool] = False
    rollout: Rollout
    advantage: float | tuple[float, ...]

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        return (self.rollout,)
