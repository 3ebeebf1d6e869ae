"""LLaVA-OneVision (arXiv 2408.03326): one image alone is seen whole and in tiles, several images are seen whole."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from ...types import Image
from ..maps import Grid, in_square, nowhere, square
from . import Parts, Pictures


class LlavaOnevision(Pictures):
    """Family of `LlavaOnevisionForConditionalGeneration`."""

    packs = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        vision = parts.config.vision_config
        self._side: int = vision.image_size
        self._patches = vision.image_size // vision.patch_size
        self._most = int(parts.config.vision_aspect_ratio.removeprefix("anyres_max_"))
        self._grids: list[list[int]] = parts.config.image_grid_pinpoints

    def markup(self, images: Sequence[Image]) -> list[str]:
        """A lone image's placeholders depend on its size; several images take the same number each."""
        if len(images) == 1:
            return [self._token * self._tiled(*self.size(images[0]))]
        return [self._token * (self._patches**2 + 1)] * len(images)

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """The whole and the rows of all tiles, to within half a feature; of several images, each in a square."""
        if len(images) == 1:
            rows, columns = self._unpadded(*self.size(images[0]))
            lines = [[Grid(1, columns, box), nowhere(1)] for box in Grid(rows, 1).boxes()]
            return [[square(self._patches**2), *(grid for line in lines for grid in line)]]
        return [[square(self._patches**2, in_square(*self.size(image))), nowhere(1)] for image in images]

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return tiles (images, most tiles, 3, height, width), sizes, and how many images the task has."""
        made = self._images(images=[pictures], return_tensors="pt")
        return {name: made[name] for name in ("pixel_values", "image_sizes", "batch_num_images")}

    def features(self, inputs: dict[str, Any]) -> int:
        """What the model makes of the tiles that are there; none where they are not those of the image's size."""
        count, tiles = inputs["pixel_values"].shape[:2]
        if count > 1:
            return count * (self._patches**2 + 1)
        height, width = inputs["image_sizes"][0].tolist()
        rows, columns = self._grid(height, width)
        return self._tiled(height, width) if tiles == 1 + rows * columns else 0

    def join(self, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Stack, with tiles of padding where another image has more of them."""
        import torch
        from torch.nn.functional import pad

        most = max(each["pixel_values"].shape[1] for each in inputs)
        made = super().join([{k: v for k, v in each.items() if k != "pixel_values"} for each in inputs])
        tiles = [each["pixel_values"] for each in inputs]
        made["pixel_values"] = torch.cat([pad(t, (0, 0) * 3 + (0, most - t.shape[1])) for t in tiles])
        return made

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of tiles."""
        from transformers.image_processing_utils import select_best_resolution

        tall, wide = select_best_resolution((height, width), self._grids)
        return tall // self._side, wide // self._side

    def _tiled(self, height: int, width: int) -> int:
        """Count a lone image's features: the whole, and its tiles without padding, each row with an end of line."""
        rows, columns = self._unpadded(height, width)
        return self._patches**2 + rows * columns + rows

    def _unpadded(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the features of all tiles, those of padding left out."""
        rows, columns = (n * self._patches for n in self._grid(height, width))
        if width / height > columns / rows:
            rows -= (rows - int(round(height * (columns / width), 7))) // 2 * 2
        else:
            columns -= (columns - int(round(width * (rows / height), 7))) // 2 * 2
        shrink = sqrt(rows * columns / (self._most * self._patches**2))
        if shrink > 1.1:
            rows, columns = int(rows // shrink), int(columns // shrink)
        return rows, columns


make = LlavaOnevision
