"""Qwen3-VL (arXiv 2511.21631): features also enter the first decoder layers; that and rotation are in the model."""

from __future__ import annotations

from .qwen2_vl import Qwen2VL as Qwen3VL

make = Qwen3VL
