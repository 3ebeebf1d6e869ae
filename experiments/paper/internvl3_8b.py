"""VISTA on InternVL3-8B: `python -m experiments.paper.internvl3_8b` says what it takes, with `--run` it runs."""

from __future__ import annotations

import sys

from .cost import Architecture
from .settings import Subject

SUBJECT = Subject(
    name="internvl3_8b",
    title="InternVL3-8B",
    hub="OpenGVLab/InternVL3-8B-hf",
    architecture=Architecture(
        hidden=3584,
        inner=18944,
        layers=28,
        heads=28,
        kv_heads=4,
        head=128,
        vocabulary=151674,
        tied=False,
        biased=True,
        vision=331_552_768,
    ),
    image=256,
    seed={},
    vista={},
)

if __name__ == "__main__":
    from .command import main

    sys.exit(main([SUBJECT]))
