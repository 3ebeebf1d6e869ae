"""InternVL3 (arXiv 2504.10479): an image becomes tiles of one size and, where there are several, a thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...types import Image
from . import Parts, Pictures

TILED = {"crop_to_patches": True}
"""What the library's processor sets whatever the image processor's own file says."""


class InternVL(Pictures):
    """Family of `InternVLForConditionalGeneration`."""

    packs = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        vision, scale = parts.config.vision_config, parts.config.downsample_ratio
        (height, width), (tall, wide) = vision.image_size, vision.patch_size
        self._each = int((height // tall) * scale) * int((width // wide) * scale)
        self._start, self._end = parts.tokenizer.start_image_token, parts.tokenizer.end_image_token

    def markup(self, images: Sequence[Image]) -> list[str]:
        """The placeholders of all tiles in one frame."""
        tiles = [self._images.get_number_of_image_patches(*self.size(image), TILED) for image in images]
        return [f"{self._start}{self._token * (self._each * count)}{self._end}" for count in tiles]

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return the tiles of all images in one row."""
        return {"pixel_values": self._images(images=pictures, return_tensors="pt", **TILED)["pixel_values"]}

    def features(self, inputs: dict[str, Any]) -> int:
        """The same number for every tile."""
        return len(inputs["pixel_values"]) * self._each


make = InternVL
