"""Models of random weights in the shapes of real ones, written out here so that nothing is downloaded.

Every script that takes `--shape` runs on one GPU with a whole model, and on a CPU with `--layers 2` of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    LlavaConfig,
    Qwen2_5_VLConfig,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from sharpen.models import load
from sharpen.models.hf import HF
from sharpen.models.settings import Loading
from sharpen.worlds import TINY

MEDIUM: dict[str, Any] = {
    "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 8,
    "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 16384,
}  # fmt: skip
"""A text model of 12 layers, for long rows on a CPU; tokenizer and tower are the tiny model's."""

QWEN: dict[str, dict[str, Any]] = {
    "qwen2.5-vl-3b": {
        "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
        "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "qwen2.5-vl-7b": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
    },
}  # fmt: skip
"""Text models as the published configurations have them."""
TEXT: dict[str, Any] = {
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
}
TOWER: dict[str, Any] = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112,
}  # fmt: skip
WINDOWLESS = (7, 15, 23, 31)
"""Layers of the tower that attend to the whole image."""
SIDES = {"shortest_edge": 504**2, "longest_edge": 512**2}
"""Pixels of an image: one of any square size becomes 504 x 504, as one of 512 x 512 does, and 324 tokens."""
LIMIT = 64
"""Most new tokens: random weights hardly ever end a turn."""
MARKS = [
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|pad|>",
]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for p in m['content'] %}{% if p['type'] == 'text' %}"
    "{{ p['text'] }}{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NAMES = ("tiny", "medium", *QWEN)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which model is measured, and where."""
    parser.add_argument("--shape", choices=NAMES, default="tiny", help="random weights of this shape; tiny is trained")
    parser.add_argument("--layers", type=int, default=0, help="layers of text model and tower; 0 takes all")
    parser.add_argument("--device", default="", help="cpu or cuda; empty takes a GPU where there is one")


@contextmanager
def chosen(asked: argparse.Namespace) -> Generator[HF]:
    """Build the model that the options name; its folder is removed afterwards."""
    how = Loading(device=asked.device)
    if asked.shape == "tiny":
        yield load("tiny", how)
        return
    with TemporaryDirectory() as folder:
        yield load(str(write(Path(folder), asked.shape, asked.layers)), how)


def write(folder: Path, shape: str, layers: int = 0) -> Path:
    """Write a model of a shape, in half precision where it is too large for a CPU anyway."""
    torch.manual_seed(0)
    if shape == "medium":
        config, dtype = medium(layers), torch.float32
        AutoProcessor.from_pretrained(TINY).save_pretrained(folder)
        ends = GenerationConfig.from_pretrained(TINY)
    else:
        tokenizer: Any = AutoTokenizer.from_pretrained(TINY)
        tokenizer.add_special_tokens({"additional_special_tokens": MARKS})
        tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|pad|>"
        tokenizer.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(TEMPLATE)
        Qwen2VLImageProcessorPil(patch_size=14, merge_size=2, temporal_patch_size=2, size=SIDES).save_pretrained(folder)
        config, dtype = qwen(shape, layers, tokenizer), torch.bfloat16
        ends = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    net: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    net.generation_config = ends
    net.save_pretrained(folder)
    (folder / "sharpen.json").write_text(json.dumps({"max_tokens": LIMIT}))
    return folder


def medium(layers: int) -> LlavaConfig:
    """Return the tiny model's configuration with a text model of 12 layers."""
    config: Any = LlavaConfig.from_pretrained(TINY)
    for name, value in MEDIUM.items():
        setattr(config.text_config, name, value)
    config.text_config.num_hidden_layers = layers or MEDIUM["num_hidden_layers"]
    config.text_config.layer_types = ["full_attention"] * config.text_config.num_hidden_layers
    return config


def qwen(shape: str, layers: int, tokenizer: Any) -> Qwen2_5_VLConfig:
    """Return the configuration of a shape, with the ids that the tokenizer gives to its marks."""
    text, depth = {**TEXT, **QWEN[shape]}, layers or TOWER["depth"]
    text["num_hidden_layers"] = layers or text["num_hidden_layers"]
    whole = [i for i in WINDOWLESS if i < depth] or [depth - 1]
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{mark}|>")
        for name, mark in (("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"),
                           ("vision_end", "vision_end"))
    }  # fmt: skip
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return Qwen2_5_VLConfig(
        text_config={**text, **ends},
        vision_config={**TOWER, "depth": depth, "out_hidden_size": text["hidden_size"], "fullatt_block_indexes": whole},
        tie_word_embeddings=text["tie_word_embeddings"],
        **ids,
    )
