"""Attention shares without an attention matrix.

A second value tensor, whose columns are the indicators of {system, image, question}, goes through the same
scaled-dot-product kernel for the chosen layers and the response's queries only: the outputs are the shares.
Registered through transformers' attention interface, so it works for every family that dispatches there.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ..errors import Unsupported

NAME = "sharpen_shares"
QUERIES = 512
"""Queries per call: bounds the mask, so that memory stays linear in length."""


@dataclass
class Capture:
    """What to measure during one forward pass, and the result per layer: (rows, length - start, 3)."""

    layers: frozenset[int]
    spans: torch.Tensor
    """(rows, length) span codes; what is neither system, image nor question carries another number."""
    start: int
    found: dict[int, torch.Tensor] = field(default_factory=dict[int, torch.Tensor])


_capture: Capture | None = None


@contextmanager
def capturing(config: Any, capture: Capture) -> Generator[Capture]:
    """Measure shares in all forward passes inside; `config` is that of the language model."""
    global _capture
    before = config._attn_implementation
    _capture, config._attn_implementation = capture, NAME
    try:
        yield capture
    finally:
        _capture, config._attn_implementation = None, before
    missing = sorted(capture.layers - set(capture.found))
    if missing:
        raise Unsupported(
            f"attention of layers {missing} cannot be measured: this model's code does not use the library's attention "
            "functions; use a method or scorer that reads no attention"
        )


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled-dot-product attention that also measures shares where they were asked for."""
    result = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    layer = getattr(module, "layer_idx", None)
    if _capture is not None and layer in _capture.layers:
        scale = options.get("scaling")
        _capture.found[layer] = shares(query, key, attention_mask, _capture.spans, _capture.start, scale)
    return result


def shares(
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None,
    spans: torch.Tensor,
    start: int,
    scale: float | None,
) -> torch.Tensor:
    """Return head-averaged attention of queries from `start` on to each span: (rows, queries, 3).

    `query` is (rows, heads, length, width) and `key` (rows, key heads, length, width); no mask means causal.
    """
    rows, heads, length, width = query.shape
    columns = torch.stack([spans == code for code in range(3)], -1).to(query.dtype)
    # Fused kernels want values as wide as the keys.
    value = functional.pad(columns, (0, width - 3))[:, None].expand(rows, key.shape[1], length, width)
    at = torch.arange(length, device=query.device)
    found: list[torch.Tensor] = []
    for first in range(start, length, QUERIES):
        some = slice(first, min(first + QUERIES, length))
        part = at[None, None, None, :] <= at[None, None, some, None] if mask is None else mask[:, :, some, :length]
        out = functional.scaled_dot_product_attention(
            query[:, :, some], key, value, attn_mask=part, scale=scale, enable_gqa=heads != key.shape[1]
        )
        found.append(out[..., :3].mean(1))
    return torch.cat(found, 1)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
