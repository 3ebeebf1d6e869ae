"""LLaVA-1.5 and relatives (arXiv 2310.03744): a fixed number of features per image, one placeholder repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...data.images import decode
from ...types import Image


class Llava:
    """Family of `LlavaForConditionalGeneration`."""

    frozen = ("model.vision_tower", "model.multi_modal_projector")
    packs = True

    def __init__(self, processor: Any, config: Any) -> None:
        from PIL import Image as Pillow

        self._images = processor.image_processor
        self.placeholder: str = processor.image_token
        self.image_tokens = (processor.image_token,)
        # Probed rather than computed: crop and resize settings differ between processors.
        height, width = self._pixels([Pillow.new("RGB", (8, 8))]).shape[-2:]
        patch = processor.patch_size
        features = (height // patch) * (width // patch) + processor.num_additional_image_tokens
        features -= config.vision_feature_select_strategy == "default"
        self._ids = [config.image_token_id] * features

    def image_ids(self, image: Image) -> list[int]:
        """Every image takes the same number of placeholders."""
        return self._ids

    def inputs(self, images: Sequence[Image]) -> dict[str, Any]:
        """Return `pixel_values` of shape (images, 3, height, width)."""
        return {"pixel_values": self._pixels([decode(image) for image in images])} if images else {}

    def _pixels(self, pictures: list[Any]) -> Any:
        return self._images(images=pictures, return_tensors="pt")["pixel_values"]


make = Llava
