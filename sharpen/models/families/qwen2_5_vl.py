"""Qwen2.5-VL (arXiv 2502.13923): images as in the generation before; window attention is inside the vision tower."""

from __future__ import annotations

from .qwen2_vl import Qwen2VL as Qwen25VL

make = Qwen25VL
