# pyright: strict
"""Reinforcement-learning rows of verl: `prompt` messages, `images`, and `reward_model` with the ground truth."""

from __future__ import annotations

from typing import ClassVar

from ..chat import asked
from ..fields import Fields, Row, mapping


class Verl:
    """Rows with a `reward_model`; `<image>` in a message's text is a place."""

    title: ClassVar[str] = "verl"

    def fits(self, row: Row) -> bool:
        """Rows of `prompt` and `reward_model`."""
        return "prompt" in row and "reward_model" in row

    def read(self, row: Row) -> Fields:
        """Take the gold answer from where the reward function finds it."""
        gold = mapping(row.get("reward_model")).get("ground_truth")
        return asked(row, "prompt", row.get("prompt"), answer={"answer": gold}, used=("reward_model",))
