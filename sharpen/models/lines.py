"""Rows for one teacher-forced pass: a prompt once, and one response or several behind it that do not see each other.

Used where all tokens are known: in reading and in training.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch.nn.utils.rnn import pad_sequence

from .model import Prompt

PASS = 100
"""What one more pass costs, in tokens of work (measured on the tiny model; ours)."""


@dataclass(frozen=True)
class Line:
    """One row of a pass."""

    prompt: Prompt
    responses: tuple[tuple[int, ...], ...]

    @cached_property
    def length(self) -> int:
        """Tokens of the prompt and of all responses."""
        return len(self.prompt.ids) + sum(map(len, self.responses))


@dataclass(frozen=True)
class Size:
    """What matters of an item when passes are filled: its rows, the longest of them, and what it counts for."""

    rows: int
    longest: int
    count: int = 1


def identity(prompt: Prompt) -> object:
    """Return what two prompts must have in common to be one: ids and images."""
    return prompt.ids, tuple(image.sha256 for image in prompt.task.images)


def alike(kinds: Sequence[Hashable]) -> list[list[int]]:
    """Return the positions of equal kinds together: what may share a batch."""
    found: dict[Hashable, list[int]] = {}
    for at, kind in enumerate(kinds):
        found.setdefault(kind, []).append(at)
    return list(found.values())


def share(
    prompts: Sequence[Prompt], responses: Sequence[tuple[int, ...]], *, packs: bool, width: int
) -> tuple[list[Line], list[list[int]]]:
    """Put responses to one prompt into one line, as long as that is less work than a line of their own.

    Returns the lines, and of each which of the given responses it holds. Nothing is shared unless `packs`.
    """
    found: dict[object, list[list[int]]] = {}
    length: dict[object, int] = {}
    for i, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        key = identity(prompt) if packs else i
        before, alone = length.get(key, 0), len(prompt.ids) + len(response)
        longer = before + len(response)
        if before and longer * _dear(longer, width) <= before * _dear(before, width) + alone * _dear(alone, width):
            found[key][-1].append(i)
            length[key] = longer
        else:
            found.setdefault(key, []).append([i])
            length[key] = alone
    held = [some for lines in found.values() for some in lines]
    return [Line(prompts[some[0]], tuple(responses[i] for i in some)) for some in held], held


def split(sizes: Sequence[Size], *, most: int, budget: int, width: int) -> tuple[list[list[int]], float]:
    """Cut items, ordered by length, into the passes whose cost is least; return their positions and that cost.

    A pass has items that count for at most `most` and at most `budget` tokens, padding included; an item
    that is too large by itself has a pass of its own.
    """
    order = sorted(range(len(sizes)), key=lambda i: (sizes[i].longest, i))
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(order) + 1):
        longest = sizes[order[end - 1]].longest
        rows = count = 0
        found: tuple[float, int] | None = None
        for start in reversed(range(end)):
            size = sizes[order[start]]
            rows, count = rows + size.rows, count + size.count
            if start < end - 1 and (count > most or rows * longest > budget):
                break
            total = best[start][0] + PASS + rows * longest * _dear(longest, width)
            if found is None or total < found[0]:
                found = (total, start)
        best.append(found or (0.0, 0))
    cuts = [len(order)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    return [order[start:end] for start, end in pairwise(reversed(cuts))], best[-1][0]


def packed(
    lines: Sequence[Line], axes: Sequence[torch.Tensor | None] = (), *, read: bool = False
) -> dict[str, torch.Tensor]:
    """Return ids and positions of (lines, length), padded on the right, and a mask where responses share a prompt.

    With `read` the prompts stand in a cache, each padded on the right: then all is of the responses alone, and the mask
    has the columns of the longest prompt before theirs.

    `axes` are (axes, length) positions of each line's prompt where the family has its own; with more than one axis the
    result has (axes, lines, length). Without a mask attention is causal, which is enough: what comes after a token does
    not change it.
    """
    begin = [len(line.prompt.ids) if read else 0 for line in lines]
    ids = [
        torch.tensor([*x.prompt.ids, *(i for r in x.responses for i in r)])[n:]
        for n, x in zip(begin, lines, strict=True)
    ]
    owner = [torch.tensor(_owners(line))[n:] for n, line in zip(begin, lines, strict=True)]
    plain = [torch.arange(len(line.prompt.ids))[None] for line in lines]
    of_prompts = [p if q is None else q for p, q in zip(plain, axes or plain, strict=True)]
    places = [continued(p, [*map(len, x.responses)]).T[n:] for n, p, x in zip(begin, of_prompts, lines, strict=True)]
    positions = pad_sequence(places, batch_first=True).permute(2, 0, 1)
    made = {
        "input_ids": pad_sequence(ids, batch_first=True),
        "position_ids": positions if len(positions) > 1 else positions[0],
    }
    if not read and all(len(line.responses) == 1 for line in lines):
        if made["position_ids"].ndim == 2:
            made["position_ids"] = torch.arange(made["input_ids"].shape[1]).repeat(len(lines), 1)
        return made
    own = pad_sequence(owner, batch_first=True, padding_value=-1)
    sees = ((own[:, None, :] == 0) | (own[:, None, :] == own[:, :, None])).tril()
    before = torch.arange(max(begin)) < torch.tensor(begin)[:, None]
    made["attention_mask"] = torch.cat([before[:, None].expand(-1, sees.shape[1], -1), sees], -1)[:, None]
    return made


def places(lines: Sequence[Line]) -> Iterator[tuple[int, int, int]]:
    """Yield for each response its line, the last position of its prompt, and its own first position."""
    for number, line in enumerate(lines):
        at = len(line.prompt.ids)
        for response in line.responses:
            yield number, len(line.prompt.ids) - 1, at
            at += len(response)


def predicted_at(before: int, at: int, count: int) -> list[int]:
    """Return where each of a response's tokens is predicted: the first by the prompt's end, each other by the last."""
    return [before, *range(at, at + count - 1)][:count]


def _dear(longest: int, width: int) -> float:
    """Return what a token costs with attention: at 6 times the hidden width, that costs as much as all the rest."""
    return 1 + longest / (6 * width)


def _owners(line: Line) -> list[int]:
    """Return 0 for each token of the prompt and n for each of the n-th response."""
    return [0] * len(line.prompt.ids) + [n for n, r in enumerate(line.responses, 1) for _ in r]


def continued(of_prompt: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """Return (axes, length) positions of a prompt and of responses behind it, each counting on from its end."""
    start = of_prompt.max() + 1
    after = [(start + torch.arange(n)).expand(len(of_prompt), -1) for n in lengths]
    return torch.cat([of_prompt, *after], 1)
