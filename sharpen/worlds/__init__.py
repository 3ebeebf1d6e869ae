"""Small visual worlds with known truth, and the tiny model that lives in them.

from sharpen.worlds import world
digits = world("digits")
tasks = digits.tasks("test", 100)
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Protocol, cast

from ..types import Task
from .grid import STYLES, Fact, Split, Style

__all__ = ["NAMES", "STYLES", "TINY", "Fact", "Split", "Style", "World", "world"]

NAMES = ("shapes", "digits")
TINY = Path(__file__).parent / "tiny_model"
"""The folder of the tiny model that ships with the package."""


class World(Protocol):
    """A source of tasks whose truth is known, down to every statement in a trace."""

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of question, `task.meta["kind"]`, in the order in which tasks take turns."""
        ...

    @property
    def hard(self) -> tuple[str, ...]:
        """The kinds that the tiny model solves rarely."""
        ...

    def tasks(self, split: Split, n: int, seed: int = 0) -> list[Task]:
        """Return the first `n` tasks of a split, the same on every machine."""
        ...

    def trace(self, task: Task, style: Style, rng: Random) -> str:
        """Write a reasoning trace of known quality."""
        ...

    def seed_traces(self, tasks: Sequence[Task], seed: int = 0) -> list[str]:
        """Write one careful trace per task."""
        ...

    def facts(self, task: Task, text: str) -> list[Fact]:
        """Return the statements about the picture in any text, and whether each is true."""
        ...

    def written_blind(self, task: Task, text: str) -> bool:
        """Whether a text was written without looking at the picture."""
        ...


def world(name: str) -> World:
    """Return a world by name."""
    if name not in NAMES:
        raise ValueError(f"there is no world {name!r}; there are {', '.join(NAMES)}")
    return cast("World", import_module(f".{name}", __package__).WORLD)
