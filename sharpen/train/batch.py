"""Examples become units, units become lines of a forward pass; what each unit's loss needs stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ..examples import Example, Examples, Reinforce
from ..models.lines import places, predicted_at
from ..types import Part, Rollout
from ..verbs import rollouts_of

if TYPE_CHECKING:
    from ..models.hf import HF, Row
    from .layout import Bundle

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
    """The attempts of one forward pass and the examples about them.

    All tensors are (attempts, longest response), whatever the layout of the pass, unless they say else.
    """

    units: Sequence[Unit]
    row: Mapping[str, int]
    """Row of each attempt by key."""
    inputs: dict[str, torch.Tensor]
    """What the model is called with."""
    tokens: int
    """Tokens in `inputs` that are no padding."""
    ids: torch.Tensor
    mask: torch.Tensor
    """True on tokens that carry loss."""
    place: torch.Tensor
    """Where each token is predicted, as an index into the flattened positions of `inputs`."""
    old: torch.Tensor
    """Log-probs when sampled; of the starting model where the sampler's are unknown."""
    reference: torch.Tensor
    logprobs: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Filled in by the forward pass; anything where `mask` is False."""

    def rows(self, rollouts: Sequence[Rollout]) -> torch.Tensor:
        """Return the rows of attempts as an index."""
        return torch.tensor([self.row[r.key] for r in rollouts], device=self.mask.device)


def rows_of(model: HF, units: Sequence[Unit]) -> dict[str, Row]:
    """Return prompt and response of each attempt by key; it is asked as its task, whatever it was shown."""
    from ..models.hf import Row

    return {key: Row(model.prompt(r.task), r.ids) for key, r in {r.key: r for u in units for r in u.rollouts}.items()}


def collate(model: HF, bundles: Sequence[Bundle], reference: Reference) -> Batch:
    """Lay out bundles as right-padded lines, and what their losses need as rows of attempts."""
    lines = [line for b in bundles for line in b.lines]
    inputs = model.packed(lines)
    length = inputs["input_ids"].shape[1]
    rollouts = [r for b in bundles for r in b.rollouts]
    responses = [response for line in lines for response in line.responses]
    shape = (len(responses), max(map(len, responses)))
    ids, place = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.bool)
    old, base = torch.zeros(shape), torch.zeros(shape)
    for i, (rollout, response, (line, before, at)) in enumerate(zip(rollouts, responses, places(lines), strict=True)):
        n = len(response)
        parts = rollout.parts
        known = reference.get(rollout.key)
        if known is not None:
            base[i, :n] = torch.tensor(known)
        ids[i, :n] = torch.tensor(response)
        place[i, :n] = line * length + torch.tensor(predicted_at(before, at, n))
        mask[i, :n] = torch.tensor([p.by in TRAINED for p in parts for _ in p.ids], dtype=torch.bool)
        old[i, :n] = torch.tensor(sampled_logprobs(parts, known))
    row = {r.key: i for i, r in enumerate(rollouts)}
    on_device = (tensor.to(model.device) for tensor in (ids, mask, place, old, base))
    return Batch([u for b in bundles for u in b.units], row, inputs, sum(line.length for line in lines), *on_device)


def sampled_logprobs(parts: Sequence[Part], known: Sequence[float] | None) -> list[float]:
    """Return the sampler's log-probs, those of the starting model in their place where unknown, else 0."""
    values: list[float] = []
    for part in parts:
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
        parts = example.rollout.parts
        written = [part for part in parts if part.by == "model"]
        if len(written) != len(example.advantage):
            raise ValueError(
                f"attempt {example.rollout.key[:12]} has {len(written)} parts by the model and "
                f"{len(example.advantage)} advantages; give one number or one per such part"
            )
        values = iter(example.advantage)
        at = 0
        for part in parts:
            made[i, at : at + len(part.ids)] = next(values) if part.by == "model" else 0.0
            at += len(part.ids)
    return made.to(batch.mask.device)
