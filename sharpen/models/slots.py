"""A key-value cache of fixed rows that are given from one attempt to the next.

All rows write their next token into the same column, so a step writes one slice and copies nothing. An attempt
that comes later has its prompt put right before the present column; a mask hides what lies to the left of it.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Fewest columns that are made at once."""


class SlotLayer(DynamicLayer):
    """Keys and values of one layer, (rows, heads, columns, width), seen through the window of its cache."""

    def __init__(self, cache: Slots) -> None:
        super().__init__()
        self.cache = cache
        self.keys: torch.Tensor = torch.empty(0)
        self.values: torch.Tensor = torch.empty(0)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token of every row into the present column; return the window with it."""
        at = slice(self.cache.high, self.cache.high + 1)
        self.keys[:, :, at], self.values[:, :, at] = key_states, value_states
        seen = slice(self.cache.low, self.cache.high + 1)
        return self.keys[:, :, seen], self.values[:, :, seen]

    def get_seq_length(self) -> int:
        """Return the columns seen before the present one."""
        return self.cache.high - self.cache.low

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns seen with the present one, and where they begin."""
        return self.get_seq_length() + query_length, 0


class Slots(Cache):
    """The cache of a batch: columns `low` to `high` of each layer; the next token goes to column `high`."""

    layers: list[SlotLayer]

    def __init__(self, layers: int, rows: int, high: int) -> None:
        super().__init__(layers=[SlotLayer(self) for _ in range(layers)])
        self.rows = rows
        self.low = self.high = high
        self.columns = 0

    def place(self, read: Any, slots: torch.Tensor, line: torch.Tensor, at: torch.Tensor) -> None:
        """Put what was read of prompts before the present column of rows `slots`.

        Row i gets positions `at[i]` (rows, longest) of line `line[i]` of `read`, right-aligned.
        """
        if not self.columns:
            self.columns = self.high + ROOM
            for mine, theirs in zip(self.layers, read.layers, strict=True):
                mine.keys, mine.values = (self._empty(some, self.columns) for some in (theirs.keys, theirs.values))
        before = slice(self.high - at.shape[1], self.high)
        for mine, theirs in zip(self.layers, read.layers, strict=True):
            mine.keys[slots, :, before] = theirs.keys[line[:, None], :, at].transpose(1, 2)
            mine.values[slots, :, before] = theirs.values[line[:, None], :, at].transpose(1, 2)

    def keep(self, rows: torch.Tensor) -> None:
        """Keep these rows only."""
        self.rows = len(rows)
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]

    def advance(self, low: int) -> int:
        """Go on to the next column, and return by how many columns all that is seen was moved to the left.

        What lies left of `low` is no more seen, and its room is used again in time.
        """
        self.low, self.high = low, self.high + 1
        if self.high < self.columns:
            return 0
        seen = slice(low, self.high)
        self.columns = (self.high - low) + max(ROOM, (self.high - low) // 2)
        for layer in self.layers:
            for name in ("keys", "values"):
                old: torch.Tensor = getattr(layer, name)
                new = self._empty(old, self.columns)
                new[:, :, : self.high - low] = old[:, :, seen]
                setattr(layer, name, new)
        self.low, self.high = 0, self.high - low
        return low

    def _empty(self, like: Any, columns: int) -> torch.Tensor:
        # Zeros, since a hidden column must not hold what is no number: 0 times that is none either.
        return like.new_zeros((self.rows, like.shape[1], columns, like.shape[3]))
