# pyright: strict
"""Geometry3K: geometry problems with a diagram; answered freely, not by choice."""

from __future__ import annotations

from ..data.formats.easyr1 import Easyr1
from . import Benchmark, Published

BENCHMARK = Benchmark(
    title="Geometry3K",
    hub="hiyouga/geometry3k",
    row=Easyr1().read,
    split="test",
    train="train",
    licence="MIT",
    metric="accuracy of the value, where the original gives four choices",
    published=Published("Qwen2.5-VL-7B", 39.0, "github.com/hiyouga/EasyR1, assets/baselines.md, in two digits"),
)
