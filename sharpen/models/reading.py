"""Teacher-forced measurement: one forward pass, logits for response tokens only and in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from ..types import Reading
from .shares import Capture, capturing

if TYPE_CHECKING:
    from .hf import HF, Row

LOGITS = 2**25
"""Logits held at once: 128 MiB in float32, however large the vocabulary."""


@torch.inference_mode()
def measure(model: HF, rows: Sequence[Row], layers: Sequence[int], top: int) -> Iterator[Reading]:
    """Yield one reading per row, in order."""
    inputs = model.inputs(rows)
    ids = inputs["input_ids"]
    starts = [len(r.prompt.ids) for r in rows]
    first = min(starts)
    capture = Capture(frozenset(layers), _spans(rows, ids), first)
    with capturing(model.decoder.config, capture) if layers else nullcontext():
        hidden = model.net.model(**inputs, use_cache=False).last_hidden_state
    at = torch.tensor([(i, p) for i, r in enumerate(rows) for p in range(starts[i], len(r))], device=ids.device)
    at = at.reshape(-1, 2)
    # The prediction of a token stands one position before it; its own attention stands at its position.
    logprobs, entropy, rank, best = _predictions(model, hidden[at[:, 0], at[:, 1] - 1], ids[at[:, 0], at[:, 1]], top)
    shares = {layer: capture.found[layer][at[:, 0], at[:, 1] - first].tolist() for layer in layers}
    end = 0
    for row in rows:
        begin, end = end, end + len(row.response)
        some = slice(begin, end)
        attention = {layer: tuple((s[0], s[1], s[2]) for s in column[some]) for layer, column in shares.items()}
        top_ids = tuple(tuple(ids_at) for ids_at in best[some])
        yield Reading(tuple(logprobs[some]), tuple(entropy[some]), tuple(rank[some]), top_ids, attention)


def _predictions(
    model: HF, hidden: torch.Tensor, ids: torch.Tensor, top: int
) -> tuple[list[float], list[float], list[int], list[list[int]]]:
    """Return log-prob, entropy and rank of each id, and the likeliest ids at its position."""
    logprobs: list[float] = []
    entropy: list[float] = []
    rank: list[int] = []
    best: list[list[int]] = []
    size = max(1, LOGITS // model.decoder.config.vocab_size)
    for some, target in zip(hidden.split(size), ids.split(size), strict=True):
        predicted = torch.log_softmax(model.head(some), -1)
        own = predicted.gather(-1, target[:, None])
        logprobs += own[:, 0].tolist()
        entropy += torch.special.entr(predicted.exp()).sum(-1).tolist()
        rank += (predicted > own).sum(-1).tolist()
        best += predicted.topk(min(top, predicted.shape[-1]), -1).indices.tolist()
    return logprobs, entropy, rank, best


def _spans(rows: Sequence[Row], ids: torch.Tensor) -> torch.Tensor:
    """Return (rows, length) span codes; response and padding carry one that no span has."""
    spans = torch.full(ids.shape, 255, dtype=torch.uint8)
    for i, row in enumerate(rows):
        spans[i, : len(row.prompt.spans)] = torch.frombuffer(bytearray(row.prompt.spans), dtype=torch.uint8)
    return spans.to(ids.device)
