"""Prompts of which the decode loop holds keys and values once, for all rows that go on from them.

A row's own tokens are in its slots. Attention of all rows to prompts is a few large products, one for each prompt,
in place of one walk along the prompt for each row; one softmax is over both. Registered through transformers'
attention interface, so it works for every family that dispatches there and takes a mask as it is.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from .kernel import attending
from .prompts import Stretch, beside

NAME = "sharpen_branches"
WALK = 5
"""To walk along a prompt costs as much as so many rows that look at it (counted from the bytes moved; ours)."""

FULL = 0.75
"""Prompts without rows are dropped once no more than this share has any."""


class Branches:
    """Prompts, each with as many seats for rows as any other; row `i` of a pass sits in seat `seat[i]`."""

    def __init__(self, layers: int) -> None:
        self.keys: list[torch.Tensor] = [torch.empty(0)] * layers
        self.values: list[torch.Tensor] = [torch.empty(0)] * layers
        self.lengths = np.zeros(0, dtype=np.int64)
        self.of = np.zeros(0, dtype=np.int64)
        """The prompt of each row."""
        self.rows = self.seat = torch.empty(0, dtype=torch.long)
        """The row in each seat, 0 where none is, and the seat of each row."""
        self.hidden = torch.empty(0)
        """Of shape (rows, longest prompt): 0 where a row sees, minus infinity behind its prompt."""

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt held."""
        return int(self.lengths.max())

    def admit(self, prompts: Sequence[Stretch], of: np.ndarray) -> None:
        """Hold more prompts, for rows behind those there are; `of` says which of these prompts each goes on from."""
        held, new = len(self.lengths), [len(prompt) for prompt in prompts]
        longest = max([*new, *self.lengths.tolist()])
        for mine, name in ((self.keys, "keys"), (self.values, "values")):
            for n in range(len(mine)):
                both = beside([getattr(prompt, name)[n] for prompt in prompts])
                if held:
                    entering = both
                    both = entering.new_zeros((held + len(new), entering.shape[1], longest, entering.shape[3]))
                    both[:held, :, : mine[n].shape[2]] = mine[n][:, :, :longest]
                    both[held:, :, : entering.shape[2]] = entering
                mine[n] = both
        self.lengths = np.concatenate([self.lengths, np.array(new)])
        self.of = np.concatenate([self.of, held + of])
        self._sit()

    def keep(self, rows: np.ndarray) -> None:
        """Go on with these rows only, in this order."""
        self.of = self.of[rows]
        if len(rows):
            self._sit()

    def _sit(self) -> None:
        """Give each row a seat; a prompt without rows is dropped, one with far more than others held repeatedly."""
        counts = np.bincount(self.of, minlength=len(self.lengths))
        seats = min(np.unique(counts[counts > 0]).tolist(), key=lambda n: int((-(-counts // n)).sum()) * (n + WALK))
        order = np.argsort(self.of, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order)) - (counts.cumsum() - counts)[self.of[order]]
        copies = -(-counts // seats)
        if copies.max() == 1 and copies.sum() > FULL * len(copies):
            copies[:] = 1
        before = copies.cumsum() - copies
        prompts = np.repeat(np.arange(len(counts)), copies)
        self.of, rank = before[self.of] + rank // seats, rank % seats
        if not np.array_equal(prompts, np.arange(len(self.lengths))):
            self.lengths = self.lengths[prompts]
            index = torch.from_numpy(prompts).to(self.keys[0].device)
            for held in (self.keys, self.values):
                held[:] = [some[:, :, : self.longest].index_select(0, index) for some in held]
        seat = self.of * seats + rank
        rows = np.zeros(len(prompts) * seats, dtype=np.int64)
        rows[seat] = np.arange(len(seat))
        device, kind = self.keys[0].device, self.keys[0].dtype
        self.rows, self.seat = torch.from_numpy(rows).to(device), torch.from_numpy(seat).to(device)
        behind = torch.from_numpy(np.arange(self.keys[0].shape[2]) >= self.lengths[self.of][:, None]).to(device)
        self.hidden = torch.zeros(behind.shape, dtype=kind, device=device).masked_fill_(behind, -torch.inf)

    def sees(self, own: torch.Tensor) -> torch.Tensor:
        """Return the mask of a pass, of which `own` (rows, window) says what each row sees of its own tokens."""
        hidden = torch.zeros(own.shape, dtype=self.hidden.dtype, device=own.device).masked_fill_(~own, -torch.inf)
        return torch.cat([self.hidden, hidden], -1)[:, None, None]

    def look(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Return what rows of scaled queries (rows, key heads, heads of each, width) see of prompts and of `key`."""
        longest = self.keys[layer].shape[2]
        of_prompts = self._rowed(self._seated(query) @ self.keys[layer].mT, query.shape[2])
        scores = torch.cat([of_prompts, query @ key.mT], -1).add_(mask)
        shares = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
        seen = self._seated(shares[..., :longest]) @ self.values[layer]
        return self._rowed(seen, query.shape[2]).add_(shares[..., longest:] @ value)

    def _seated(self, of_rows: torch.Tensor) -> torch.Tensor:
        """Turn (rows, key heads, heads of each, width) into (prompts, key heads, seats x heads of each, width)."""
        _, heads, each, width = of_rows.shape
        prompts = len(self.lengths)
        seated = of_rows.index_select(0, self.rows).view(prompts, -1, heads, each, width)
        return seated.transpose(1, 2).reshape(prompts, heads, -1, width)

    def _rowed(self, of_seats: torch.Tensor, each: int) -> torch.Tensor:
        """Undo `_seated`."""
        prompts, heads, _, width = of_seats.shape
        seats = of_seats.view(prompts, heads, -1, each, width).transpose(1, 2).reshape(-1, heads, each, width)
        return seats.index_select(0, self.seat)


_branches: Branches | None = None


@contextmanager
def branching(config: Any, branches: Branches) -> Generator[None]:
    """Let the rows of all passes inside see their prompts; `config` is that of the language model."""
    global _branches
    _branches = branches
    try:
        with attending(config, NAME):
            yield
    finally:
        _branches = None


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one token a row to its prompt and to its own tokens."""
    assert _branches is not None
    rows, heads, _, width = query.shape
    query = (query * (width**-0.5 if scaling is None else scaling)).reshape(rows, key.shape[1], -1, width)
    seen = _branches.look(module.layer_idx, query, key, value, attention_mask)
    return seen.view(rows, 1, heads, -1), None


_tried: dict[int, bool] | None = None


def dispatches(net: Any, config: Any, layers: int) -> bool:
    """Whether attention of all layers goes through the library's functions and asks for nothing that `look` lacks."""
    global _tried
    _tried = {}
    try:
        with attending(config, TRIAL):
            net(input_ids=torch.zeros((1, 1), dtype=torch.long, device=net.device))
        return sorted(_tried) == list(range(layers)) and all(_tried.values())
    finally:
        _tried = None


def trial(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """Plain attention that notes which layer asked for it, and whether with options beside the usual ones."""
    if _tried is not None:
        unusual = [options.get(name) for name in ("softcap", "s_aux", "position_bias", "sliding_window")]
        _tried[getattr(module, "layer_idx", -1)] = all(some is None for some in unusual)
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


TRIAL = "sharpen_trial"
AttentionInterface.register(NAME, attention)
AttentionInterface.register(TRIAL, trial)
AttentionMaskInterface.register(NAME, sdpa_mask)
AttentionMaskInterface.register(TRIAL, sdpa_mask)
