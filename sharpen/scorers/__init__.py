"""Sources of judgement: a scorer sees whole groups and the run, and gives each attempt a number or None."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..types import Group, Score

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class Scorer(ABC):
    """A scorer is a frozen dataclass: its settings are part of its name, so two settings never share a column."""

    @property
    def name(self) -> str:
        """Class name in snake case with the settings that differ from the defaults."""
        word = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(self).__name__).lstrip("_")
        changed = [f"{f.name}={v!r}" for f in fields(self) if (v := getattr(self, f.name)) != f.default]
        return f"{word}({', '.join(changed)})" if changed else word

    @abstractmethod
    def __call__(self, groups: Sequence[Group], run: Run) -> list[list[Score]]:
        """Return one list per group with one score per attempt; None is "cannot tell"."""
