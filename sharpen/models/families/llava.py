"""LLaVA-1.5 and relatives (arXiv 2310.03744): a fixed number of features per image, one placeholder repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...types import Image
from ..maps import WHOLE, Box, Grid, in_square, middle, nowhere
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
        probe = self.processed([Pillow.new("RGB", (8, 8))])
        self._each = self.features(probe)
        height, width = probe["pixel_values"].shape[-2:]
        self._rows, self._columns = height // self._patch, width // self._patch

    def markup(self, images: Sequence[Image]) -> list[str]:
        """Every image takes the same number of placeholders."""
        return [self._token * self._each] * len(images)

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """One feature a patch of what is left of the picture, behind the one for the image."""
        if self._more < 0:  # one patch is dropped, which the library says of no known model
            return [[nowhere(self._each)] for _ in images]
        lead = [nowhere(self._more)] if self._more else []
        return [[*lead, Grid(self._rows, self._columns, self._left(*self.size(image)))] for image in images]

    def _left(self, height: int, width: int) -> Box:
        """Return what the image processor leaves of a picture: its middle, or with a margin around it."""
        if getattr(self._images, "do_pad", False):
            return in_square(height, width)
        if not getattr(self._images, "do_center_crop", False):
            return WHOLE
        size, crop = self._images.size, self._images.crop_size
        if shortest := size.get("shortest_edge"):
            scale = shortest / min(height, width)
            return middle(crop["width"] / (width * scale), crop["height"] / (height * scale))
        return middle(crop["width"] / size["width"], crop["height"] / size["height"])

    def features(self, inputs: dict[str, Any]) -> int:
        """One feature a patch, and one for the image where the tower has it."""
        count, _, height, width = inputs["pixel_values"].shape
        return count * ((height // self._patch) * (width // self._patch) + self._more)


make = Llava
