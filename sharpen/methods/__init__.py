"""Methods, one file per paper, found by name: `vista` is the class `Vista` in `vista.py`.

A method is a frozen dataclass of settings with `start` and `collect(run, tasks) -> examples`.
It may say `whole = True` where its choice for one task depends on others, and `lr_share`, the share of the model's
recommended learning rate (one for imitation) that its loss trains with.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import UserError
from ..examples import Examples
from ..types import Task

if TYPE_CHECKING:
    from ..run import Run


class Method(Protocol):
    """What `improve` needs of a method; `start` says which weights each round trains.

    One that cannot do without images has an attribute `looks` that says so.
    """

    @property
    def start(self) -> Literal["base", "last"]: ...

    def collect(self, run: Run, tasks: Sequence[Task]) -> Examples:
        """Sample, judge and select; return what to train on."""
        ...


def names() -> list[str]:
    """Return the names of all methods."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def find(name: str) -> type[Method]:
    """Return the class of a method; raises UserError for a name that is none."""
    if name not in names():
        raise UserError(f"there is no method {name!r}; choose one of: {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    found: type[Method] = getattr(module, "".join(word.capitalize() for word in name.split("_")))
    return found


def summary(name: str) -> str:
    """Return the first line of a method's docstring: what `sharpen list` and the README show."""
    doc = importlib.import_module(f"{__name__}.{name}").__doc__ or ""
    return doc.strip().splitlines()[0]


def require_plan(method: Method, rounds: int, tasks: Sequence[Task]) -> None:
    """Raise UserError for no rounds, no tasks, or tasks without images for a method that scores looking at them."""
    if rounds < 1 or not tasks:
        raise UserError(f"{rounds} rounds on {len(tasks)} tasks is no work; give at least one of each")
    if getattr(method, "looks", False) and not any(t.images for t in tasks):
        raise UserError(
            f"{type(method).__name__} scores how much an attempt looked at its image, and none of {len(tasks)} tasks "
            "has one; switch that off with --threshold -inf, or take another method"
        )
