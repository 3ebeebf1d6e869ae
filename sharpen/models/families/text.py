"""Models without a vision tower: for methods and tasks that need no image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ModelError
from ...types import Image
from ..maps import Grid
from . import Parts, Pictures


class Text(Pictures):
    """Family of any causal language model."""

    def __init__(self, parts: Parts) -> None:
        self.placeholder = ""
        self.image_tokens = ()
        self._name = parts.folder.name

    def markup(self, images: Sequence[Image]) -> list[str]:
        """Refuse images."""
        if images:
            raise ModelError(
                f"{self._name} is a text-only model and a task has {len(images)} images; give a vision-language model, "
                "or tasks without images"
            )
        return []

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """None."""
        return []

    def features(self, inputs: dict[str, Any]) -> int:
        """None."""
        return 0


make = Text
