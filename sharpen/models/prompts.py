"""Prompts as the network has read them: kept, so that more attempts and resumed prefixes go on without another look.

Only for families that pack: the others read prompt and prefix of a request as one sequence, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from ..incoming import PORTION
from .lines import Line, Size, identity, places, share, split

if TYPE_CHECKING:
    from .hf import HF
    from .model import Prompt, Write

K = TypeVar("K")
V = TypeVar("V")

READ_TOKENS = 2**15
"""Most tokens read in one pass, padding included."""
CPU_READ_TOKENS = 2**12
"""The same of prompts on a CPU: larger tensors are fetched anew from the system for each operation."""
CPU_KEPT_BYTES = 2**27
GPU_KEPT_SHARE = 0.05
"""Share of a GPU's whole memory for prompts that are kept."""


@dataclass(frozen=True)
class Stretch:
    """Tokens that the network has read: of each layer keys and values (heads, tokens, width), and how they end."""

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    state: torch.Tensor
    """Hidden state of the last token, (width)."""
    position: torch.Tensor
    """Position of the last token, one number or one for each axis."""

    def __len__(self) -> int:
        return self.keys[0].shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def alone(self) -> Stretch:
        """Return it in tensors of its own: a view keeps all of the pass that it is a view of."""
        keys, values = (tuple(tensor.clone() for tensor in some) for some in (self.keys, self.values))
        return Stretch(keys, values, self.state.clone(), self.position.clone())


class Prompts:
    """The prompts of one network that were read last.

    A change of its weights in place is noticed, unless it is made behind autograd's back, by `.data`: then `forget`.
    """

    def __init__(self, model: HF) -> None:
        self.model = model
        self.kept: dict[object, Stretch] = {}
        self._weights = -1

    def read(self, prompts: Sequence[Prompt]) -> list[Stretch]:
        """Return prompts as read; those that are not kept are read now, each once."""
        version = sum(p._version for p in self.model.net.parameters())
        if version != self._weights:  # what other weights made of a prompt is no more true
            self.kept, self._weights = {}, version
        keys = [identity(p) for p in prompts]
        found = {key: self.kept.pop(key, None) for key in dict.fromkeys(keys)}
        self._leave_room(coming=len(found))  # before the new ones are there beside those that leave
        new = [(key, p) for key, p in dict(zip(keys, prompts, strict=True)).items() if found[key] is None]
        lines = [Line(p, ((),)) for _, p in new]
        for at, stretch in self._pass_by_pass(lines):
            found[new[at][0]] = stretch.alone()
        stretches = {key: stretch for key, stretch in found.items() if stretch is not None}
        self.kept.update(stretches)
        self._leave_room()
        return [stretches[key] for key in keys]

    def go_on(self, requests: Sequence[Write], prompts: Sequence[Stretch]) -> list[list[Stretch]]:
        """Return what attempts at each request stand behind: its prompt, and what is given where anything is."""
        given = [tuple(i for run in r.given for i in run) for r in requests]
        some = [i for i, ids in enumerate(given) if ids]
        found = [[prompt] for prompt in prompts]
        lines, held = share(
            [requests[i].prompt for i in some], [given[i] for i in some], packs=True, width=self.model.width
        )
        owners = [[some[n] for n in of] for of in held]
        order = [i for of in owners for i in of]
        before = [prompts[of[0]] for of in owners]
        for at, stretch in self._pass_by_pass(lines, before):
            found[order[at]].append(stretch)
        return found

    def whole(self, requests: Sequence[Write]) -> list[list[Stretch]]:
        """Return the same for a family that does not pack, prompt and what is given read as one."""
        lines = [Line(r.prompt, (tuple(i for run in r.given for i in run),)) for r in requests]
        return [[stretch] for _, stretch in sorted(self._pass_by_pass(lines), key=lambda found: found[0])]

    def forget(self) -> None:
        """Keep none."""
        self.kept = {}

    def _pass_by_pass(
        self, lines: Sequence[Line], before: Sequence[Stretch] | None = None
    ) -> Iterator[tuple[int, Stretch]]:
        """Read lines in as many passes as need be; yield each response, with its prompt where no stretch is `before`.

        The number counts responses line by line.
        """
        model = self.model
        first = [0, *accumulate(len(line.responses) for line in lines)]
        sizes = [Size(1, line.length - (len(line.prompt.ids) if before else 0)) for line in lines]
        budget = CPU_READ_TOKENS if model.device.type == "cpu" else READ_TOKENS
        cuts, _ = split(sizes, most=len(lines), budget=budget, width=model.width)
        for cut in reversed(cuts):  # the longest first, so that memory runs out early or never
            some = [lines[n] for n in cut]
            stretches = self._pass(some, None if before is None else [before[n] for n in cut])
            yield from zip((first[n] + i for n in cut for i in range(len(lines[n].responses))), stretches, strict=True)

    def _pass(self, lines: Sequence[Line], before: Sequence[Stretch] | None) -> Iterator[Stretch]:
        model = self.model
        inputs = model.packed(lines, read=before is not None)
        # A plain cache holds whole prompts, also for layers that look through a window.
        cache = DynamicCache() if before is None else holding(before)
        read: Any = model.net.model(**inputs, past_key_values=cache, use_cache=True)
        layers: list[Any] = list(cache.layers)
        longest = max(map(len, before)) if before else 0
        for (line, last, at), response in zip(places(lines), (r for x in lines for r in x.responses), strict=True):
            start = at - last - 1 if before else 0  # among the tokens of this pass
            end = (start if before else at) + len(response)
            seen = slice(longest + start, longest + end)
            yield Stretch(
                tuple(layer.keys[line, :, seen] for layer in layers),
                tuple(layer.values[line, :, seen] for layer in layers),
                read.last_hidden_state[line, end - 1],
                inputs["position_ids"][..., line, end - 1],
            )

    def _leave_room(self, coming: int = 0) -> None:
        device = self.model.device
        room = CPU_KEPT_BYTES
        if device.type != "cpu":
            room = int(torch.cuda.get_device_properties(device).total_memory * GPU_KEPT_SHARE)
        leave_room(self.kept, room, lambda stretch: stretch.nbytes, coming)


def leave_room(kept: dict[K, V], room: int, nbytes: Callable[[V], int], coming: int = 0) -> None:
    """Drop what came first, until what is kept has at most `room` bytes and is, with what is `coming`, a portion's.

    A round comes back to what it made for a portion of tasks, and to that of portions before in training at most.
    """
    total = sum(map(nbytes, kept.values()))
    for key in list(kept):
        if total <= room and len(kept) + coming <= PORTION:
            return
        total -= nbytes(kept.pop(key))


def holding(stretches: Sequence[Stretch]) -> DynamicCache:
    """Return a cache in which row i has seen stretch i, padded on the right."""
    cache = DynamicCache()
    for n in range(len(stretches[0].keys)):
        cache.update(beside([s.keys[n] for s in stretches]), beside([s.values[n] for s in stretches]), n)
    return cache


def beside(some: Sequence[torch.Tensor], side: str = "right") -> torch.Tensor:
    """Put tensors of (heads, tokens, width) into one of (number, heads, most tokens, width)."""
    turned = [tensor.transpose(0, 1) for tensor in some]
    return pad_sequence(turned, batch_first=True, padding_side=side).transpose(1, 2)


def joined(some: Sequence[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    """Put tensors of (heads, tokens, width) one after the other; none of them is one without tokens."""
    return some[0] if len(some) == 1 else torch.cat([like[:, :0], *some], 1)
