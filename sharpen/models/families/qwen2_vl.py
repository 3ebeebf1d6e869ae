"""Qwen2-VL (arXiv 2409.12191): images keep their aspect, features follow their size, positions have three axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...types import Image
from ..maps import Grid
from . import Parts, Pictures

if TYPE_CHECKING:
    from ..model import Prompt


class Qwen2VL(Pictures):
    """Family of `Qwen2VLForConditionalGeneration`; two later generations treat images alike."""

    packs = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._merge: int = self._images.merge_size
        self._patch: int = self._images.patch_size

    def markup(self, images: Sequence[Image]) -> list[str]:
        """As many placeholders as merged patches."""
        return [self._token * (rows * columns) for rows, columns in map(self._grid, images)]

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """The merged patches."""
        return [[Grid(*self._grid(image))] for image in images]

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return all patches in one row, and the grid of each image."""
        made = self._images(images=pictures, return_tensors="pt")
        return {name: made[name] for name in ("pixel_values", "image_grid_thw")}

    def features(self, inputs: dict[str, Any]) -> int:
        """One feature for merge x merge patches."""
        return int((inputs["image_grid_thw"].prod(-1) // self._merge**2).sum())

    def positions(self, prompt: Prompt) -> Any:
        """Return (3, length): text counts on along all axes, an image along time, rows and columns (§2.1, M-RoPE)."""
        import torch

        images = iter(prompt.task.images)
        pieces: list[torch.Tensor] = []
        at = start = 0
        while at < len(prompt.ids):
            if prompt.ids[at] != self._id:
                end = next((i for i in range(at, len(prompt.ids)) if prompt.ids[i] == self._id), len(prompt.ids))
                pieces.append(torch.arange(start, start + end - at).repeat(3, 1))
                start += end - at
            else:
                rows, columns = self._grid(next(images))
                end = at + rows * columns
                place = torch.arange(rows * columns)
                pieces.append(start + torch.stack([place * 0, place // columns, place % columns]))
                start += max(rows, columns)
            at = end
        return torch.cat(pieces, -1)

    def _grid(self, image: Image) -> tuple[int, int]:
        """Return rows and columns of an image's features."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        height, width = self.size(image)
        factor = self._patch * self._merge
        bounds = self._images.size
        if self._images.do_resize:
            height, width = smart_resize(height, width, factor, bounds["shortest_edge"], bounds["longest_edge"])
        return height // factor, width // factor


make = Qwen2VL
