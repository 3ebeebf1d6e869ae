"""The nouns: what is asked, what was written, what was measured, what is trained on.

Everything here is frozen and free of tensors, so that methods can be read, tested and
type-checked without a deep-learning stack.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

Author = Literal["model", "tool", "teacher", "forced"]
Finish = Literal["stop", "length"]
Score = float | None
"""A judgement; None means "cannot tell" and is never read as zero."""


@dataclass(frozen=True)
class Image:
    """A picture, known by the hash of its encoded bytes; read and decoded only where it is used."""

    sha256: str
    source: bytes | Path | Callable[[], bytes] = field(repr=False, compare=False)

    @classmethod
    def of(cls, source: bytes | Path) -> Image:
        """Make an image from encoded bytes (PNG, JPEG, …) or from a file of them."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        return cls(hashlib.sha256(data).hexdigest(), source)

    def read(self) -> bytes:
        """Return the encoded bytes."""
        if isinstance(self.source, bytes):
            return self.source
        return self.source.read_bytes() if isinstance(self.source, Path) else self.source()


@dataclass(frozen=True)
class Task:
    """One question as it is asked; `answer` None means unlabelled.

    `places` says where each image stands, as an offset into `question`; empty means all images come first. A hint,
    a reordering or a missing image is never written into the task of a rollout: it is a `View`.
    """

    id: str
    question: str
    images: tuple[Image, ...] = ()
    answer: str | None = None
    choices: tuple[str, ...] = ()
    system: str | None = None
    places: tuple[int, ...] = ()
    meta: Mapping[str, object] = field(default_factory=dict[str, object], compare=False)

    def __post_init__(self) -> None:
        ordered = list(self.places) == sorted(self.places)
        inside = all(0 <= p <= len(self.question) for p in self.places)
        if self.places and not (len(self.places) == len(self.images) and ordered and inside):
            raise ValueError(
                f"task {self.id!r}: places {self.places} do not fit {len(self.images)} images and a "
                f"question of {len(self.question)} characters; give one ascending offset per image"
            )

    @property
    def content(self) -> tuple[str | Image, ...]:
        """The question's pieces in the order shown, empty text left out."""
        places = self.places or (0,) * len(self.images)
        pieces: list[str | Image] = []
        start = 0
        for image, place in zip(self.images, places, strict=True):
            pieces += [self.question[start:place], image]
            start = place
        pieces.append(self.question[start:])
        return tuple(p for p in pieces if p != "")

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything a model may be shown and of the gold answer."""
        shown = [p if isinstance(p, str) else {"image": p.sha256} for p in self.content]
        return digest(self.id, self.system, shown, self.choices, self.answer)


View = Callable[[Task], Task]
"""What is shown instead of the task; a module-level function, so that it has a name."""


@dataclass(frozen=True)
class Part:
    """A run of tokens by one author; `logprobs` at temperature 1 when it was sampled, None where unknown."""

    ids: tuple[int, ...]
    text: str
    by: Author = "model"
    logprobs: tuple[float, ...] | None = None
    image: Image | None = None


@dataclass(frozen=True)
class Rollout:
    """One attempt: `parts` concatenated answer `seen`; the first `given` of them were not sampled by this call.

    `key` is its address in the ledger, `parent` the key of the rollout it was resumed from,
    `model` the identity of the weights that wrote it.
    """

    key: str
    task: Task
    seen: Task
    parts: Sequence[Part]
    finish: Finish
    model: str
    given: int = 0
    parent: str | None = None
    scores: Mapping[str, Score] = field(default_factory=dict[str, Score])

    @property
    def ids(self) -> tuple[int, ...]:
        """The response's token ids, the end-of-turn token included where it was written."""
        return tuple(i for part in self.parts for i in part.ids)

    @property
    def text(self) -> str:
        """The response's text."""
        return "".join(part.text for part in self.parts)

    @property
    def given_tokens(self) -> int:
        """How many leading ids this call did not sample."""
        return sum(len(part.ids) for part in self.parts[: self.given])

    def __getitem__(self, scorer: Named) -> Score:
        if scorer.name not in self.scores:
            raise KeyError(
                f"rollout {self.key[:12]} of task {self.task.id!r} was never scored by {scorer.name!r} "
                f"(it has {sorted(self.scores) or 'no scores'}); call run.score(groups, scorer) first"
            )
        return self.scores[scorer.name]

    def scored(self, scorer: Named, value: Score) -> Rollout:
        """Return this rollout with one more score."""
        return replace(self, scores={**self.scores, scorer.name: value})


class Named(Protocol):
    """What a score is stored under: a scorer, its settings part of the name."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Prefix:
    """The first `keep` response ids of a rollout, followed by `then`: what `Run.resume` continues."""

    parent: Rollout
    keep: int
    then: tuple[int, ...] = ()
    by: Author = "model"


@dataclass(frozen=True)
class Group:
    """All attempts at one task: the unit that flows, since rates, votes and advantages are per question."""

    task: Task
    rollouts: tuple[Rollout, ...]

    def rate(self, scorer: Named) -> float | None:
        """Mean score over the attempts whose score is known; None where none is."""
        known = [s for r in self.rollouts if (s := r[scorer]) is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class Reading:
    """What one teacher-forced pass measures, one entry per response token.

    `logprobs` in nats and `entropy` in nats of the model's prediction at the token's position; `rank` of the token
    among all predictions, 0 the likeliest; `top` the ids of the likeliest tokens, likeliest first. `attention[layer]`
    holds per token the head-averaged attention from that token's own position on (system, image, question); the rest
    is on the response itself. `maps[layer][token]` has, of tokens asked for, that on each image token (`models.maps`).
    """

    logprobs: tuple[float, ...]
    entropy: tuple[float, ...]
    rank: tuple[int, ...]
    top: tuple[tuple[int, ...], ...]
    attention: Mapping[int, tuple[tuple[float, float, float], ...]]
    maps: Mapping[int, Mapping[int, tuple[float, ...]]] = field(default_factory=dict[int, Mapping[int, Any]])


def digest(*values: object) -> str:
    """Hash of JSON-able values, the same in every process and on every machine."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
