"""Idefics3 (arXiv 2408.12637) and SmolVLM: a large image becomes rows of tiles, each announced, and a small whole."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from ...types import Image
from ..maps import Grid, square, tiled
from . import Parts, Pictures


class Idefics3(Pictures):
    """Family of `Idefics3ForConditionalGeneration`."""

    packs = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        vision = parts.config.vision_config
        self._each = int((vision.image_size // vision.patch_size) ** 2 / parts.config.scale_factor**2)
        self._tile = int(self._images.max_image_size["longest_edge"])

    def markup(self, images: Sequence[Image]) -> list[str]:
        """Each tile's placeholders behind its row and column, the whole image's behind "global"."""
        return [self._framed(*self._grid(*self.size(image))) for image in images]

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """The tiles, and the whole behind them."""
        sizes = [self._grid(*self.size(image)) for image in images]
        return [[*(tiled(*size, self._each) if all(size) else []), square(self._each)] for size in sizes]

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return tiles of all images in one row: the model takes them in order and skips rows of padding."""
        made = self._images(images=[pictures], return_tensors="pt")
        return {name: made[name] for name in ("pixel_values", "pixel_attention_mask") if name in made}

    def features(self, inputs: dict[str, Any]) -> int:
        """The same number for every tile."""
        return inputs["pixel_values"].shape[1] * self._each

    def join(self, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Put the tiles of all tasks into one row of the batch, so that none is padding."""
        import torch

        return {name: torch.cat([each[name] for each in inputs], 1) for name in inputs[0]}

    def _framed(self, rows: int, columns: int) -> str:
        fake, features = "<fake_token_around_image>", self._token * self._each
        tiles = "".join(
            "".join(f"{fake}<row_{row}_col_{column}>{features}" for column in range(1, columns + 1)) + "\n"
            for row in range(1, rows + 1)
        )
        return f"{tiles}{chr(10) if rows else ''}{fake}<global-img>{features}{fake}"

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of tiles, (0, 0) for an image that stays whole.

        The library's own count (transformers 5.23) is wrong where the longest side is no multiple of a tile: it forgets
        that the shorter one grows with it.
        """
        import numpy as np
        from transformers.models.idefics3.image_processing_pil_idefics3 import get_resize_output_image_size

        if not self._images.do_image_splitting:
            return 0, 0
        if self._images.do_resize:
            blank = np.empty((0, height, width))  # only its shape is looked at
            height, width = get_resize_output_image_size(blank, self._images.size["longest_edge"])
        aspect = width / height
        if width >= height:
            columns = ceil(width / self._tile)
            rows = ceil(int(columns * self._tile / aspect) / self._tile)
        else:
            rows = ceil(height / self._tile)
            columns = ceil(int(rows * self._tile * aspect) / self._tile)
        return (rows, columns) if max(rows, columns) > 1 else (0, 0)


make = Idefics3
