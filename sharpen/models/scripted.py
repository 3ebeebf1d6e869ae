"""A model that replays given texts or follows a rule: for tests of methods, and for trying them out.

Its tokens are characters, so positions in a text are positions in its ids; `STOP` ends a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import Unsupported
from ..types import Part, Reading, Task, digest
from .model import IMAGE, QUESTION, SYSTEM, Prompt, Read, Write, Written

PICTURE = 0x110000
"""Id of an image: just past the last character."""
STOP = PICTURE + 1


@dataclass(frozen=True)
class Asked:
    """What a rule sees of one attempt: the task as shown, the text that stands, which attempt, its seed."""

    task: Task
    given: str
    attempt: int
    seed: int


Rule = Callable[[Asked], str]
Measure = Callable[[Task, str], Reading]


@dataclass(frozen=True)
class Scripted:
    """Answers `write` by a rule and `read` by a measure; two with the same name are the same model."""

    rule: Rule
    measure: Measure | None = None
    name: str = "scripted"
    stop_ids: frozenset[int] = frozenset({STOP})
    layers: int = 4
    max_tokens: int = 2048
    context: int = 2**20
    neural: bool = False
    exact: bool = True

    @classmethod
    def replay(cls, texts: Mapping[str, Sequence[str]], measure: Measure | None = None) -> Scripted:
        """Return a model whose attempt i at a task is the task's i-th text, whatever stands already."""
        return cls(lambda asked: texts[asked.task.id][asked.attempt], measure)

    @property
    def identity(self) -> str:
        """Hash of the name: a rule has no weights."""
        return digest("scripted", self.name)

    def prompt(self, task: Task) -> Prompt:
        """Return one id per character and per image."""
        ids = [ord(c) for c in task.system or ""]
        spans = [SYSTEM] * len(ids)
        for piece in task.content:
            new = [ord(c) for c in piece] if isinstance(piece, str) else [PICTURE]
            ids += new
            spans += [QUESTION if isinstance(piece, str) else IMAGE] * len(new)
        return Prompt(task, tuple(ids), bytes(spans))

    def part(self, text: str) -> Part:
        """Return one id per character, and the end of turn."""
        return Part((*map(ord, text), STOP), text, "teacher")

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        """Yield what the rule says, cut at the limit of tokens."""
        for at, request in enumerate(requests):
            texts = tuple(text_of(run) for run in request.given)
            for attempt in request.attempts:
                text = self.rule(Asked(request.prompt.task, "".join(texts), attempt, request.seed))
                ids = (*map(ord, text), STOP)[: request.sampling.max_tokens]
                part = Part(ids, text_of(ids), "model")
                yield Written(at, attempt, part, "stop" if ids[-1] == STOP else "length", texts)

    def read(self, requests: Sequence[Read]) -> Iterator[tuple[int, Reading]]:
        """Yield what the measure says of the text, the end of turn included."""
        if self.measure is None:
            raise Unsupported(f"{self.name!r} was given no measure and cannot read; pass measure= or read with 'hf'")
        for at, request in enumerate(requests):
            yield at, self.measure(request.prompt.task, text_of(request.ids))


def text_of(ids: Sequence[int]) -> str:
    """Return the characters of ids, leaving out pictures and ends of turn."""
    return "".join(chr(i) for i in ids if i < PICTURE)
