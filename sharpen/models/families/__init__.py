"""What differs between model families, one file each, named by the `model_type` of the configuration.

`generic` takes what has no file but a processor that follows the library's conventions, `text` models without images.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import ModelError
from ...types import Image

if TYPE_CHECKING:
    from ..maps import Grid
    from ..model import Prompt

FALLBACKS = ("generic", "text")


@dataclass(frozen=True)
class Parts:
    """What of a model's folder a family is made from: all but the weights."""

    folder: Path
    config: Any
    tokenizer: Any
    images: Any = None
    """The image processor; None for a model without images."""
    remote: bool = False
    """Whether code in the folder may run."""
    max_side: int | None = None
    """Longest side of a picture in pixels; larger ones are shrunk."""

    def processor(self) -> Any:
        """Load the whole processor; where it has a video part this needs torchvision."""
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(self.folder, trust_remote_code=self.remote)


class Family(Protocol):
    """A model family: how images enter a prompt and the forward pass."""

    placeholder: str
    """What the chat template writes where an image stands; empty for a model without images."""
    image_tokens: tuple[str, ...]
    """Tokens that stand for features of images or videos; banned from generation."""
    packs: bool
    """Whether the forward pass takes positions and a four-dimensional mask as given, so that several responses can
    stand behind one prompt."""

    def markup(self, images: Sequence[Image]) -> list[str]:
        """Return what stands in the prompt for each image of a task: placeholders, once a feature, and their frame."""
        ...

    def grids(self, images: Sequence[Image]) -> list[list[Grid]]:
        """Return for each image of a task what its placeholders show of it, in their order."""
        ...

    def inputs(self, images: Sequence[Image]) -> dict[str, Any]:
        """Return the tensors of a task's images for the forward pass; there is at least one."""
        ...

    def features(self, inputs: dict[str, Any]) -> int:
        """Return how many features the model makes of such tensors."""
        ...

    def join(self, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Put the tensors of several tasks into one batch."""
        ...

    def extras(self, ids: Any) -> dict[str, Any]:
        """Return what a pass over whole prompts needs beside (rows, length) ids; the steps after it do without."""
        ...

    def positions(self, prompt: Prompt) -> Any | None:
        """Return (axes, length) positions of a prompt where they are not 0, 1, 2 …; a response counts on by one."""
        ...


class Pictures:
    """What most families have in common: one placeholder token, tensors stacked image by image, plain positions."""

    packs = False

    def __init__(self, parts: Parts) -> None:
        token = parts.tokenizer.convert_ids_to_tokens
        video = getattr(parts.config, "video_token_id", None)
        self._images = parts.images
        self._max_side = parts.max_side
        self._token: str = token(parts.config.image_token_id)
        self._id: int = parts.config.image_token_id
        self.placeholder = self._token
        self.image_tokens = (self._token, *([] if video is None else [token(video)]))

    def inputs(self, images: Sequence[Image]) -> dict[str, Any]:
        """Return what the image processor makes of the pictures."""
        return self.processed([self.picture(image) for image in images])

    def picture(self, image: Image) -> Any:
        """Decode an image as the model is to see it."""
        from ...data.images import decode

        return decode(image, self._max_side)

    def size(self, image: Image) -> tuple[int, int]:
        """Return height and width of `picture`, without decoding it."""
        from ...data.images import size

        return size(image, self._max_side)

    def processed(self, pictures: list[Any]) -> dict[str, Any]:
        """Return the forward pass's tensors of decoded pictures."""
        return {"pixel_values": self._images(images=pictures, return_tensors="pt")["pixel_values"]}

    def join(self, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Stack along the first dimension."""
        import torch

        return {name: torch.cat([each[name] for each in inputs]) for name in inputs[0]}

    def extras(self, ids: Any) -> dict[str, Any]:
        """Nothing."""
        return {}

    def positions(self, prompt: Prompt) -> None:
        """The usual ones."""


def names() -> list[str]:
    """Return the types of models that have a file here."""
    return sorted({m.name for m in pkgutil.iter_modules(__path__)} - set(FALLBACKS))


def summary(name: str) -> str:
    """Return the first line of a family's file."""
    text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]


def find(parts: Parts, sees: bool) -> Family:
    """Return the family of a model; raises ModelError where none fits."""
    model_type: str = parts.config.model_type
    known = names()
    name = model_type if model_type in known else FALLBACKS[0] if sees else FALLBACKS[1]
    make = importlib.import_module(f"{__name__}.{name}").make
    if name in known:
        family: Family = make(parts)
        return family
    try:
        return make(parts)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"models of type {model_type!r} have no family file, and their processor cannot be used as it is "
            f"({reason}); families with a file: {', '.join(known)}"
        ) from error
