# pyright: strict
"""PathVQA: questions about pathology images from textbooks, half of them to be answered by yes or no."""

from __future__ import annotations

from ..data.formats.plain import Plain
from . import Benchmark, Published

BENCHMARK = Benchmark(
    title="PathVQA",
    hub="flaviagiammarino/path-vqa",
    row=Plain().read,
    split="test",
    train="train",
    licence="MIT",
    prompt="Answer in a word or a short phrase.",
    metric="accuracy over open and closed questions together",
    published=Published("Qwen2.5-VL-7B", 44.1, "arXiv 2506.07044, table 6"),
)
