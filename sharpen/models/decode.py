"""The decode loop: read each prompt once, branch its cache into the attempts, let finished rows leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ..types import Finish, Part
from .draws import draw, streams, uniforms
from .model import Write

if TYPE_CHECKING:
    from .hf import HF

COMPACT_SHARE = 0.05
"""Rows leave once this share of the batch has finished: copying the cache for each would cost more."""

Finished = tuple[int, int, Part, Finish, tuple[str, ...]]


@dataclass
class Attempt:
    """One row of the batch."""

    request: int
    attempt: int
    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])
    done: bool = False


@torch.inference_mode()
def decode(model: HF, requests: Sequence[Write]) -> Iterator[Finished]:
    """Yield (request, attempt, part, finish, texts of the given runs) as attempts finish.

    All requests share one temperature, top-p and top-k; each has its own limit of new tokens.
    """
    from .hf import Row

    rows = [Row(r.prompt, tuple(i for run in r.given for i in run)) for r in requests]
    inputs = model.inputs(rows, left=True)
    out = model.net.model(**inputs, use_cache=True)
    cache, hidden = out.past_key_values, out.last_hidden_state[:, -1]

    live = [Attempt(at, attempt) for at, r in enumerate(requests) for attempt in r.attempts]
    branch = torch.tensor([a.request for a in live], device=model.device)
    cache.batch_select_indices(branch)
    logits, mask = model.head(hidden)[branch], inputs["attention_mask"][branch]
    positions = inputs["position_ids"][:, -1][branch]
    stream = streams([(requests[a.request].seed, a.attempt) for a in live])

    step = 0
    while True:
        chosen = draw(logits, uniforms(stream, step), requests[0].sampling)
        logprobs = torch.log_softmax(logits, -1).gather(-1, chosen[:, None])[:, 0]
        step += 1
        for a, token, logprob in zip(live, chosen.tolist(), logprobs.tolist(), strict=True):
            if not a.done:
                a.ids.append(token)
                a.logprobs.append(logprob)
                stopped = token in model.render.stop_ids
                if stopped or step == requests[a.request].sampling.max_tokens:
                    a.done = True
                    yield finished(model, requests[a.request], a, "stop" if stopped else "length")

        keep = [i for i, a in enumerate(live) if not a.done]
        if not keep:
            return
        if len(live) - len(keep) >= COMPACT_SHARE * len(live):
            live, stream = [live[i] for i in keep], stream[keep]
            index = torch.tensor(keep, device=model.device)
            cache.batch_select_indices(index)
            chosen, mask, positions = chosen[index], mask[index], positions[index]

        mask = torch.cat([mask, mask.new_ones(len(live), 1)], 1)
        positions = positions + 1
        out = model.net.model(
            input_ids=chosen[:, None],
            attention_mask=mask,
            position_ids=positions[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        logits = model.head(out.last_hidden_state[:, -1])


def finished(model: HF, request: Write, attempt: Attempt, finish: Finish) -> Finished:
    """Put a finished row into words."""
    *given, text = model.render.texts([*request.given, attempt.ids])
    part = Part(tuple(attempt.ids), text, "model", tuple(attempt.logprobs))
    return attempt.request, attempt.attempt, part, finish, tuple(given)
