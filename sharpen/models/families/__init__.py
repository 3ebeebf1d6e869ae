"""What differs between model families, one file each, named by the `model_type` of the configuration."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, Protocol

from ...errors import ModelError
from ...types import Image


class Family(Protocol):
    """A model family: how images enter, and which modules are what."""

    placeholder: str
    """What the chat template writes where an image stands."""
    image_tokens: tuple[str, ...]
    """Tokens that stand for image features; banned from generation."""
    frozen: tuple[str, ...]
    """Name prefixes of modules that training leaves alone: vision tower and projector.

    A family may also say `packs = True`: its forward pass takes positions and a four-dimensional mask as given, so
    that several responses can stand behind one prompt.
    """

    def image_ids(self, image: Image) -> list[int]:
        """Return the ids that an image takes in a prompt, framing tokens included."""
        ...

    def inputs(self, images: Sequence[Image]) -> dict[str, Any]:
        """Return the tensors for the forward pass, images along the first dimension; empty without images."""
        ...


def find(model_type: str, processor: Any, config: Any) -> Family:
    """Return the family of a model; raises ModelError for one that has no file here."""
    known = sorted(m.name for m in pkgutil.iter_modules(__path__))
    if model_type not in known:
        raise ModelError(f"models of type {model_type!r} have no family file yet; supported: {', '.join(known)}")
    family: Family = importlib.import_module(f"{__name__}.{model_type}").make(processor, config)
    return family
