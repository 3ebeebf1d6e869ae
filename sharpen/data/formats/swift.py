# pyright: strict
"""ms-swift, and whoever writes the same: `messages` of plain text with `<image>` in it, and `images` beside them."""

from __future__ import annotations

from typing import ClassVar

from ..chat import asked, parts_of
from ..fields import Fields, Row, rows_in


class Swift:
    """Rows with `messages` of text and a column of images; `solution` is the gold answer."""

    title: ClassVar[str] = "ms-swift"

    def fits(self, row: Row) -> bool:
        """Rows of `messages` whose content is text, with `images` or with a `solution`."""
        said = rows_in(row.get("messages"))
        return bool(said) and not parts_of(said) and bool({"images", "image", "solution"} & set(row))

    def read(self, row: Row) -> Fields:
        """Read one question and its reply; every `<image>` is a place."""
        return asked(row, "messages", row.get("messages"))
