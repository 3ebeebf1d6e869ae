"""How a model is loaded and asked: named settings, recorded with every run, free of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import require

Attention = Literal["auto", "sdpa", "eager", "flash_attention_2"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

DEVICES = ("", "cpu", "cuda")
"""Kinds of devices, of which it is known how to ask for memory; empty takes a GPU where there is one."""
GPU_ROWS = 512
"""Most rows a batch decodes together on a GPU, where the logits of a step are what grows."""
GPU_CACHE_SHARE = 0.5
"""Share of the memory that is free for the cache of such a batch, which may grow by a quarter of that."""


@dataclass(frozen=True)
class Loading:
    """How weights come from a folder or a hub into memory."""

    dtype: Dtype = "auto"
    """`auto`: float32 on a CPU, bfloat16 on a GPU."""
    device: str = ""
    """`cpu`, `cuda`, `cuda:1`, …; empty takes a GPU where there is one."""
    device_map: str = ""
    """`auto` spreads the layers over all GPUs, to sample and read with a model larger than one of them."""
    quantize: Literal["", "4bit", "8bit"] = ""
    """Weights of fewer bits, beside which only adapters are trained; needs bitsandbytes, and `8bit` a GPU."""
    attention: Attention = "auto"
    """`auto`: sdpa, or eager for a model that has no other; any other kernel is used or refused."""
    revision: str = ""
    """Branch, tag or commit of a model on the hub; the commit it comes to is recorded."""
    trust_remote_code: bool = False
    """Run Python code that lies in the model's folder."""
    max_side: int = 0
    """Longest side of a picture in pixels: larger ones are shrunk before the model's own resizing; 0 leaves them."""
    thinking: bool | None = None
    """Ask the chat template for an answer with (or without) thinking, where it offers the choice; None leaves it."""

    def __post_init__(self) -> None:
        require(self.max_side >= 0, "max-side", self.max_side, "a number of pixels, or 0 for the full size")
        known = self.device.partition(":")[0] in DEVICES
        require(known, "loading.device", self.device, "cpu, cuda or cuda:N; no other kind of device is tried")
        require(not (self.device and self.device_map), "device-map", self.device_map, "either a device or a device map")

    def require_trainable(self) -> None:
        """Raise UserError where the weights are put otherwise than the library's trainer has them: on the first GPU."""
        number = self.device.partition(":")[2]
        seen = f"CUDA_VISIBLE_DEVICES={number} before the command instead: training takes the first GPU that it sees"
        require(number in {"", "0"}, "loading.device", self.device, seen)
        alone = "none: training takes one GPU; to sample and read with a larger model, use sharpen eval"
        require(not self.device_map, "loading.device-map", self.device_map, alone)
