"""VISTA on Qwen2.5-VL-3B: `python -m experiments.paper.qwen2_5_vl_3b` says what it takes, with `--run` it runs."""

from __future__ import annotations

import sys

from .cost import Architecture
from .settings import SEED_3B, Subject

SUBJECT = Subject(
    name="qwen2_5_vl_3b",
    title="Qwen2.5-VL-3B",
    hub="Qwen/Qwen2.5-VL-3B-Instruct",
    architecture=Architecture(
        hidden=2048,
        inner=11008,
        layers=36,
        heads=16,
        kv_heads=2,
        head=128,
        vocabulary=151936,
        tied=True,
        biased=True,
        vision=668_684_288,
    ),
    image=324,
    seed=SEED_3B,
    vista={"slake": 84.23, "vqarad": 76.10, "geometry3k": 37.27},
)

if __name__ == "__main__":
    from .command import main

    sys.exit(main([SUBJECT]))
