"""VISTA on InternVL3-2B: `python -m experiments.paper.internvl3_2b` says what it takes, with `--run` it runs."""

from __future__ import annotations

import sys

from .cost import Architecture
from .settings import Subject

SUBJECT = Subject(
    name="internvl3_2b",
    title="InternVL3-2B",
    hub="OpenGVLab/InternVL3-2B-hf",
    architecture=Architecture(
        hidden=1536,
        inner=8960,
        layers=28,
        heads=12,
        kv_heads=2,
        head=128,
        vocabulary=151674,
        tied=False,
        biased=True,
        vision=312_674_304,
    ),
    image=256,
    seed={},
    vista={},
)

if __name__ == "__main__":
    from .command import main

    sys.exit(main([SUBJECT]))
