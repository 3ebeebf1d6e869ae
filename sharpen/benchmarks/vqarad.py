# pyright: strict
"""VQA-RAD: questions about radiology images, half of them to be answered by yes or no."""

from __future__ import annotations

from ..data.formats.plain import Plain
from . import Benchmark, Published

BENCHMARK = Benchmark(
    title="VQA-RAD",
    hub="flaviagiammarino/vqa-rad",
    row=Plain().read,
    split="test",
    train="train",
    licence="CC0-1.0",
    prompt="Answer in a word or a short phrase.",
    metric="accuracy over open and closed questions together",
    published=Published("Qwen2.5-VL-7B", 64.5, "arXiv 2506.07044, table 6"),
)
