"""The decode loop: each prompt is read once, finished rows leave, and the next tasks take their rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..types import Finish, Part
from .branches import Branches, branching
from .draws import draw, penalised, streams, uniforms
from .model import Write
from .slots import Slots
from .stops import said

if TYPE_CHECKING:
    from .hf import HF

REFILL = 0.25
"""Rows wait until this share of them is free: reading a few prompts costs almost as much as reading many."""
CPU_REFILL = 0.75
"""The same on a CPU, where a step of few rows is cheap, and rows of like age see no more columns than they need."""
COMPACT = 0.06
"""Rows leave once more than this share of them has finished."""

Finished = tuple[int, int, Part, Finish, tuple[str, ...]]


@dataclass
class Attempt:
    """What one row of the batch writes."""

    request: int
    attempt: int
    given: tuple[int, ...] = ()
    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])


@torch.inference_mode()
def decode(model: HF, requests: Sequence[Write], rows: int) -> Iterator[Finished]:
    """Yield (request, attempt, part, finish, texts of the given runs) as attempts finish.

    `requests` come as `ordered` has them and share all settings but the limit of new tokens; none has more
    attempts than the batch has `rows`.
    """
    waiting = deque(range(len(requests)))
    batch = Batch(model, requests, min(rows, sum(len(r.attempts) for r in requests)))
    while waiting or batch.live:
        if waiting and batch.wants(requests[waiting[0]]):
            batch.admit(batch.next_of(waiting))
        yield from batch.draw()
        batch.compact()
        if batch.live:
            batch.forward()


class Batch:
    """Rows of attempts, each at a step of its own; the first `rows` are in use, a few of them by ended attempts."""

    def __init__(self, model: HF, requests: Sequence[Write], most: int) -> None:
        self.model, self.requests = model, requests
        self.sampling = requests[0].sampling
        self.stops = np.array(sorted(model.render.stop_ids))
        self.most, self.rows = most, 0
        self.attempts: list[Attempt | None] = [None] * most
        self.prompts = Branches(model.layers) if model.branches else None
        """Prompts, where rows share them; else each row has its prompt among its own tokens."""
        own = [standing(r) - (len(r.prompt.ids) if self.prompts else 0) for r in requests]
        longest = max(n + r.sampling.max_tokens for n, r in zip(own, requests, strict=True))
        self.cache = Slots(model.layers, most, max(own), longest)
        self.start = np.zeros(most, dtype=np.int64)  # first column of each row
        self.step = np.zeros(most, dtype=np.int64)  # tokens each row has written
        self.limit = np.zeros(most, dtype=np.int64)
        self.stream = np.zeros(most, dtype=np.uint64)
        self.logits = self.position = torch.empty(0, device=model.device)
        self.chosen = torch.zeros(most, dtype=torch.long, device=model.device)
        self.seen: torch.Tensor | None = None
        """Which ids stand in each row, (rows, vocabulary), where a penalty on repetition asks."""
        if self.sampling.repetition_penalty != 1:
            shape = (most, model.decoder.config.vocab_size)
            self.seen = torch.zeros(shape, dtype=torch.bool, device=model.device)

    @property
    def live(self) -> list[int]:
        """Rows that have an attempt."""
        return [i for i, a in enumerate(self.attempts[: self.rows]) if a is not None]

    def wants(self, request: Write) -> bool:
        """Whether enough rows are free to read prompts for them."""
        free = self.attempts.count(None)
        share = CPU_REFILL if self.model.device.type == "cpu" else REFILL
        return free >= max(len(request.attempts), share * self.most)

    def next_of(self, waiting: deque[int]) -> list[int]:
        """Take from the queue the requests that fit into the free rows."""
        free, taken = self.attempts.count(None), list[int]()
        while waiting and len(self.requests[waiting[0]].attempts) <= free:
            taken.append(waiting.popleft())
            free -= len(self.requests[taken[-1]].attempts)
        return taken

    def admit(self, taken: Sequence[int]) -> None:
        """Have the prompts of requests read, and what is given after them, and let each attempt have a row."""
        self.compact(0)
        model, of = self.model, [self.requests[i] for i in taken]
        read = model.read_prompts
        runs = read.go_on(of, read.read([r.prompt for r in of])) if model.packs else read.whole(of)
        given = [tuple(i for some in r.given for i in some) for r in of]
        new = [[Attempt(i, a, g) for a in self.requests[i].attempts] for i, g in zip(taken, given, strict=True)]
        run = np.repeat(np.arange(len(runs)), [*map(len, new)])
        held = 0
        if self.prompts is not None:
            held = 1
            distinct = list({id(prompt): prompt for prompt, *_ in runs}.values())
            which = {id(prompt): n for n, prompt in enumerate(distinct)}
            self.prompts.admit(distinct, np.array([which[id(prompt)] for prompt, *_ in runs])[run])
        length = np.array([sum(map(len, some[held:])) for some in runs])
        rows = self._seat([a for some in new for a in some], length[run])
        index = torch.from_numpy(run).to(model.device)
        self.cache.place(runs, index, rows, held=held)
        ends = [some[-1] for some in runs]
        self.logits = torch.cat([self.logits, model.head(torch.stack([end.state for end in ends]))[index]])
        position = torch.stack([end.position for end in ends], -1)[..., index]
        self.position = torch.cat([self.position, position], -1) if self.position.numel() else position

    def _seat(self, new: Sequence[Attempt], length: np.ndarray) -> slice:
        """Give attempts, before which a row of its own has `length` tokens, the next rows; return these."""
        rows = slice(self.rows, self.rows + len(new))
        of = [self.requests[a.request] for a in new]
        self.start[rows], self.step[rows] = self.cache.window.high - length, 0
        self.limit[rows] = [r.sampling.max_tokens for r in of]
        self.stream[rows] = streams([(r.seed, a.attempt) for r, a in zip(of, new, strict=True)])
        self.attempts[rows] = new
        self.rows = rows.stop
        if self.seen is not None:
            for row, request in enumerate(of, rows.start):
                self.seen[row] = False
                self.seen[row, [*request.prompt.ids, *(i for run in request.given for i in run)]] = True
        return rows

    def draw(self) -> Iterator[Finished]:
        """Draw a token for every row, and yield the attempts that it ends."""
        some = slice(self.rows)
        logits = self.logits
        if self.seen is not None:
            logits = penalised(logits, self.seen[some], self.sampling.repetition_penalty)
        chosen = draw(logits, uniforms(self.stream[some], self.step[some]), self.sampling)
        own = torch.log_softmax(self.logits, -1).gather(-1, chosen[:, None])[:, 0]
        tokens, logprobs = chosen.cpu().numpy(), own.tolist()
        if self.seen is not None:
            self.seen[some].scatter_(1, chosen[:, None], True)
        self.chosen[some] = chosen
        self.step[some] += 1
        stopped = np.isin(tokens, self.stops)
        full = self.step[some] >= self.limit[some]
        live = [(row, a) for row, a in enumerate(self.attempts[some]) if a is not None]
        for row, attempt in live:
            attempt.ids.append(int(tokens[row]))
            attempt.logprobs.append(logprobs[row])
        if self.sampling.stop:
            stopped[[row for row, _ in live]] |= said([a for _, a in live], self.sampling.stop, self.model.render.said)
        for row, attempt in live:
            stop = bool(stopped[row])
            if stop or full[row]:
                self.attempts[row] = None
                yield finished(self.model, self.requests[attempt.request], attempt, "stop" if stop else "length")

    def compact(self, share: float = COMPACT) -> None:
        """Fill the rows of finished attempts with the last ones, where more than a `share` of the rows is such."""
        live = np.array(self.live, dtype=np.int64)
        if self.rows - len(live) <= share * self.rows:
            return
        kept = np.arange(len(live))
        target, source = np.setdiff1d(kept, live), live[live >= len(live)]
        kept[target] = source
        for held in (self.start, self.step, self.limit, self.stream):
            held[target] = held[source]
        for a, b in zip(target.tolist(), source.tolist(), strict=True):
            self.attempts[a], self.attempts[b] = self.attempts[b], None
        to, of, all_of = (torch.from_numpy(some).to(self.model.device) for some in (target, source, kept))
        self.cache.move(of, to)
        self.chosen[to] = self.chosen[of]
        if self.seen is not None:
            self.seen[to] = self.seen[of]
        self.logits, self.position = self.logits[all_of], self.position[..., all_of]
        if self.prompts is not None:
            self.prompts.keep(kept)
        self.rows = len(live)

    def forward(self) -> None:
        """Have the model read the drawn tokens, and leave what it says of the next ones in `logits`."""
        model, some = self.model, slice(self.rows)
        low = int(self.start[self.live].min())
        self.cache.window.low = low
        self.position = self.position + 1
        start = torch.from_numpy(self.start[some]).to(model.device)
        column = torch.arange(low, self.cache.window.high + 1, device=model.device)
        # A row whose attempt ended sees what was there before; all rows see their present column.
        mask = column >= start[:, None]
        # A family that takes no mask of four dimensions gets one of two.
        whole = mask[:, None, None] if model.packs else mask.long()
        shared = self.prompts
        with branching(model.decoder.config, shared) if shared else nullcontext():
            out = model.net.model(
                input_ids=self.chosen[some, None],
                attention_mask=shared.sees(mask) if shared else whole,
                position_ids=self.position[..., None],
                past_key_values=self.cache,
                use_cache=True,
            )
        self.logits = model.head(out.last_hidden_state[:, -1])
        self.start -= self.cache.advance(low)


def ordered(requests: Sequence[Write]) -> list[int]:
    """Return the order of requests: the longest first, so that memory runs out early or never.

    Those that show the same pictures come with the longest of them: their pixels are made once, though few are kept.
    """
    together: dict[tuple[str, ...], list[int]] = {}
    for i in sorted(range(len(requests)), key=lambda i: -standing(requests[i])):
        shown = tuple(image.sha256 for image in requests[i].prompt.task.images)
        together.setdefault(shown or (str(i),), []).append(i)
    return [i for some in together.values() for i in some]


def standing(request: Write) -> int:
    """Return the tokens that stand before the new ones."""
    return len(request.prompt.ids) + sum(map(len, request.given))


def finished(model: HF, request: Write, attempt: Attempt, finish: Finish) -> Finished:
    """Put a finished row into words."""
    *given, text = model.render.texts([*request.given, attempt.ids])
    part = Part(tuple(attempt.ids), text, "model", tuple(attempt.logprobs))
    return attempt.request, attempt.attempt, part, finish, tuple(given)
