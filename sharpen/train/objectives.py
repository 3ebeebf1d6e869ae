"""Which loss each kind of example has: the only place where example kinds meet mathematics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..examples import Imitate, Prefer, Reinforce
from . import Train, losses
from .batch import Batch, advantages

Objective = Callable[[Sequence[Any], Batch, Train], torch.Tensor]
"""Examples of one kind, the batch with its log-probs filled in, settings -> one loss per example."""


def imitate(examples: Sequence[Imitate], batch: Batch, settings: Train) -> torch.Tensor:
    """Mean token NLL of each attempt, times its weight (VISTA-SFT, arXiv 2605.11931)."""
    rows = batch.rows([e.rollout for e in examples])
    weights = torch.tensor([e.weight for e in examples], device=rows.device)
    return weights * losses.imitation(batch.logprobs[rows], batch.mask[rows])


def prefer(examples: Sequence[Prefer], batch: Batch, settings: Train) -> torch.Tensor:
    """DPO of each pair, times its weight (arXiv 2305.18290)."""
    chosen = batch.rows([e.chosen for e in examples])
    rejected = batch.rows([e.rejected for e in examples])
    weights = torch.tensor([e.weight for e in examples], device=chosen.device)

    def total(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.where(batch.mask[rows], values[rows], 0.0).sum(-1)

    policy, reference = batch.logprobs, batch.reference
    pair = losses.preference(
        total(policy, chosen),
        total(policy, rejected),
        total(reference, chosen),
        total(reference, rejected),
        settings.beta,
    )
    return weights * pair


def reinforce(examples: Sequence[Reinforce], batch: Batch, settings: Train) -> torch.Tensor:
    """Clipped policy gradient of each attempt, plus the KL to the starting model (arXiv 2402.03300)."""
    rows = batch.rows([e.rollout for e in examples])
    logprobs, mask = batch.logprobs[rows], batch.mask[rows]
    surrogate = losses.policy_gradient(
        logprobs, batch.old[rows], advantages(batch, examples), mask, settings.clip_low, settings.clip_high
    )
    if settings.kl == 0:
        return surrogate
    penalty = losses.reference_kl(logprobs, batch.reference[rows], mask)
    return surrogate + settings.kl * penalty.sum(-1) / mask.sum(-1).clamp(min=1)


OBJECTIVES: dict[type, Objective] = {Imitate: imitate, Prefer: prefer, Reinforce: reinforce}


def loss(batch: Batch, settings: Train) -> torch.Tensor:
    """Return the batch's loss: the sum over all examples, divided by the number of units.

    An example of a kind not listed here brings its own objective as the attribute `objective` of its class.
    """
    kinds: dict[type, list[Any]] = {}
    for example in (e for unit in batch.units for e in unit.examples):
        kinds.setdefault(type(example), []).append(example)
    parts = [
        (OBJECTIVES.get(kind) or kind.objective)(examples, batch, settings).sum() for kind, examples in kinds.items()
    ]
    return torch.stack(parts).sum() / len(batch.units)
