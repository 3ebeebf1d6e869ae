"""Random models of every family, as folders that the real loading code reads: a few thousand weights each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

LESSON = [
    "system\nlook closely .\n\nuser\nwhat is it ? how many cups are there ?\n\nassistant\n<think> so 3 </think> 7"
]
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 2048,
    "initializer_range": 0.3,
    "bos_token_id": None,
}
SIGLIP: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
    "vision_use_head": False,
    "initializer_range": 0.3,
}
SQUARE = {"height": 16, "width": 16}

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for p in m['content'] %}"
    "{% if p['type'] == 'text' %}{{ p['text'] }}{% else %}IMAGE{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""How most families' own templates look; those that differ in kind are written out below."""
IMAGES_FIRST = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }} {% for p in m['content'] if p['type'] == 'image' %}<image>"
    "{% endfor %}{% for p in m['content'] if p['type'] == 'text' %}\n{{ p['text'] }}{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CAPITALS = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}:"
    "{{ '' if m['content'][0]['type'] == 'image' else ' ' }}"
    "{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}{% else %}<image>{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{% set before = messages[0]['content'][0]['text'] + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set before = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}<start_of_turn>{{ m['role'] }}\n{{ before if loop.first else '' }}{% for p in m['content'] %}"
    "{% if p['type'] == 'text' %}{{ p['text'] | trim }}{% else %}<start_of_image>{% endif %}{% endfor %}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
"""The system message goes before the user's first words, without a turn of its own."""


def learn(special: list[str], named: dict[str, str], **marks: str) -> Any:
    """A byte-level tokenizer with these special tokens."""
    core: Any = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        LESSON * 3, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    )
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in [*special, "<|pad|>"]])
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        extra_special_tokens=named,
        clean_up_tokenization_spaces=False,
        **marks,
    )


@dataclass(frozen=True)
class Kind:
    """How a family's tiny model is made."""

    special: list[str]
    config: Callable[[Any, dict[str, Any]], Any]
    """From the tokenizer's ids and the ends of a turn."""
    images: Any = None
    template: str = CHATML
    placeholder: str = ""
    end: str = "<|im_end|>"
    bos: str | None = None
    named: dict[str, str] = field(default_factory=dict)
    processor: Callable[[Any, Any], Any] | None = None
    """For families that load the library's processor, which must construct without torchvision."""
    seeing: bool = True

    def save(self, folder: Path) -> Path:
        """Write the folder that a hub would give."""
        marks = {"eos_token": self.end} | ({"bos_token": self.bos} if self.bos else {})
        tokenizer = learn(self.special, self.named, **marks)
        ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
        config = self.config(
            lambda t: tokenizer.convert_tokens_to_ids(t), {**TEXT, "vocab_size": len(tokenizer), **ends}
        )
        kind = hf.AutoModelForImageTextToText if self.seeing else hf.AutoModelForCausalLM
        torch.manual_seed(0)
        net: Any = kind.from_config(config)
        with torch.no_grad():
            for weight in net.parameters():  # some classes begin with projectors of zeros, which see nothing
                if weight.ndim > 1 and not weight.any():
                    weight.normal_(std=0.3)
        net.generation_config = hf.GenerationConfig(**ends)
        net.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(self.template.replace("IMAGE", self.placeholder))
        if self.processor:
            self.processor(self.images, tokenizer).save_pretrained(folder)
        elif self.images:
            self.images.save_pretrained(folder)
        return folder


CHAT = ["<|im_start|>", "<|im_end|>"]
PADS = [*CHAT, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
FRAMED = "<|vision_start|><|image_pad|><|vision_end|>"
ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
NARROW: dict[str, Any] = {"head_dim": 8, "rope_parameters": {**ROPE, "mrope_section": [1, 1, 2]}}


def _ids(id_of: Any) -> dict[str, Any]:
    return {
        "image_token_id": id_of("<|image_pad|>"),
        "video_token_id": id_of("<|video_pad|>"),
        "vision_start_token_id": id_of("<|vision_start|>"),
        "vision_end_token_id": id_of("<|vision_end|>"),
    }


def _qwen2(id_of: Any, text: dict[str, Any]) -> Any:
    vision = {"depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4}
    own = hf.Qwen2VLTextConfig(**{**text, **NARROW})
    return hf.Qwen2VLConfig(
        text_config=own.to_dict(), vision_config={**vision, "initializer_range": 0.3}, **_ids(id_of)
    )


def _qwen25(id_of: Any, text: dict[str, Any]) -> Any:
    vision = {
        "depth": 2, "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "patch_size": 4,
        "window_size": 16, "fullatt_block_indexes": [1], "initializer_range": 0.3,
    }  # fmt: skip
    own = hf.Qwen2_5_VLTextConfig(**{**text, **NARROW})
    return hf.Qwen2_5_VLConfig(text_config=own.to_dict(), vision_config=vision, **_ids(id_of))


DEEP: dict[str, Any] = {
    "depth": 3, "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "patch_size": 4,
    "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1], "initializer_range": 0.3,
}  # fmt: skip


def _qwen3(id_of: Any, text: dict[str, Any]) -> Any:
    own = hf.Qwen3VLTextConfig(**{**text, "rope_parameters": {**ROPE, "mrope_interleaved": True}})
    return hf.Qwen3VLConfig(text_config=own.to_dict(), vision_config=DEEP, **_ids(id_of))


def _qwen3_moe(id_of: Any, text: dict[str, Any]) -> Any:
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    own = hf.Qwen3VLMoeTextConfig(**{**text, **experts, "rope_parameters": {**ROPE, "mrope_interleaved": True}})
    return hf.Qwen3VLMoeConfig(text_config=own.to_dict(), vision_config=DEEP, **_ids(id_of))


def _internvl(id_of: Any, text: dict[str, Any]) -> Any:
    vision = hf.InternVLVisionConfig(**{**SIGLIP, "image_size": [16, 16], "patch_size": [4, 4]}, norm_type="layer_norm")
    own = hf.Qwen2Config(**text)
    return hf.InternVLConfig(
        text_config=own, vision_config=vision, image_token_id=id_of("<IMG_CONTEXT>"), image_seq_length=4,
        downsample_ratio=0.5,
    )  # fmt: skip


def _llava(id_of: Any, text: dict[str, Any]) -> Any:
    return hf.LlavaConfig(
        text_config=hf.LlamaConfig(**text), vision_config=hf.SiglipVisionConfig(**SIGLIP),
        image_token_id=id_of("<image>"), vision_feature_select_strategy="full", vision_feature_layer=-1,
        image_seq_length=16,
    )  # fmt: skip


def _onevision(id_of: Any, text: dict[str, Any]) -> Any:
    return hf.LlavaOnevisionConfig(
        text_config=hf.Qwen2Config(**text), vision_config=hf.SiglipVisionConfig(**SIGLIP),
        image_token_id=id_of("<image>"), video_token_id=id_of("<video>"), vision_feature_select_strategy="full",
        vision_feature_layer=-1, image_grid_pinpoints=GRIDS, vision_aspect_ratio="anyres_max_9",
    )  # fmt: skip


GRIDS = [[16, 16], [16, 32], [32, 16], [32, 32], [16, 48], [64, 64]]
"""The last is 16 tiles: more than 9, so that its features are scaled down."""


def _idefics(id_of: Any, text: dict[str, Any]) -> Any:
    vision = {k: v for k, v in SIGLIP.items() if k != "vision_use_head"}
    return hf.Idefics3Config(
        text_config=hf.LlamaConfig(**text), vision_config=vision, image_token_id=id_of("<image>"), scale_factor=2,
        pad_token_id=text["pad_token_id"],
    )  # fmt: skip


def _smolvlm(id_of: Any, text: dict[str, Any]) -> Any:
    vision = {k: v for k, v in SIGLIP.items() if k != "vision_use_head"}
    return hf.SmolVLMConfig(
        text_config=hf.LlamaConfig(**text), vision_config=vision, image_token_id=id_of("<image>"), scale_factor=2,
        pad_token_id=text["pad_token_id"],
    )  # fmt: skip


def _gemma3(id_of: Any, text: dict[str, Any]) -> Any:
    own = hf.Gemma3TextConfig(
        **{**text, "bos_token_id": id_of("<bos>")}, query_pre_attn_scalar=16, sliding_window=24,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )  # fmt: skip
    return hf.Gemma3Config(
        text_config=own, vision_config=hf.SiglipVisionConfig(**SIGLIP), mm_tokens_per_image=4,
        image_token_index=id_of("<image_soft_token>"), boi_token_index=id_of("<start_of_image>"),
        eoi_token_index=id_of("<end_of_image>"),
    )  # fmt: skip


def _aya(id_of: Any, text: dict[str, Any]) -> Any:
    return hf.AyaVisionConfig(
        text_config=hf.Qwen2Config(**text), vision_config=hf.SiglipVisionConfig(**SIGLIP),
        image_token_id=id_of("<|IMG_PATCH|>"), vision_feature_select_strategy="full", vision_feature_layer=-1,
        downsample_factor=2, adapter_layer_norm_eps=1e-6,
    )  # fmt: skip


def _llava_processor(images: Any, tokenizer: Any) -> Any:
    return hf.LlavaProcessor(images, tokenizer, patch_size=4, vision_feature_select_strategy="full",
                             num_additional_image_tokens=0, image_token="<image>")  # fmt: skip


def _aya_processor(images: Any, tokenizer: Any) -> Any:
    return hf.AyaVisionProcessor(images, tokenizer, patch_size=8, img_size=16, downsample_factor=1)


LINES = ["<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", "<|im_start|>",
         *(f"<row_{r}_col_{c}>" for r in range(1, 4) for c in range(1, 4))]  # fmt: skip
TILES = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}}
SMALL = {"patch_size": 4, "merge_size": 2, "size": {"shortest_edge": 256, "longest_edge": 1600}}
FRAMES = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
          "video_token": "<video>"}  # fmt: skip
AYA = ["<image>", "<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_LINE_BREAK|>", "TILE", "TILE_GLOBAL",
       *(f"TILE_{n}" for n in range(1, 14))]  # fmt: skip

KINDS: dict[str, Kind] = {
    "llava": Kind([*CHAT, "<image>"], _llava, SiglipImageProcessorPil(size=SQUARE), placeholder="<image>",
                  processor=_llava_processor),
    "qwen2_vl": Kind(PADS, _qwen2, Qwen2VLImageProcessorPil(**SMALL), placeholder=FRAMED),
    "qwen2_5_vl": Kind(PADS, _qwen25, Qwen2VLImageProcessorPil(**SMALL), placeholder=FRAMED),
    "qwen3_vl": Kind(PADS, _qwen3, Qwen2VLImageProcessorPil(**SMALL), placeholder=FRAMED),
    "qwen3_vl_moe": Kind(PADS, _qwen3_moe, Qwen2VLImageProcessorPil(**SMALL), placeholder=FRAMED),
    "internvl": Kind([*CHAT, *FRAMES.values()], _internvl,
                     GotOcr2ImageProcessorPil(size=SQUARE, max_patches=6), placeholder="<IMG_CONTEXT>\n", named=FRAMES),
    "llava_onevision": Kind([*CHAT, "<image>", "<video>"], _onevision,
                            LlavaOnevisionImageProcessorPil(size=SQUARE, image_grid_pinpoints=GRIDS),
                            template=IMAGES_FIRST),
    "idefics3": Kind(LINES, _idefics, Idefics3ImageProcessorPil(**TILES), template=CAPITALS, end="<end_of_utterance>"),
    "smolvlm": Kind(LINES, _smolvlm, SmolVLMImageProcessorPil(**TILES), template=CAPITALS, end="<end_of_utterance>"),
    "gemma3": Kind(["<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>",
                    "<image_soft_token>"], _gemma3, Gemma3ImageProcessorPil(size=SQUARE), template=NO_SYSTEM,
                   end="<end_of_turn>", bos="<bos>",
                   named={"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>",
                          "image_token": "<image_soft_token>"}),
    "aya_vision": Kind([*CHAT, *AYA], _aya, GotOcr2ImageProcessorPil(size=SQUARE, max_patches=4, crop_to_patches=True),
                       placeholder="<image>", processor=_aya_processor),
}  # fmt: skip
"""By `model_type`; the last stands for all that have no file of their own."""

TEXT_ONLY = Kind(CHAT, lambda id_of, text: hf.Qwen3Config(**text), seeing=False)
