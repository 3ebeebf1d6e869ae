"""VISTA on Qwen2.5-VL-7B: `python -m experiments.paper.qwen2_5_vl_7b` says what it takes, with `--run` it runs."""

from __future__ import annotations

import sys

from .cost import Architecture
from .settings import Subject

SUBJECT = Subject(
    name="qwen2_5_vl_7b",
    title="Qwen2.5-VL-7B",
    hub="Qwen/Qwen2.5-VL-7B-Instruct",
    architecture=Architecture(
        hidden=3584,
        inner=18944,
        layers=28,
        heads=28,
        kv_heads=4,
        head=128,
        vocabulary=152064,
        tied=False,
        biased=True,
        vision=676_550_144,
    ),
    image=324,
    seed={"slake": 79.15, "vqarad": 70.52, "geometry3k": 36.94},
    vista={"slake": 87.89, "vqarad": 77.29, "geometry3k": 41.43},
)

if __name__ == "__main__":
    from .command import main

    sys.exit(main([SUBJECT]))
