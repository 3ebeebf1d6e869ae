"""The losses, as pure functions of log-probabilities.

Padded tensors are (B, T) with a bool mask that is True on trained tokens. Every loss comes back per
sequence, (B,): weighting and averaging over a batch is the trainer's one decision, taken in one place.
Masked entries may hold anything, -inf and NaN included (the padding id is often a banned token).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

CHUNK = 1 << 24
"""Logits handled at once in float32: 64 MB, about 110 tokens of a 150k vocabulary (ours)."""

MAX_LOG_RATIO = 20.0
"""Cap in nats before an exponential, so that one wild token gives no infinite gradient (as verl; ours)."""


def token_logprobs(logits: Tensor, ids: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Log-probability of each id under its row of logits, in float32 whatever the dtype of the logits.

    `logits` (..., V), `ids` (...) int64; returns (...). Works through at most `chunk` logits at a
    time, forward and backward, so that beside the logits and their gradient, both in the model's
    own dtype, no tensor of tokens x V exists. A -inf logit is a banned token: probability 0.
    Raises ValueError where the shapes do not fit.
    """
    if logits.shape[:-1] != ids.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} do not fit ids {tuple(ids.shape)}; give one row of logits per id"
        )
    return _TokenLogprobs.apply(logits, ids, chunk)


def head_logprobs(head: Callable[[Tensor], Tensor], hidden: Tensor, ids: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Log-probability of each id under the head's logits for its hidden state.

    `hidden` (N, H), `ids` (N) int64; returns (N). Where N x V is more than `chunk` logits, each piece's logits
    are computed, used and given up, and computed again in the backward pass.
    """
    size = max(1, chunk // max(1, head(hidden[:1].detach()).shape[-1]))
    if len(ids) <= size:
        return token_logprobs(head(hidden), ids, chunk=chunk)

    def piece(some: Tensor, targets: Tensor) -> Tensor:
        return token_logprobs(head(some), targets, chunk=chunk)

    pieces = zip(hidden.split(size), ids.split(size), strict=True)
    return torch.cat([cast(Tensor, checkpoint(piece, *pair, use_reentrant=False)) for pair in pieces])


def imitation(logprobs: Tensor, mask: Tensor) -> Tensor:
    """Mean negative log-likelihood of each sequence's trained tokens, in nats.

    `logprobs` (B, T), `mask` (B, T) bool; returns (B,). Each attempt weighs the same whatever its
    length; 0 where nothing is trained. Source: VISTA, arXiv 2605.11931, SFT objective.
    """
    return _sequence_mean(-logprobs, mask)


def preference(
    chosen_sum: Tensor, rejected_sum: Tensor, ref_chosen_sum: Tensor, ref_rejected_sum: Tensor, beta: float
) -> Tensor:
    """DPO loss of each pair: -log sigmoid of `beta` times the difference of the two log-ratios.

    All (B,), log-probabilities in nats summed over the trained tokens, under the policy and under the
    reference; returns (B,). Source: arXiv 2305.18290, eq. 7.
    """
    margin = (chosen_sum - ref_chosen_sum) - (rejected_sum - ref_rejected_sum)
    return -F.logsigmoid(beta * margin)


def policy_gradient(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """Negative clipped surrogate, averaged over the trained tokens of each sequence.

    `logprobs`, `old_logprobs`, `mask` (B, T); `advantages` (B,) or (B, T); the probability ratio is
    clipped to [1 - clip_low, 1 + clip_high]. Returns (B,), to be minimised; 0 where nothing is
    trained. `old_logprobs` get no gradient. Source: GRPO, arXiv 2402.03300, eq. 3 without its KL
    term, which is `reference_kl`; two clip bounds as in DAPO, arXiv 2503.14476, §3.1.
    """
    if advantages.dim() == 1:
        advantages = advantages.unsqueeze(1)
    ratio = _masked(logprobs - old_logprobs.detach(), mask).clamp(max=MAX_LOG_RATIO).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    return _sequence_mean(-torch.minimum(ratio * advantages, clipped * advantages), mask)


def reference_kl(logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor | None = None) -> Tensor:
    """KL(policy || reference) estimated per token in nats: unbiased on the policy's samples, never negative.

    `logprobs`, `ref_logprobs` (B, T); returns (B, T), 0 outside `mask`. The reference gets no
    gradient. Source: k3 of Schulman, "Approximating KL divergence" (2020); arXiv 2402.03300, eq. 4.
    """
    log_ratio = ref_logprobs.detach() - logprobs
    if mask is not None:
        log_ratio = _masked(log_ratio, mask)
    log_ratio = log_ratio.clamp(max=MAX_LOG_RATIO)
    return torch.expm1(log_ratio) - log_ratio


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    """Zero what is masked by choosing, not multiplying: 0 x inf is NaN."""
    return torch.where(mask, values, torch.zeros_like(values))


def _sequence_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the trained tokens of each row; (B, T) to (B,)."""
    return _masked(values, mask).sum(-1) / mask.sum(-1).clamp(min=1)


def _pieces(rows: Tensor, *flat: Tensor, size: int) -> Iterator[tuple[Tensor, ...]]:
    """Walk (..., V) and companions (...) in step, in views of at most `size` rows.

    Recursing over the leading axes instead of flattening them keeps every piece a view: flattening
    the usual `logits[:, :-1]` would copy all of it.
    """
    if rows.dim() == 1:
        yield (rows.unsqueeze(0), *(f.unsqueeze(0) for f in flat))
    elif rows.dim() == 2:
        yield from zip(rows.split(size), *(f.split(size) for f in flat), strict=True)
    else:
        for row, *rest in zip(rows, *flat, strict=True):
            yield from _pieces(row, *rest, size=size)


class _TokenLogprobs(torch.autograd.Function):
    """log softmax at one id per row; the backward pass recomputes each piece's softmax."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, ids: Tensor, chunk: int) -> Tensor:
        size = max(1, chunk // logits.shape[-1])
        out = torch.empty(ids.shape, dtype=torch.float32, device=logits.device)
        norm = torch.empty_like(out)
        for row, index, o, z in _pieces(logits, ids, out, norm, size=size):
            z.copy_(row.float().logsumexp(-1))
            o.copy_(row.gather(-1, index.unsqueeze(-1)).squeeze(-1).float() - z)
        ctx.save_for_backward(logits, ids, norm)
        ctx.size = size
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        logits, ids, norm = ctx.saved_tensors
        grad_logits = torch.empty_like(logits)
        for row, index, z, g, target in _pieces(logits, ids, norm, grads[0], grad_logits, size=ctx.size):
            piece = (row.float() - z.unsqueeze(-1)).exp_().mul_(-g.unsqueeze(-1))
            piece.scatter_add_(-1, index.unsqueeze(-1), g.unsqueeze(-1))
            # An untrained row may be NaN or banned throughout, as behind padding; 0 x NaN would spread.
            target.copy_(piece.masked_fill_(g.unsqueeze(-1) == 0, 0.0))
        return grad_logits, None, None
