"""The tiny model in ms-swift's words: a template, and a model type that has it; an engine takes that of the type."""

from __future__ import annotations

from typing import Any

from swift.model import Model, ModelGroup, ModelMeta, register_model  # pyright: ignore[reportMissingImports]
from swift.model.model_arch import ModelArch  # pyright: ignore[reportMissingImports]
from swift.model.models.llava import LlavaLlamaHfLoader  # pyright: ignore[reportMissingImports]
from swift.template import TemplateMeta, register_template  # pyright: ignore[reportMissingImports]
from swift.template.templates.llava import LlavaHfTemplate  # pyright: ignore[reportMissingImports]

NAME = "sharpen_tiny"


class Tiny(LlavaHfTemplate):
    """LLaVA's template, without the line break that it puts behind a picture."""

    def replace_tag(self, media_type: str, index: int, inputs: Any) -> list[str]:
        return ["<image>"]


def register() -> None:
    """Make template and model type known under `NAME`."""
    register_template(
        TemplateMeta(
            NAME,
            prefix=[],
            system_prefix=["<|im_start|>system\n{{SYSTEM}}<|im_end|>\n"],
            prompt=["<|im_start|>user\n{{QUERY}}<|im_end|>\n<|im_start|>assistant\n"],
            chat_sep=["<|im_end|>\n"],
            suffix=["<|im_end|>"],
            template_cls=Tiny,
        )
    )
    group = ModelGroup([Model(f"sharpen/{NAME}", f"sharpen/{NAME}")])
    architectures = ["LlavaForConditionalGeneration"]
    register_model(
        ModelMeta(
            NAME, [group], LlavaLlamaHfLoader, template=NAME, architectures=architectures,
            model_arch=ModelArch.llava_hf, tags=["vision"],
        )
    )  # fmt: skip
