"""Ids and pictures of any loader in the words in which they are compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from PIL import ImageStat

FEATURES = 16
"""Ids of a picture in the tiny model."""


def split(tokenizer: Any, ids: Sequence[int], labels: Sequence[int]) -> tuple[str, str]:
    """Return prompt and reply: what is not trained on and what is, without the end of the turn."""
    first = next(at for at, label in enumerate(labels) if label != -100)
    prompt, reply = (tokenizer.decode(list(some)) for some in (ids[:first], ids[first:]))
    return marked(prompt), reply.removesuffix("\n").removesuffix("<|im_end|>")


def marked(prompt: str) -> str:
    """Return a prompt with one mark for each picture's run of ids."""
    return re.sub(rf"(?:<image>){{{FEATURES}}}", "<image>", prompt)


def pictures(images: Sequence[Any]) -> list[dict[str, Any]]:
    """Return size and mean colour of each, as the loader hands them to its processor."""
    return [{"size": list(i.size), "colour": ImageStat.Stat(i.convert("RGB")).mean} for i in images]
