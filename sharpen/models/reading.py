"""Teacher-forced measurement: one forward pass, logits for response tokens only and in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from ..errors import ModelError
from ..progress import say
from ..types import Reading
from . import memory
from .lines import Line, Size, alike, places, predicted_at, share, split
from .prompts import READ_TOKENS
from .shares import Capture, capturing

if TYPE_CHECKING:
    from .hf import HF
    from .model import Read

LINES = 256
"""Most rows of a pass."""

LOGITS = 2**25
"""Logits held at once: 128 MiB in float32, however large the vocabulary."""


def readings(model: HF, requests: Sequence[Read]) -> Iterator[tuple[int, Reading]]:
    """Yield the reading of each request with its number; where memory runs out, the rest goes on in smaller passes."""
    for kind in alike([(r.layers, r.top) for r in requests]):
        left = dict.fromkeys(kind)
        packs, budget = model.packs, READ_TOKENS
        while left:
            order = list(left)
            some = [requests[i] for i in order]
            lines, held = share([r.prompt for r in some], [r.ids for r in some], packs=packs, width=model.width)
            cuts, _ = split([Size(1, x.length) for x in lines], most=LINES, budget=budget, width=model.width)
            tight: list[int] = []
            for cut in reversed(cuts):  # the longest first, so that memory runs out early or never
                own = [i for n in cut for i in held[n]]
                maps = [some[i].maps for i in own]
                found = measure(model, [lines[n] for n in cut], some[0].layers, some[0].top, maps)
                try:
                    for i, reading in zip(own, found, strict=True):
                        del left[order[i]]
                        yield order[i], reading
                except (RuntimeError, MemoryError) as error:
                    if not memory.ran_out(error):
                        raise
                    if len(own) == 1:
                        raise ModelError(f"the device has no memory to read one attempt; {memory.ADVICE}") from error
                    tight = cut
                    break
            if tight:  # only now the pass is gone, which the error held
                packs = packs and len(tight) > 1
                budget = min(budget, len(tight) * max(lines[n].length for n in tight)) // 2
                model.forget_memory()
                say(f"  the device ran out of memory; {len(left)} readings go on, at most {budget} tokens at a time")


@torch.inference_mode()
def measure(
    model: HF, lines: Sequence[Line], layers: Sequence[int], top: int, maps: Sequence[Sequence[int]]
) -> Iterator[Reading]:
    """Yield one reading per response, in the order of the lines; `maps` are the tokens of each that are mapped."""
    inputs = model.packed(lines)
    first = min(len(line.prompt.ids) for line in lines)
    mapped = [(row, [at + i for i in some]) for (row, _, at), some in zip(places(lines), maps, strict=True)]
    capture = Capture(frozenset(layers), _spans(lines, inputs["input_ids"]), first, mapped)
    with capturing(model.decoder.config, capture) if layers else nullcontext():
        hidden = model.net.model(**inputs, use_cache=False).last_hidden_state
    responses = [response for line in lines for response in line.responses]
    flat = [i for response in responses for i in response]
    before, at = _positions(lines, responses)
    rows, own = (torch.tensor(some, dtype=torch.long) for some in at)  # for layers on whatever devices
    predicted = hidden.flatten(0, 1)[torch.tensor(before, dtype=torch.long, device=hidden.device)]
    ids = torch.tensor(flat, dtype=torch.long, device=model.device)  # where the head leaves its logits
    logprobs, entropy, rank, best = _predictions(model, predicted, ids, top)
    # The prediction of a token stands before it; its own attention stands at its position.
    shares = {layer: capture.found[layer][rows, own - first].tolist() for layer in layers}
    end = 0
    for number, (response, tokens) in enumerate(zip(responses, maps, strict=True)):
        begin, end = end, end + len(response)
        some = slice(begin, end)
        attention = {layer: tuple((s[0], s[1], s[2]) for s in column[some]) for layer, column in shares.items()}
        top_ids = tuple(tuple(ids_at) for ids_at in best[some])
        over = {
            layer: dict(zip(tokens, map(tuple, capture.maps[layer][number].tolist()), strict=True))
            for layer in (layers if tokens else ())
        }
        yield Reading(tuple(logprobs[some]), tuple(entropy[some]), tuple(rank[some]), top_ids, attention, over)


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


def _positions(
    lines: Sequence[Line], responses: Sequence[Sequence[int]]
) -> tuple[list[int], tuple[list[int], list[int]]]:
    """Return where each token is predicted, in flattened positions, and line and position where it stands."""
    length = max(line.length for line in lines)
    before: list[int] = []
    rows: list[int] = []
    own: list[int] = []
    for (row, last, at), response in zip(places(lines), responses, strict=True):
        before += [row * length + i for i in predicted_at(last, at, len(response))]
        rows += [row] * len(response)
        own += range(at, at + len(response))
    return before, (rows, own)


def _spans(lines: Sequence[Line], ids: torch.Tensor) -> torch.Tensor:
    """Return (lines, length) span codes; responses and padding carry one that no span has."""
    spans = torch.full(ids.shape, 255, dtype=torch.uint8)
    for i, line in enumerate(lines):
        spans[i, : len(line.prompt.spans)] = torch.frombuffer(bytearray(line.prompt.spans), dtype=torch.uint8)
    return spans.to(ids.device)
