"""Random numbers by address, and tokens drawn with them: what an attempt gets does not depend on its batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ..types import digest
from .model import Sampling


def streams(addresses: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return one 64-bit stream number per (seed, attempt)."""
    return np.array([int(digest("draw", *a)[:16], 16) for a in addresses], dtype=np.uint64)


def uniforms(streams: np.ndarray, step: int | np.ndarray) -> np.ndarray:
    """Return a number in [0, 1) per stream for its step: SplitMix64 (Steele et al., OOPSLA 2014) at position `step`."""
    with np.errstate(over="ignore"):
        z = streams + np.asarray(step + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


def draw(logits: torch.Tensor, uniform: np.ndarray, sampling: Sampling) -> torch.Tensor:
    """Draw one id per row of (rows, vocabulary) logits by inverting the distribution; greedy at temperature 0."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = keep_likeliest(logits / sampling.temperature, sampling)
    cumulative = torch.softmax(logits, -1).cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    point = torch.from_numpy(uniform).to(total.device)[:, None] * total
    # Rounding must not carry a draw past the last id that has any probability.
    point = torch.minimum(point, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, point, right=True)[:, 0]


def keep_likeliest(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Mask all but the top-k, then the nucleus (top-p, arXiv 1904.09751), then min-p (arXiv 2407.01082) of each row."""
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, -1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        ordered, order = logits.sort(-1, descending=True)
        before = torch.softmax(ordered, -1).cumsum(-1) - torch.softmax(ordered, -1)
        logits = logits.masked_fill((before >= sampling.top_p).gather(-1, order.argsort(-1)), -torch.inf)
    if sampling.min_p > 0:
        least = logits.amax(-1, keepdim=True) + math.log(sampling.min_p)
        logits = logits.masked_fill(logits < least, -torch.inf)
    return logits


def penalised(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> torch.Tensor:
    """Make ids that stand in a row already less likely by a factor on their logits (CTRL, arXiv 1909.05858, §4.1)."""
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
