# pyright: strict
"""TRL: `messages`, or `prompt` with `completion`, or with `chosen` and `rejected`; typed parts and `images`."""

from __future__ import annotations

from typing import ClassVar

from ..chat import asked, parts_of
from ..fields import Fields, Row


class Trl:
    """Conversational and standard rows of TRL's trainers; other columns pass through, `solution` is the gold answer."""

    title: ClassVar[str] = "TRL"

    def fits(self, row: Row) -> bool:
        """Rows of `prompt` without a reward model, or of `messages` with parts whose images are in a column."""
        if "prompt" in row:
            return "reward_model" not in row
        parts = parts_of(row.get("messages"))
        bare = any(part.get("type") == "image" for part in parts)
        return bool(parts) and (bare or bool({"images", "image"} & set(row)))

    def read(self, row: Row) -> Fields:
        """Read the question from `prompt` or `messages`, and a reply from any column that holds one."""
        if row.get("prompt") is None:
            return asked(row, "messages", row.get("messages"), untyped="images first")
        prompt = row["prompt"]
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        column = "chosen" if row.get("chosen") is not None else "completion"
        return asked(
            row, "prompt", messages, reply=row.get(column), untyped="images first", used=("completion", "chosen")
        )
