"""The protocol every backend answers: `write` (sample, continue, judge, propose) and `read` (measure).

A backend yields results as they finish, so that the caller can record each one at once; it may
work in any order. What it cannot do it refuses with `errors.Unsupported`, naming what can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, TypedDict

from ..errors import require
from ..types import Finish, Part, Reading, Task, digest

SYSTEM, IMAGE, QUESTION = 0, 1, 2
"""Codes of prompt spans: before the user's content, image placeholders, and the rest (VISTA §VAS)."""


@dataclass(frozen=True)
class Prompt:
    """A task as shown, as token ids with image placeholders expanded; `spans[i]` is the span code of `ids[i]`."""

    task: Task
    ids: tuple[int, ...]
    spans: bytes


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; temperature 0 is greedy."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 2048  # §4.1 of VISTA
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    """Strings that end an attempt where its text comes to hold one; they stay in the text.

    One may begin in what is given, so that a resumed attempt ends where the same attempt as a whole does; one that
    stands in what is given to its end does not count.
    """

    def __post_init__(self) -> None:
        require(self.temperature >= 0, "temperature", self.temperature, "0 (greedy) or more")
        require(0 < self.top_p <= 1, "top-p", self.top_p, "more than 0 and at most 1")
        require(self.top_k >= 0, "top-k", self.top_k, "0 (all) or more")
        require(self.max_tokens >= 1, "max-tokens", self.max_tokens, "1 or more")
        require(0 <= self.min_p <= 1, "min-p", self.min_p, "0 (off) to 1")
        require(self.repetition_penalty > 0, "repetition-penalty", self.repetition_penalty, "more than 0; 1 is none")
        require("" not in self.stop, "stop", self.stop, "texts that are not empty")

    def as_dict(self) -> dict[str, object]:
        """Return the settings for ledger and keys; those of later versions only where they are in use.

        So what was sampled before they existed keeps its key.
        """
        said = asdict(self)
        for name, unused in (("min_p", 0.0), ("repetition_penalty", 1.0), ("stop", ())):
            if said[name] == unused:
                del said[name]
        return said


class Drawing(TypedDict, total=False):
    """The settings of `Sampling` as `Run.sample` and `Run.resume` take them, by name; each may be left out."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int | None
    """None or left out: what the model recommends."""
    min_p: float
    repetition_penalty: float
    stop: tuple[str, ...]


@dataclass(frozen=True)
class Write:
    """Continue `given` after the prompt, once per entry of `attempts`.

    `seed` addresses the draws: attempt a draws from a generator keyed by (seed, a), whatever else
    is in the batch. `given` holds one run of ids per part that stands already.
    """

    prompt: Prompt
    sampling: Sampling
    seed: int
    attempts: tuple[int, ...]
    given: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Written:
    """One finished attempt: the new part, and the texts of the given parts before it."""

    request: int
    attempt: int
    part: Part
    finish: Finish
    given_texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Read:
    """Measure the response `ids` after the prompt, with attention shares of these layers.

    `maps` are response tokens, counted from 0, whose attention in these layers is told image token by image token.
    """

    prompt: Prompt
    ids: tuple[int, ...]
    layers: tuple[int, ...] = ()
    top: int = 5
    maps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        inside = all(0 <= token < len(self.ids) for token in self.maps)
        if self.maps and not (inside and self.layers):
            raise ValueError(
                f"maps of tokens {list(self.maps)} in layers {list(self.layers)} of a response of {len(self.ids)}; "
                "give tokens within it and at least one layer"
            )

    def key(self, reader: str) -> str:
        """Return what this reading by a model of that identity is stored under.

        The spans are in it, since shares depend on where they end; maps only where they were asked for, so that
        readings of before keep their key.
        """
        p = self.prompt
        shown = (p.ids, p.spans.hex(), [i.sha256 for i in p.task.images])
        return digest(reader, shown, self.ids, self.layers, self.top, *([self.maps] if self.maps else []))


class Model(Protocol):
    """A vision-language model behind any engine."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def identity(self) -> str:
        """Hash of the weights and of the processor and pixel settings: what makes its attempts its own."""
        ...

    @property
    def neural(self) -> bool:
        """Whether its numbers come from a network, so that the canary can try it."""
        ...

    @property
    def exact(self) -> bool:
        """Whether two ways to one of its log-probs differ in the last digits of single precision only."""
        ...

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a turn."""
        ...

    @property
    def layers(self) -> int:
        """Number of decoder layers whose attention `read` can report; 0 if none."""
        ...

    @property
    def context(self) -> int:
        """Most tokens, prompt and response together, that the model can hold."""
        ...

    @property
    def max_tokens(self) -> int:
        """Most new tokens that an attempt may usefully have, the model's own recommendation."""
        ...

    def prompt(self, task: Task) -> Prompt:
        """Return the ids and spans that `write` and `read` put before the response."""
        ...

    def part(self, text: str) -> Part:
        """Return a response that another author wrote as this model would write it, its end of turn included."""
        ...

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        """Yield one `Written` per request and attempt, as they finish."""
        ...

    def read(self, requests: Sequence[Read]) -> Iterator[tuple[int, Reading]]:
        """Yield (request index, reading), as they finish."""
        ...
