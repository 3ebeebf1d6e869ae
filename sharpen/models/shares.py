"""Attention shares without an attention matrix.

In the chosen layers the values get columns more: the indicators of {system, image, question}. The layer's own call of
the scaled-dot-product kernel then returns the shares beside its outputs, for a few columns' more work.
Registered through transformers' attention interface, so it works for every family that dispatches there.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ..errors import Unsupported
from .kernel import attending
from .model import IMAGE

NAME = "sharpen_shares"
SPANS = 3
ROWS = 64
"""Positions mapped at a time: their scores over all heads and keys are held at once."""
COLUMNS = 8
"""Columns put beside the values: fused kernels on a GPU want multiples of 8, and on a CPU fewer are hardly faster."""


@dataclass
class Capture:
    """What to measure during one forward pass, and the result per layer: (rows, length - start, 3)."""

    layers: frozenset[int]
    spans: torch.Tensor
    """(rows, length) span codes; what is neither system, image nor question carries another number."""
    start: int
    mapped: Sequence[tuple[int, Sequence[int]]] = ()
    """For each response its row and the positions whose attention to each image token is wanted."""
    found: dict[int, torch.Tensor] = field(default_factory=dict[int, torch.Tensor])
    maps: dict[int, list[torch.Tensor]] = field(default_factory=dict[int, list[torch.Tensor]])
    """Per layer and response (positions, image tokens of its row)."""


_capture: Capture | None = None


@contextmanager
def capturing(config: Any, capture: Capture) -> Generator[Capture]:
    """Measure shares in all forward passes inside; `config` is that of the language model."""
    global _capture
    _capture = capture
    try:
        with attending(config, NAME):
            yield capture
    finally:
        _capture = None
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
    layer = getattr(module, "layer_idx", None)
    if _capture is None or layer not in _capture.layers:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    width = query.shape[-1]
    options["scaling"] = options.get("scaling") or width**-0.5  # the kernel's own would be that of the wider queries
    if any(positions for _, positions in _capture.mapped):
        _capture.maps[layer] = list(over_image(query, key, attention_mask, options["scaling"], _capture))
    marked = torch.cat([value, indicators(_capture.spans.to(value.device), value)], -1)
    # Fused kernels want values as wide as queries and keys; zeros there change no score.
    query, key = (functional.pad(some, (0, COLUMNS)) for some in (query, key))
    # (rows, length, heads, width)
    result, none = sdpa_attention_forward(module, query, key, marked, attention_mask, **options)
    _capture.found[layer] = result[:, _capture.start :, :, width : width + SPANS].mean(2)
    return result[..., :width], none


def over_image(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float, capture: Capture
) -> Generator[torch.Tensor]:
    """Yield head-averaged attention of the chosen positions to each image token: products of their queries alone."""
    heads, length, width = key.shape[1:]
    for row, positions in capture.mapped:
        image = (capture.spans[row] == IMAGE).to(key.device)
        rows: list[torch.Tensor] = []
        for some in torch.tensor(positions, dtype=torch.long, device=key.device).split(ROWS):
            asking = query[row][:, some].reshape(heads, -1, width)  # the queries of the heads that share a key
            scores = (asking @ key[row].transpose(-1, -2)).float().view(query.shape[1], len(some), length) * scaling
            if mask is None:
                seen = torch.arange(length, device=key.device) <= some[:, None]
            else:
                seen = mask[row % len(mask), 0, some]
            scores = scores.masked_fill(~seen, -torch.inf) if seen.dtype == torch.bool else scores + seen
            rows.append(scores.softmax(-1).mean(0)[:, image])
        yield torch.cat(rows)


def indicators(spans: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return (rows, heads, length, COLUMNS): column s is 1 where a position is in span s, those that follow are 0."""
    columns = torch.stack([spans == code for code in range(SPANS)], -1).to(like.dtype)
    columns = functional.pad(columns, (0, COLUMNS - SPANS))
    return columns[:, None].expand(-1, like.shape[1], -1, -1)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
