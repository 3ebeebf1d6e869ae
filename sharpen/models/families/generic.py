"""Families without a file of their own, where the library's processor follows its conventions.

It must turn one placeholder and one picture into that picture's ids and tensors, and tensors of several pictures
must stack along the first dimension. Each picture is put through it twice, for the prompt and for the pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ModelError
from ...types import Image
from ..maps import Grid, nowhere
from . import Parts, Pictures

TEXT = {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"}
"""What a processor makes of the text alone."""
COUNT = "placeholders"


class Generic(Pictures):
    """Family of any image-text-to-text model with one placeholder per picture and plain positions."""

    def __init__(self, parts: Parts) -> None:
        from PIL import Image as Pillow

        self._processor = parts.processor()
        token = getattr(self._processor, "image_token", None)
        if not token:
            raise ModelError("it names no image_token")
        if hasattr(parts.config, "vision_start_token_id") or _has_axes(parts.config):
            raise ModelError("its positions depend on the images")
        super().__init__(parts)
        self.placeholder = str(token)
        self._expanded([Pillow.new("RGB", (32, 32))])

    def markup(self, images: Sequence[Image]) -> list[str]:
        """What the processor makes of each placeholder."""
        return [self._expanded([self.picture(image)])[0] for image in images]

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """How many placeholders each image has, and no more: what each of them shows is not known."""
        return [[nowhere(markup.count(self._token))] for markup in self.markup(images)]

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return all tensors that are not of the text, and beside them how many placeholders came with them."""
        made = [self._call(picture) for picture in pictures]
        kept = [{name: t for name, t in each.items() if name not in TEXT and hasattr(t, "shape")} for each in made]
        return {COUNT: sum(int((each["input_ids"] == self._id).sum()) for each in made), **self.join(kept)}

    def features(self, inputs: dict[str, Any]) -> int:
        """As many as the processor made placeholders; the library's model compares them with its own."""
        return inputs[COUNT]

    def join(self, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Stack all but the count; raises ModelError where shapes do not fit."""
        kept = [{name: t for name, t in each.items() if name != COUNT} for each in inputs]
        uneven = sorted(name for name in kept[0] if len({tuple(each[name].shape[1:]) for each in kept}) > 1)
        if uneven:
            raise ModelError(
                f"pictures of different sizes make {', '.join(uneven)} of different shapes, which cannot be put into "
                "one batch without a family file; make the pictures equally large"
            )
        return super().join(kept)

    def _expanded(self, pictures: list[Any]) -> list[str]:
        """Return the placeholder of each picture as the processor expands it, as text that tokenises to its ids."""
        tokenizer = self._processor.tokenizer
        found: list[str] = []
        for picture in pictures:
            ids = self._call(picture)["input_ids"][0].tolist()
            lead = tokenizer("").input_ids
            ids = ids[len(lead) :] if lead and ids[: len(lead)] == lead else ids
            if self._id not in ids:
                raise ModelError(f"it makes no {self._token} of {self.placeholder}")
            found.append(tokenizer.decode(ids, skip_special_tokens=False))
        return found

    def _call(self, picture: Any) -> Any:
        return self._processor(text=[self.placeholder], images=[picture], return_tensors="pt")


def _has_axes(config: Any) -> bool:
    """Whether rotary positions are split into sections, one an axis."""
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    return "mrope_section" in rope


make = Generic
