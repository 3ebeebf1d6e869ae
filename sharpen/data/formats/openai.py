# pyright: strict
"""OpenAI chat messages: parts of type `text` and `image_url`, pictures as data URIs, or plain text."""

from __future__ import annotations

from typing import ClassVar

from ..chat import asked, parts_of
from ..fields import Fields, Row, mapping, rows_in


class Openai:
    """Rows with `messages` that bring their own pictures, or none."""

    title: ClassVar[str] = "OpenAI messages"

    def fits(self, row: Row) -> bool:
        """Rows of `messages` without a column of images and without parts that would need one; or of `input`."""
        if "preferred_output" in row:
            return True
        if not rows_in(row.get("messages")) or {"images", "image"} & set(row):
            return False
        parts = parts_of(row["messages"])
        return not any(part.get("type") == "image" for part in parts) if parts else "solution" not in row

    def read(self, row: Row) -> Fields:
        """Read the pieces in their order; a literal `<image>` is text here. A preferred reply is the reply."""
        messages = mapping(row.get("input")).get("messages", row.get("messages"))
        used = ("input", "preferred_output")
        return asked(row, "messages", messages, reply=row.get("preferred_output"), untyped="images first", used=used)
