"""Formats of rows, one file each, found by name: `easyr1` is the class `Easyr1` in `easyr1.py`.

A format says whether a row has its shape and takes the fields of a task out of it; `rows.py` checks them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from ...errors import TaskError
from ..fields import Fields, Row


class Format(Protocol):
    """One shape of rows; an instance reads one file, so that it may remember earlier rows of it."""

    @property
    def title(self) -> str:
        """What its users call it."""
        ...

    def fits(self, row: Row) -> bool:
        """Whether a row has this shape; no row has that of two formats, where `plain` is the last to be asked."""
        ...

    def read(self, row: Row) -> Fields:
        """Take a row apart; raises BadRow where it is not of this shape after all."""
        ...


def names() -> list[str]:
    """Return the names of all formats."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def find(name: str) -> Format:
    """Return a format by name; raises TaskError for a name that is none."""
    if name not in names():
        raise TaskError(f"there is no format {name!r}; choose one of: {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    found: Format = getattr(module, name.capitalize())()
    return found


def recognise(rows: Sequence[Row]) -> Format:
    """Return the format whose shape most of these rows have; `plain` is what no other claims."""
    known = {name: find(name) for name in names()}
    counted = Counter(name for row in rows for name in fitting(row, known))
    return known[counted.most_common(1)[0][0] if counted else "plain"]


def fitting(row: Row, known: Mapping[str, Format]) -> list[str]:
    """Return the names of the formats that a row has the shape of: one, or none."""
    special = [name for name, form in known.items() if name != "plain" and form.fits(row)]
    return special or (["plain"] if known["plain"].fits(row) else [])
