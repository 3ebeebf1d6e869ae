# pyright: strict
"""EasyR1: `problem` with `<image>` in its text, `answer`, and `images`."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ..fields import Fields, Row
from .plain import Plain


class Easyr1:
    """Rows for EasyR1's trainer; every `<image>` is a place."""

    title: ClassVar[str] = "EasyR1"

    def fits(self, row: Row) -> bool:
        """Rows of `problem`, `answer` and `images`, the question under no other name."""
        return {"problem", "answer", "images"} <= set(row) and not {"question", "query"} & set(row)

    def read(self, row: Row) -> Fields:
        """Read a row like a plain one; choices that EasyR1 does not show are a note."""
        fields = Plain().read(row)
        return replace(fields, choices=None, used=fields.used - {"choices"})
