"""Probes, one file each, found by name: what a model does, measured beside accuracy.

A probe is a module with `measure(run, tasks)`, whose result can be told as JSON and as a table.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..errors import UserError
from ..types import Task

if TYPE_CHECKING:
    from ..run import Run


class Found(Protocol):
    """What a probe measured."""

    def as_dict(self) -> dict[str, object]:
        """Return the figures for JSON."""
        ...

    def table(self) -> str:
        """Return them in words."""
        ...


Probe = Callable[["Run", Sequence[Task]], Found]


def names() -> list[str]:
    """Return the names of all probes."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def find(name: str) -> Probe:
    """Return a probe's `measure`; raises UserError for a name that is none."""
    if name not in names():
        raise UserError(f"there is no probe {name!r}; choose one of: {', '.join(names())}")
    measure: Probe = importlib.import_module(f"{__name__}.{name}").measure
    return measure


def summary(name: str) -> str:
    """Return the first line of a probe's docstring: what `sharpen list` shows."""
    doc = importlib.import_module(f"{__name__}.{name}").__doc__ or ""
    return doc.strip().splitlines()[0]
