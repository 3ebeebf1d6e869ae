"""How the attempts of a training step lie in forward passes: each prompt once, and little padding.

Only the layout is decided here. Which units make a step is the sampler's business, and the loss of a step is
the same for every layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..models.lines import Line, Size, identity, split
from ..types import Rollout
from . import PASS_TOKENS
from .batch import Unit

if TYPE_CHECKING:
    from ..models.hf import Row


@dataclass(frozen=True)
class Bundle:
    """Units that stay together, since they share attempts or a prompt, and the lines that they need."""

    units: tuple[Unit, ...]
    lines: tuple[Line, ...]
    rollouts: tuple[Rollout, ...]
    """Attempts in the order in which the lines hold their responses."""

    @property
    def size(self) -> Size:
        """What the bundle takes of a pass."""
        return Size(len(self.lines), max(line.length for line in self.lines), len(self.units))


def passes(units: Sequence[Unit], rows: Mapping[str, Row], *, packs: bool, most: int, width: int) -> list[list[Bundle]]:
    """Split a step's units into passes of at most `most` units, the cheapest way that is found.

    `rows` are by rollout key; `packs` says whether several attempts may stand behind one prompt;
    `width` is the decoder's hidden size, which decides what attention to a longer line costs.
    """
    alone = [bundle((u,), rows, packs=False) for u in units]
    ways = [alone]
    if packs:
        ways += [[bundle((u,), rows, packs=True) for u in units]]
        ways += [[bundle(some, rows, packs=True) for some in by_prompt(units, rows, most)]]
    cuts = [split([b.size for b in way], most=most, budget=PASS_TOKENS, width=width) for way in ways]
    way, (cut, _) = min(zip(ways, cuts, strict=True), key=lambda pair: pair[1][1])
    return [[way[i] for i in some] for some in cut]


def by_prompt(units: Sequence[Unit], rows: Mapping[str, Row], most: int) -> list[tuple[Unit, ...]]:
    """Put units whose first attempts answer the same prompt together, at most `most` of them."""
    found: dict[object, list[list[Unit]]] = {}
    for unit in units:
        runs = found.setdefault(identity(rows[unit.rollouts[0].key].prompt), [[]])
        if len(runs[-1]) == most:
            runs.append([])
        runs[-1].append(unit)
    return [tuple(run) for runs in found.values() for run in runs]


def bundle(units: tuple[Unit, ...], rows: Mapping[str, Row], *, packs: bool) -> Bundle:
    """Lay out units: a line per attempt or, where the family packs, per prompt."""
    found: dict[object, list[Rollout]] = {}
    for key, rollout in {r.key: r for u in units for r in u.rollouts}.items():
        found.setdefault(identity(rows[key].prompt) if packs else key, []).append(rollout)
    lines = tuple(Line(rows[some[0].key].prompt, tuple(rows[r.key].response for r in some)) for some in found.values())
    return Bundle(units, lines, tuple(r for some in found.values() for r in some))
