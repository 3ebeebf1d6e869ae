"""How many copies of training tasks the contamination check finds, and how many tasks that are none it accuses.

python -m bench.contamination                # both worlds, 1,000 tasks a split: under two minutes on two cores
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

from PIL import Image as pil

from sharpen.data.contamination import Unseen
from sharpen.data.images import decode
from sharpen.data.load import load_tasks
from sharpen.types import Image, Task


def saved(picture: pil.Image, kind: str = "PNG", **options: Any) -> Image:
    """Encode a picture."""
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return Image.of(buffer.getvalue())


def scaled(picture: pil.Image, by: float) -> pil.Image:
    """Make a picture larger or smaller."""
    return picture.resize((round(picture.width * by), round(picture.height * by)), pil.Resampling.BICUBIC)


def cropped(picture: pil.Image, share: float) -> pil.Image:
    """Cut a share of the width and height off each side."""
    x, y = round(picture.width * share), round(picture.height * share)
    return picture.crop((x, y, picture.width - x, picture.height - y))


COPIES: dict[str, Callable[[pil.Image], Image]] = {
    "PNG again": saved,
    "JPEG 95": lambda p: saved(p, "JPEG", quality=95),
    "JPEG 75": lambda p: saved(p, "JPEG", quality=75),
    "JPEG 30": lambda p: saved(p, "JPEG", quality=30),
    "WebP 50": lambda p: saved(p, "WEBP", quality=50),
    "half the size": lambda p: saved(scaled(p, 0.5)),
    "a quarter, JPEG 75": lambda p: saved(scaled(p, 0.25), "JPEG", quality=75),
    "twice the size, JPEG 75": lambda p: saved(scaled(p, 2), "JPEG", quality=75),
    "grey": lambda p: saved(p.convert("L")),
    "2 % cut off each side": lambda p: saved(cropped(p, 0.02)),
    "turned by 90 degrees": lambda p: saved(p.transpose(pil.Transpose.ROTATE_90)),
}


def copied(task: Task, how: Callable[[pil.Image], Image]) -> Task:
    """The same question about a copy of the picture, under another name."""
    return replace(task, id=f"copy of {task.id}", images=(how(decode(task.images[0])),))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--tasks", type=int, default=1_000)
    options.add_argument("--copies", type=int, default=100)
    chosen = options.parse_args()
    for world in ("digits", "shapes"):
        train = load_tasks(f"{world}:{chosen.tasks}")
        test = load_tasks(f"{world}:{chosen.tasks}", split="test")
        began = time.perf_counter()
        accused = Unseen(test).overlaps(train)
        seconds = time.perf_counter() - began
        found: dict[str, float] = {}
        for name, how in COPIES.items():
            seen = [copied(task, how) for task in train[: chosen.copies]]
            hits = {overlap.train for overlap in Unseen(seen).overlaps(train)}
            found[name] = sum(task.id in hits for task in train[: chosen.copies]) / len(seen)
        print(
            json.dumps(
                {
                    "world": world,
                    "tasks_of_each_split": chosen.tasks,
                    "seconds": round(seconds, 1),
                    "accused_though_unseen": len(accused),
                    "first_accused": accused[0].reason if accused else None,
                    "share_of_copies_found": found,
                },
                indent=1,
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
