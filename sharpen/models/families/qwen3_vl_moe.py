"""Qwen3-VL with experts (arXiv 2511.21631): images as in the dense models."""

from __future__ import annotations

from .qwen2_vl import Qwen2VL as Qwen3VLMoe

make = Qwen3VLMoe
