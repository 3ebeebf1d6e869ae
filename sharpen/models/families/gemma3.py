"""Gemma 3 (arXiv 2503.19786): a fixed number of features per image, which see one another in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...types import Image
from ..maps import Grid, square
from . import Parts, Pictures

WHOLE = {"do_pan_and_scan": False}
"""What the library's processor sets unless a caller asks for crops."""


class Gemma3(Pictures):
    """Family of `Gemma3ForConditionalGeneration`.

    Responses cannot share a prompt in one pass: its masks are made of token types and, in most layers, of a window.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._each: int = parts.config.mm_tokens_per_image
        token = parts.tokenizer.convert_ids_to_tokens
        self.placeholder: str = token(parts.config.boi_token_index)
        self._end: str = token(parts.config.eoi_token_index)

    def markup(self, images: Sequence[Image]) -> list[str]:
        """A frame of blank lines, begin and end of image."""
        return [f"\n\n{self.placeholder}{self._token * self._each}{self._end}\n\n"] * len(images)

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """The picture made square, in equal parts."""
        return [[square(self._each)] for _ in images]

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return `pixel_values` of shape (images, 3, height, width)."""
        return {"pixel_values": self._images(images=pictures, return_tensors="pt", **WHOLE)["pixel_values"]}

    def features(self, inputs: dict[str, Any]) -> int:
        """The same number for every image."""
        return len(inputs["pixel_values"]) * self._each

    def extras(self, ids: Any) -> dict[str, Any]:
        """Say which tokens are image features, so that they attend to one another in both directions."""
        return {"token_type_ids": (ids == self._id).long()}


make = Gemma3
