# pyright: strict
"""PathVQA: questions about pathology images from textbooks, half of them to be answered by yes or no."""

from __future__ import annotations

from ..data.formats.plain import Plain
from . import Benchmark

BENCHMARK = Benchmark(
    title="PathVQA",
    hub="flaviagiammarino/path-vqa",
    row=Plain().read,
    split="test",
    train="train",
    licence="MIT",
    prompt="Answer in a word or a short phrase.",
    metric="accuracy over open and closed questions together",
)
