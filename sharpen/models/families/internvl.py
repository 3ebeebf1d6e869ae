"""InternVL3 (arXiv 2504.10479): an image becomes tiles of one size and, where there are several, a thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...types import Image
from ..maps import Grid, square, tiled
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
        counts = [sum(map(len, grids)) for grids in self.grids(images)]
        return [f"{self._start}{self._token * count}{self._end}" for count in counts]

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """The tiles, and the thumbnail behind them where they are several."""
        from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

        side, fewest, most = self._images.size, self._images.min_patches, self._images.max_patches
        found: list[list[Grid]] = []
        for image in images:
            tile = (side["height"], side["width"])
            columns, rows = get_optimal_tiled_canvas(self.size(image), tile, fewest, most)
            whole = [square(self._each)] if rows * columns > 1 else []
            found.append([*tiled(rows, columns, self._each), *whole])
        return found

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return the tiles of all images in one row."""
        return {"pixel_values": self._images(images=pictures, return_tensors="pt", **TILED)["pixel_values"]}

    def features(self, inputs: dict[str, Any]) -> int:
        """The same number for every tile."""
        return len(inputs["pixel_values"]) * self._each


make = InternVL
