"""VISTA on Qwen3-VL-2B: `python -m experiments.paper.qwen3_vl_2b` says what it takes, with `--run` it runs."""

from __future__ import annotations

import sys

from .cost import Architecture
from .settings import Subject

SUBJECT = Subject(
    name="qwen3_vl_2b",
    title="Qwen3-VL-2B",
    hub="Qwen/Qwen3-VL-2B-Instruct",
    architecture=Architecture(
        hidden=2048,
        inner=6144,
        layers=28,
        heads=16,
        kv_heads=8,
        head=128,
        vocabulary=151936,
        tied=True,
        biased=False,
        vision=406_957_056,
    ),
    image=256,
    seed={},
    vista={},
)

if __name__ == "__main__":
    from .command import main

    sys.exit(main([SUBJECT]))
