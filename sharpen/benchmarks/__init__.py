"""Public benchmarks, one file each, found by name: `chartqa` is `BENCHMARK` in `chartqa.py`.

A benchmark is a place on the hub, a way to read its rows, and a grader. Its columns are those of the data
set's card; none of its rows is in this repository.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from ..answers import Grader
from ..data.fields import Fields, Row, text
from ..errors import TaskError


@dataclass(frozen=True)
class Published:
    """A figure that someone else reports, in percent, to check our own against."""

    model: str
    value: float
    source: str


@dataclass(frozen=True)
class Benchmark:
    """Where a benchmark is, what its rows mean, and how its answers are compared."""

    title: str
    hub: str
    """OWNER/NAME of the data set."""
    row: Callable[[Row], Fields]
    split: str
    """The split that results are reported on."""
    licence: str | None
    """As the data set's card has it; None where no card was found that says so."""
    configs: tuple[str, ...] = ("",)
    train: str | None = None
    """The split to learn from, where there is one."""
    prompt: str = ""
    """What is written under every question."""
    grader: Grader = field(default_factory=Grader)
    metric: str = "accuracy"
    published: Published | None = None
    pictures: str = ""
    """Where the data set on the hub does not hold its pictures: how to put them beside its rows."""

    def fits(self, row: Row) -> bool:
        """Never by its shape: a benchmark is asked for by name."""
        return False

    def read(self, row: Row) -> Fields:
        """Take a row apart and put the prompt under the question."""
        fields = self.row(row)
        if not self.prompt:
            return fields
        question: object = fields.question
        if isinstance(question, tuple):
            return replace(fields, question=(*cast("tuple[object, ...]", question), f"\n{self.prompt}"))
        return replace(fields, question=f"{text(fields.question_key, question)}\n{self.prompt}")

    def specs(self, split: str) -> list[str]:
        """Return the specs of its rows on the hub; raises TaskError where it has none of this kind."""
        wanted = self.train if split == "train" else self.split
        if wanted is None:
            raise TaskError(f"{self.title} has no rows to learn from; name others by --tasks and it by --test")
        if self.pictures:
            raise TaskError(f"{self.title}: the hub's rows come without their pictures; {self.pictures}")
        return [f"hub:{self.hub}{f'/{config}' if config else ''}@{wanted}" for config in self.configs]


def names() -> list[str]:
    """Return the names of all benchmarks."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def find(name: str) -> Benchmark:
    """Return a benchmark by its name."""
    found: Benchmark = importlib.import_module(f"{__name__}.{name}").BENCHMARK
    return found


def named(spec: str) -> tuple[Benchmark, str] | None:
    """Return the benchmark that a spec such as `chartqa` or `chartqa:FILE` names, and the file; None for no name."""
    name, _, rest = spec.partition(":")
    return (find(name), rest) if name in names() else None
