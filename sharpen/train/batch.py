"""Examples become units, units become padded rows; what each unit's loss needs stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ..examples import Example, Examples, Reinforce
from ..types import Rollout
from ..verbs import rollouts_of

if TYPE_CHECKING:
    from ..models.hf import HF

TRAINED = frozenset({"model", "teacher"})
"""Authors whose tokens carry loss; what a tool or a forced text wrote is context."""

Reference = Mapping[str, Sequence[float]]
"""Log-probs of each response token under the starting model, by rollout key."""


@dataclass(frozen=True)
class Unit:
    """All examples about one attempt: they share its forward pass and count as one in the mean."""

    examples: tuple[Example, ...]

    @property
    def rollouts(self) -> list[Rollout]:
        """The attempts that the examples need, each once."""
        return rollouts_of(self.examples)


def units(examples: Examples) -> list[Unit]:
    """Gather examples by their (chosen) attempt, in order of first appearance.

    So `prefer(a, b) + imitate(a, weight=α)` is the mean over pairs of L_DPO + α·L_NLL.
    """
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(example.rollouts[0].key, []).append(example)
    return [Unit(tuple(some)) for some in found.values()]


@dataclass
class Batch:
    """Rows of distinct attempts and the examples about them; all tensors are (rows, length) unless they say else."""

    units: Sequence[Unit]
    row: Mapping[str, int]
    """Row of each attempt by key."""
    start: Mapping[str, int]
    """Position of each attempt's first response token, by key."""
    inputs: dict[str, torch.Tensor]
    mask: torch.Tensor
    """True on tokens that carry loss."""
    old: torch.Tensor
    """Log-probs when sampled; of the starting model where the sampler's are unknown."""
    reference: torch.Tensor
    first: int
    """No token before this position carries loss in any row."""
    logprobs: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Filled in by the forward pass; anything where `mask` is False."""

    def rows(self, rollouts: Sequence[Rollout]) -> torch.Tensor:
        """Return the rows of attempts as an index."""
        return torch.tensor([self.row[r.key] for r in rollouts], device=self.mask.device)


def collate(model: HF, units: Sequence[Unit], reference: Reference) -> Batch:
    """Lay out units as right-padded rows; each attempt is asked as its task, whatever it was shown when sampled."""
    from ..models.hf import Row

    rollouts = list({r.key: r for u in units for r in u.rollouts}.values())
    rows = [Row(model.prompt(r.task), r.ids) for r in rollouts]
    inputs = model.inputs(rows)
    shape = inputs["input_ids"].shape
    mask = torch.zeros(shape, dtype=torch.bool)
    old, base = torch.zeros(shape), torch.zeros(shape)
    for i, (row, rollout) in enumerate(zip(rows, rollouts, strict=True)):
        start = len(row.prompt.ids)
        span = slice(start, len(row))
        known = reference.get(rollout.key)
        if known is not None:
            base[i, span] = torch.tensor(known)
        mask[i, span] = torch.tensor([p.by in TRAINED for p in rollout.parts for _ in p.ids], dtype=torch.bool)
        old[i, span] = torch.tensor(sampled_logprobs(rollout, known))
    first = min(len(row.prompt.ids) for row in rows)
    device = model.device
    places = {r.key: i for i, r in enumerate(rollouts)}
    starts = {r.key: len(row.prompt.ids) for r, row in zip(rollouts, rows, strict=True)}
    return Batch(units, places, starts, inputs, mask.to(device), old.to(device), base.to(device), first)


def sampled_logprobs(rollout: Rollout, known: Sequence[float] | None) -> list[float]:
    """Return the sampler's log-probs, those of the starting model in their place where unknown, else 0."""
    values: list[float] = []
    for part in rollout.parts:
        at = slice(len(values), len(values) + len(part.ids))
        values += part.logprobs or (known[at] if known is not None else (0.0,) * len(part.ids))
    return values


def advantages(batch: Batch, examples: Sequence[Reinforce]) -> torch.Tensor:
    """Return (examples, length) advantages: one number for all tokens, or one per part that the model wrote.

    Raises ValueError where an example has as many advantages as neither.
    """
    made = torch.zeros(len(examples), batch.mask.shape[1])
    for i, example in enumerate(examples):
        if isinstance(example.advantage, float | int):
            made[i] = example.advantage
            continue
        written = [part for part in example.rollout.parts if part.by == "model"]
        if len(written) != len(example.advantage):
            raise ValueError(
                f"attempt {example.rollout.key[:12]} has {len(written)} parts by the model and "
                f"{len(example.advantage)} advantages; give one number or one per such part"
            )
        values = iter(example.advantage)
        at = batch.start[example.rollout.key]
        for part in example.rollout.parts:
            made[i, at : at + len(part.ids)] = next(values) if part.by == "model" else 0.0
            at += len(part.ids)
    return made.to(batch.mask.device)
