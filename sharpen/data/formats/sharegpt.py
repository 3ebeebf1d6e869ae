# pyright: strict
"""ShareGPT conversations: `conversations` of `from` and `value`, with `<image>` in the text and `image` or `images`."""

from __future__ import annotations

from typing import ClassVar

from ..chat import asked
from ..fields import Fields, Row


class Sharegpt:
    """Rows with `conversations`; the reply is the gold answer or marks it."""

    title: ClassVar[str] = "ShareGPT"

    def fits(self, row: Row) -> bool:
        """Rows of `conversations`."""
        return "conversations" in row

    def read(self, row: Row) -> Fields:
        """Read one question and its reply; a `chosen` reply in a column of its own is one, too."""
        return asked(row, "conversations", row.get("conversations"), reply=row.get("chosen"), used=("chosen",))
