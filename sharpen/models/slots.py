"""A key-value cache of fixed rows that are given from one attempt to the next.

All rows write their next token into the same column, so a step writes one slice and copies nothing. An attempt
that comes later has its tokens put right before the present column; a mask hides what lies to the left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from .prompts import Stretch, beside, joined

ROOM = 32
"""Fewest columns that are made at once."""
SPARE = 0.25
"""Columns beside those of the longest row, as a share of these: what is seen is moved each time they are full."""


@dataclass
class Window:
    """The columns that are seen, from `low` on, and the one of the next token, `high`.

    A cache and its layers share it. Did a layer hold its cache instead, neither would be freed when the last row
    ends, but whenever Python next looks for cycles, and the next batch's cache would stand beside it till then.
    """

    low: int
    high: int


class SlotLayer(DynamicLayer):
    """Keys and values of one layer, (rows, heads, columns, width), seen through the window of its cache."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window
        self.keys: torch.Tensor = torch.empty(0)
        self.values: torch.Tensor = torch.empty(0)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token of every row into the present column; return the window with it."""
        rows, at = len(key_states), slice(self.window.high, self.window.high + 1)
        self.keys[:rows, :, at], self.values[:rows, :, at] = key_states, value_states
        seen = slice(self.window.low, self.window.high + 1)
        return self.keys[:rows, :, seen], self.values[:rows, :, seen]

    def get_seq_length(self) -> int:
        """Return the columns seen before the present one."""
        return self.window.high - self.window.low

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns seen with the present one, and where they begin."""
        return self.get_seq_length() + query_length, 0


class Slots(Cache):
    """The cache of a batch: columns `low` to `high` of each layer; the next token goes to column `high`.

    A pass may have fewer rows than there are; then it has the first ones.
    """

    layers: list[SlotLayer]

    def __init__(self, layers: int, rows: int, most: int, longest: int) -> None:
        """Make room for `rows`, which get at most `most` tokens at once, and come to `longest` at most."""
        self.window = Window(most, most)
        super().__init__(layers=[SlotLayer(self.window) for _ in range(layers)])
        self.rows, self.most = rows, most
        self.columns = 0
        self.enough = longest + max(ROOM, int(longest * SPARE))
        """Most columns that are made: what is seen is never wider than the longest row."""

    def place(self, runs: Sequence[Sequence[Stretch]], of: torch.Tensor, rows: slice, *, held: int) -> None:
        """Put what the network has read before the present column of `rows`: the i-th of them gets run `of[i]`.

        The first `held` stretches of each run are held elsewhere; the others stand right-aligned.
        """
        self.columns = self.columns or self.window.high + ROOM
        longest = max(sum(map(len, run[held:])) for run in runs)
        columns = slice(self.window.high - longest, self.window.high)
        self.window.low = min(self.window.low, columns.start)  # rows may be moved before the first step looks at them
        for n, layer in enumerate(self.layers):
            for name in ("keys", "values"):
                like = getattr(runs[0][0], name)[n]
                if not getattr(layer, name).numel():
                    setattr(layer, name, self._empty(like[None], self.columns))
                if longest:
                    own = [joined([getattr(s, name)[n] for s in run[held:]], like) for run in runs]
                    getattr(layer, name)[rows, :, columns] = beside(own, "left")[of.to(like.device)]

    def move(self, source: torch.Tensor, target: torch.Tensor) -> None:
        """Copy rows over others."""
        seen = slice(self.window.low, self.window.high)
        for layer in self.layers:
            for held in (layer.keys, layer.values):
                to, of = target.to(held.device), source.to(held.device)
                held[to, :, seen] = held[of, :, seen]

    def advance(self, low: int) -> int:
        """Go on to the next column, and return by how many columns all that is seen was moved to the left.

        What lies left of `low` is no more seen, and its room is used again in time.
        """
        seen = self.window
        seen.low, seen.high = low, seen.high + 1
        if seen.high < self.columns:
            return 0
        width = seen.high - low
        high = max(width, self.most)
        moved = seen.high - high
        columns = min(high + max(ROOM, high), self.enough)
        grows = self.columns < columns
        self.columns = max(self.columns, columns)
        for layer in self.layers:
            for name in ("keys", "values"):
                old: torch.Tensor = getattr(layer, name)
                # Room that is there already costs the least; where it overlaps what goes into it, that is copied first.
                new = self._empty(old, self.columns) if grows else old
                kept = old[:, :, low : seen.high]
                new[:, :, high - width : high] = kept.clone() if new is old and low < high else kept
                setattr(layer, name, new)
        seen.low, seen.high = high - width, high
        return moved

    def _empty(self, like: Any, columns: int) -> torch.Tensor:
        # Zeros, since a hidden column must not hold what is no number: 0 times that is none either.
        return like.new_zeros((self.rows, like.shape[1], columns, like.shape[3]))
