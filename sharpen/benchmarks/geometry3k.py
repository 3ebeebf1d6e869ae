# pyright: strict
"""Geometry3K: geometry problems with a diagram; answered freely, not by choice."""

from __future__ import annotations

from ..data.formats.easyr1 import Easyr1
from . import Benchmark

BENCHMARK = Benchmark(
    title="Geometry3K",
    hub="hiyouga/geometry3k",
    row=Easyr1().read,
    split="test",
    train="train",
    licence="MIT",
    metric="accuracy of the value, where the original gives four choices",
)
