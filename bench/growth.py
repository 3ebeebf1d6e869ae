"""Time and memory of a VISTA round against tasks, attempts, prompt length and image size, with fitted exponents.

python -m bench.growth            # a few minutes on one core; an exponent of 1 is linear, of 0 is flat
python -m bench.growth --full     # up to 10,000 tasks: about an hour
python -m bench.growth --figure docs/figures/growth.svg
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import log10
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import PIL.Image

from sharpen.data.images import decode
from sharpen.errors import UserError
from sharpen.improve import improve
from sharpen.methods.vista import Vista
from sharpen.models import load
from sharpen.models.hf import HF
from sharpen.models.model import Sampling, Write
from sharpen.progress import peak_memory, say
from sharpen.report.markup import Html, tag
from sharpen.types import Image, Task
from sharpen.worlds import world

from .side import clock, options

WIDTH, HEIGHT, EDGE = 440, 290, 48
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


@dataclass(frozen=True)
class Size:
    """What a round is made of."""

    tasks: int = 32
    attempts: int = 4
    words: int = 0
    """Put before each question."""
    side: int = 0
    """Side of each picture in pixels; 0 leaves it."""


SWEEPS: dict[str, tuple[Sequence[Size], Sequence[Size]]] = {
    "tasks": ([Size(n) for n in (50, 100, 200)], [Size(n) for n in (100, 1000, 10_000)]),
    "attempts": ([Size(attempts=n) for n in (2, 4, 8)], [Size(attempts=n) for n in (2, 4, 8, 16, 32)]),
    "prompt tokens": ([Size(words=n) for n in (0, 128, 256)], [Size(words=n) for n in (0, 64, 128, 256, 384)]),
    "pixels": ([Size(side=n) for n in (128, 512, 1024)], [Size(side=n) for n in (64, 128, 256, 512, 1024, 2048)]),
}
"""Sizes by axis, without and with `--full`."""


def one(size: Size) -> dict[str, float]:
    """Run a round in this process; what the first use of a model costs is not counted."""
    model = load("tiny")
    tasks = [made(t, size) for t in world("digits").tasks("train", size.tasks)]
    prompt = model.prompt(tasks[0])
    list(model.write([Write(prompt, Sampling(1.0, max_tokens=4), 0, (0,))]))
    with TemporaryDirectory() as folder:
        began = clock()
        examples = round_of(size, model, tasks, folder)
        seconds = clock() - began
    pixels = float(np.prod(decode(tasks[0].images[0]).size))
    sizes = {"tasks": size.tasks, "attempts": size.attempts, "prompt tokens": len(prompt.ids), "pixels": pixels}
    return {**sizes, "examples": examples, "seconds": seconds, "peak_bytes": peak_memory()[0]}


def round_of(size: Size, model: HF, tasks: Sequence[Task], folder: str) -> int:
    """Run the round and return its examples; one without any, as after strange prompts, ends untrained."""
    try:
        done = improve(Vista(samples=size.attempts), model, tasks, rounds=1, out=folder)
    except UserError as error:
        if "became an example" not in str(error):
            raise
        return 0
    return done.rounds[0].tally.examples


def made(task: Task, size: Size) -> Task:
    """Put words before a question, and enlarge its pictures."""
    said = " ".join(str(n % 10) for n in range(size.words // 2))
    images = tuple(enlarged(i, size.side) for i in task.images) if size.side else task.images
    return replace(task, question=f"{said} {task.question}".strip(), images=images, places=())


def enlarged(image: Image, side: int) -> Image:
    """Return a picture of side x side pixels."""
    data = io.BytesIO()
    decode(image).resize((side, side), PIL.Image.Resampling.NEAREST).save(data, "PNG")
    return Image.of(data.getvalue())


def slope(axis: str, rows: Sequence[dict[str, float]], what: str) -> float:
    """Fit the exponent with which something grows."""
    x, y = (np.log([row[name] for row in rows]) for name in (axis, what))
    return float(np.polyfit(x, y, 1)[0])


def measured(size: Size) -> dict[str, float]:
    """Measure a size in a process of its own, since a process never gives its peak back."""
    command = [sys.executable, "-m", "bench.growth", "--one", json.dumps(asdict(size))]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def told(axis: str, row: dict[str, float]) -> str:
    """Return one size's line."""
    mib, examples = row["peak_bytes"] / 2**20, row["examples"]
    return f"  {axis} {row[axis]:9,.0f}  {row['seconds']:6.2f} s  {mib:7,.0f} MiB  {examples:,.0f} examples"


def picture(found: dict[str, list[dict[str, float]]]) -> Html:
    """Draw seconds and peak memory against each axis, both relative to the smallest size, on a log scale."""
    panels = [panel(what, word, found, i) for i, (what, word) in enumerate(WORDS.items())]
    place = {"viewBox": f"0 0 {2 * WIDTH} {HEIGHT}", "font_family": "sans-serif", "font_size": "12"}
    return tag("svg", *panels, xmlns="http://www.w3.org/2000/svg", **place)


WORDS = {"seconds": "CPU seconds of a round", "peak_bytes": "peak memory"}


def panel(what: str, word: str, found: dict[str, list[dict[str, float]]], number: int) -> Html:
    """Draw one of the two; the dashed line is linear growth."""
    most = max(log10(rows[-1][axis] / rows[0][axis]) for axis, rows in found.items())
    across, up = (WIDTH - 2 * EDGE) / most, (HEIGHT - 2 * EDGE) / most

    def points(pairs: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{EDGE + across * log10(x):.1f},{HEIGHT - EDGE - up * log10(y):.1f}" for x, y in pairs)

    end = 10**most
    drawn = [
        tag("polyline", points=points([(1, end), (1, 1), (end, 1)]), fill="none", stroke="black"),
        tag("polyline", points=points([(1, 1), (end, end)]), fill="none", stroke="grey", stroke_dasharray="4 4"),
        tag("text", f"{word}, relative to the smallest size (1 to {end:,.0f})", x=EDGE, y=EDGE - 20),
        tag("text", f"size, relative to the smallest (1 to {end:,.0f})", x=EDGE, y=HEIGHT - EDGE + 20),
    ]
    for i, (axis, rows) in enumerate(found.items()):
        pairs = [(row[axis] / rows[0][axis], row[what] / rows[0][what]) for row in rows]
        name = f"{axis} {rows[0][axis]:,.0f} to {rows[-1][axis]:,.0f}: exponent {slope(axis, rows, what):.2f}"
        drawn += [
            tag("polyline", points=points(pairs), fill="none", stroke=COLOURS[i], stroke_width="2"),
            tag("text", name, x=EDGE + 10, y=EDGE + 16 * (i + 1), fill=COLOURS[i]),
        ]
    return tag("g", *drawn, transform=f"translate({number * WIDTH} 0)")


def main() -> None:
    """Measure each size, print, and draw where asked."""
    parser = options(__doc__)
    parser.add_argument("--one", help="a size as JSON: measure it in this process")
    parser.add_argument("--full", action="store_true", help="up to 10,000 tasks")
    parser.add_argument("--axes", nargs="*", default=list(SWEEPS), choices=list(SWEEPS), help="only these")
    parser.add_argument("--figure", type=Path, help="an SVG file to draw into")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(Size(**json.loads(asked.one)))))
        return
    found: dict[str, list[dict[str, float]]] = {}
    for axis in asked.axes:
        rows: list[dict[str, float]] = []
        for size in SWEEPS[axis][asked.full]:
            rows.append(measured(size))
            say(told(axis, rows[-1]))
        found[axis] = rows
        slopes = {what: slope(axis, rows, what) for what in WORDS}
        if asked.json:
            none = {"ours": slopes["seconds"], "theirs": None, "ratio": None, "bound": 1.0}
            said = {"name": f"growth with {axis}", "unit": "exponent", **none, "of": "CPU seconds; bound: linear"}
            print(json.dumps({**said, "exponents": {WORDS[what]: slopes[what] for what in WORDS}, "rows": rows}))
            continue
        print(f"growth with {axis}: seconds ~ n^{slopes['seconds']:.2f}, peak memory ~ n^{slopes['peak_bytes']:.2f}")
        print("\n".join(told(axis, row) for row in rows), flush=True)
    if asked.figure:
        asked.figure.write_text(picture(found) + "\n")


if __name__ == "__main__":
    main()
