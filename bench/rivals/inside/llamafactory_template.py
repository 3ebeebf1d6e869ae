"""The tiny model's chat template in LLaMA-Factory's words: it has none of ChatML with a system turn and `<image>`."""

from __future__ import annotations

from llamafactory.data.formatter import StringFormatter  # pyright: ignore[reportMissingImports]
from llamafactory.data.mm_plugin import get_mm_plugin  # pyright: ignore[reportMissingImports]
from llamafactory.data.template import register_template  # pyright: ignore[reportMissingImports]

NAME = "sharpen_tiny"


def register() -> None:
    """Make the template known under `NAME`."""
    register_template(
        name=NAME,
        format_system=StringFormatter(slots=["<|im_start|>system\n{{content}}<|im_end|>\n"]),
        format_user=StringFormatter(slots=["<|im_start|>user\n{{content}}<|im_end|>\n<|im_start|>assistant\n"]),
        format_assistant=StringFormatter(slots=["{{content}}<|im_end|>\n"]),
        stop_words=["<|im_end|>"],
        mm_plugin=get_mm_plugin(name="llava", image_token="<image>"),
    )
