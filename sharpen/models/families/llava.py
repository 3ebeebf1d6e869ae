"""LLaVA-1.5 and relatives (arXiv 2310.03744): a fixed number of features per image, one placeholder repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...types import Image
from . import Parts, Pictures


class Llava(Pictures):
    """Family of `LlavaForConditionalGeneration`."""

    packs = True

    def __init__(self, parts: Parts) -> None:
        from PIL import Image as Pillow

        super().__init__(parts)
        processor = parts.processor()
        self._patch: int = processor.patch_size
        self._more = processor.num_additional_image_tokens
        self._more -= parts.config.vision_feature_select_strategy == "default"
        # Probed rather than computed: crop and resize settings differ between processors.
        self._each = self.features(self.processed([Pillow.new("RGB", (8, 8))]))

    def markup(self, images: Sequence[Image]) -> list[str]:
        """Every image takes the same number of placeholders."""
        return [self._token * self._each] * len(images)

    def features(self, inputs: dict[str, Any]) -> int:
        """One feature a patch, and one for the image where the tower has it."""
        count, _, height, width = inputs["pixel_values"].shape
        return count * ((height // self._patch) * (width // self._patch) + self._more)


make = Llava
