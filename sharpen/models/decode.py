"""The decode loop: each prompt is read once, finished rows leave, and the next tasks take their rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import DynamicCache

from ..types import Finish, Part
from .draws import draw, penalised, streams, uniforms
from .lines import Line, share, spans
from .model import Write
from .slots import Slots

if TYPE_CHECKING:
    from .hf import HF

REFILL = 0.25
"""Rows wait until this share of them is free: reading a few prompts costs almost as much as reading many."""
COMPACT = 0.1
"""When nothing waits, rows leave once this share of them has finished."""
READ_TOKENS = 2**15
"""Most tokens of prompts read at once, padding included."""

Finished = tuple[int, int, Part, Finish, tuple[str, ...]]


@dataclass
class Attempt:
    """What one row of the batch writes."""

    request: int
    attempt: int
    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])


@torch.inference_mode()
def decode(model: HF, requests: Sequence[Write], rows: int) -> Iterator[Finished]:
    """Yield (request, attempt, part, finish, texts of the given runs) as attempts finish.

    `requests` come longest first and share all settings but the limit of new tokens; none has more
    attempts than the batch has `rows`.
    """
    waiting = deque(range(len(requests)))
    batch = Batch(model, requests, min(rows, sum(len(r.attempts) for r in requests)))
    while waiting or batch.live:
        if waiting and batch.wants(requests[waiting[0]]):
            batch.admit(batch.next_of(waiting))
        yield from batch.draw()
        if not waiting:
            batch.compact()
        if batch.live:
            batch.forward()


class Batch:
    """Rows of attempts, each at a step of its own; a row without an attempt is free and computes nothing of use."""

    def __init__(self, model: HF, requests: Sequence[Write], rows: int) -> None:
        self.model, self.requests = model, requests
        self.sampling = requests[0].sampling
        self.stops = np.array(sorted(model.render.stop_ids))
        self.attempts: list[Attempt | None] = [None] * rows
        self.cache = Slots(model.layers, rows, high=max(map(standing, requests)))
        self.start = np.zeros(rows, dtype=np.int64)  # first column of each row
        self.step = np.zeros(rows, dtype=np.int64)  # tokens each row has written
        self.limit = np.zeros(rows, dtype=np.int64)
        self.stream = np.zeros(rows, dtype=np.uint64)
        self.logits = torch.empty(0)
        self.chosen = torch.zeros(rows, dtype=torch.long, device=model.device)
        self.position = torch.empty(0)
        self.seen: torch.Tensor | None = None
        """Which ids stand in each row, (rows, vocabulary), where a penalty on repetition asks."""
        if self.sampling.repetition_penalty != 1:
            shape = (rows, model.decoder.config.vocab_size)
            self.seen = torch.zeros(shape, dtype=torch.bool, device=model.device)

    @property
    def live(self) -> list[int]:
        """Rows that have an attempt."""
        return [i for i, a in enumerate(self.attempts) if a is not None]

    def wants(self, request: Write) -> bool:
        """Whether enough rows are free to read prompts for them."""
        free = self.attempts.count(None)
        return free >= max(len(request.attempts), REFILL * len(self.attempts))

    def next_of(self, waiting: deque[int]) -> list[int]:
        """Take from the queue the requests that fit into the free rows and into one reading of prompts."""
        free, taken = self.attempts.count(None), list[int]()
        while waiting and len(self.requests[waiting[0]].attempts) <= free:
            longest = standing(self.requests[taken[0] if taken else waiting[0]])
            if taken and longest * (len(taken) + 1) > READ_TOKENS:
                break
            taken.append(waiting.popleft())
            free -= len(self.requests[taken[-1]].attempts)
        return taken

    def admit(self, taken: Sequence[int]) -> None:
        """Read the prompts of requests, and give each of their attempts a free row."""
        model = self.model
        of = [self.requests[i] for i in taken]
        given = [tuple(i for run in r.given for i in run) for r in of]
        lines, held = share([r.prompt for r in of], given, packs=model.packs, width=model.width)
        inputs = model.packed(lines)
        # A plain cache holds whole prompts, also for layers that look through a window.
        read = model.net.model(**inputs, past_key_values=DynamicCache(), use_cache=True)
        new = [[Attempt(taken[i], a) for a in self.requests[taken[i]].attempts] for some in held for i in some]
        line, at, length = (some.repeat_interleave(torch.tensor([*map(len, new)]), 0) for some in where(lines))
        rows = self._seat([a for some in new for a in some], length.numpy())

        line, at, slots = (some.to(model.device) for some in (line, at, torch.from_numpy(rows)))
        self.cache.place(read.past_key_values, slots, line, at)
        logits = model.head(read.last_hidden_state[line, at[:, -1]])
        position = inputs["position_ids"][..., line, at[:, -1]]
        if not self.logits.numel():
            self.logits = logits.new_zeros(len(self.attempts), logits.shape[-1])
            self.position = position.new_zeros((*position.shape[:-1], len(self.attempts)))
        self.logits[slots], self.position[..., slots] = logits, position

    def _seat(self, new: Sequence[Attempt], length: np.ndarray) -> np.ndarray:
        """Give attempts, before which `length` tokens stand, free rows; return these."""
        rows = np.array([i for i, a in enumerate(self.attempts) if a is None][: len(new)])
        of = [self.requests[a.request] for a in new]
        self.start[rows], self.step[rows] = self.cache.high - length, 0
        self.limit[rows] = [r.sampling.max_tokens for r in of]
        self.stream[rows] = streams([(r.seed, a.attempt) for r, a in zip(of, new, strict=True)])
        for row, attempt, request in zip(rows.tolist(), new, of, strict=True):
            self.attempts[row] = attempt
            if self.seen is not None:
                self.seen[row] = False
                self.seen[row, [*request.prompt.ids, *(i for run in request.given for i in run)]] = True
        return rows

    def draw(self) -> Iterator[Finished]:
        """Draw a token for every row, and yield the attempts that it ends."""
        logits = self.logits
        if self.seen is not None:
            logits = penalised(logits, self.seen, self.sampling.repetition_penalty)
        self.chosen = draw(logits, uniforms(self.stream, self.step), self.sampling)
        own = torch.log_softmax(self.logits, -1).gather(-1, self.chosen[:, None])[:, 0]
        tokens, logprobs = self.chosen.cpu().numpy(), own.tolist()
        if self.seen is not None:
            self.seen.scatter_(1, self.chosen[:, None], True)
        self.step += 1
        stopped = np.isin(tokens, self.stops)
        full = self.step >= self.limit
        for row, (token, attempt) in enumerate(zip(tokens.tolist(), self.attempts, strict=True)):
            if attempt is None:
                continue
            attempt.ids.append(token)
            attempt.logprobs.append(logprobs[row])
            stop = bool(stopped[row]) or self._says_stop(attempt)
            if stop or full[row]:
                self.attempts[row] = None
                yield finished(self.model, self.requests[attempt.request], attempt, "stop" if stop else "length")

    def compact(self) -> None:
        """Let finished rows leave, where there are enough of them to be worth a copy of the rest."""
        live = self.live
        if not live or len(self.attempts) - len(live) < COMPACT * len(self.attempts):
            return
        index = torch.tensor(live, device=self.model.device)
        self.cache.keep(index)
        self.chosen, self.position = self.chosen[index], self.position[..., index]
        self.start, self.step, self.limit = self.start[live], self.step[live], self.limit[live]
        self.stream, self.attempts = self.stream[live], [self.attempts[i] for i in live]
        self.seen = self.seen[index] if self.seen is not None else None

    def forward(self) -> None:
        """Have the model read the drawn tokens, and leave what it says of the next ones in `logits`."""
        low = int(self.start[self.live].min())
        self.cache.low = low
        self.position = self.position + 1
        start = torch.from_numpy(self.start).to(self.model.device)
        column = torch.arange(low, self.cache.high + 1, device=self.model.device)
        # A free row sees what was there before it; a family that takes no mask of four dimensions gets one of two.
        mask = column >= start[:, None]
        out = self.model.net.model(
            input_ids=self.chosen[:, None],
            attention_mask=mask[:, None, None] if self.model.packs else mask.long(),
            position_ids=self.position[..., None],
            past_key_values=self.cache,
            use_cache=True,
        )
        self.logits = self.model.head(out.last_hidden_state[:, -1])
        self.start -= self.cache.advance(low)

    def _says_stop(self, attempt: Attempt) -> bool:
        """Whether the text so far holds one of the stop strings; the last token must have completed it."""
        stops = self.sampling.stop
        return bool(stops) and any(s in self.model.render.texts([attempt.ids])[0] for s in stops)


def where(lines: Sequence[Line]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return of each response its line, the positions of its prompt and itself, right-aligned, and their number."""
    found = list(spans(lines))
    longest = max(len(at) for _, at in found)
    padded = [[0] * (longest - len(at)) + at for _, at in found]
    return torch.tensor([n for n, _ in found]), torch.tensor(padded), torch.tensor([len(at) for _, at in found])


def standing(request: Write) -> int:
    """Return the tokens that stand before the new ones."""
    return len(request.prompt.ids) + sum(map(len, request.given))


def finished(model: HF, request: Write, attempt: Attempt, finish: Finish) -> Finished:
    """Put a finished row into words."""
    *given, text = model.render.texts([*request.given, attempt.ids])
    part = Part(tuple(attempt.ids), text, "model", tuple(attempt.logprobs))
    return attempt.request, attempt.attempt, part, finish, tuple(given)
