"""Time and memory of sampling and reading against tasks, attempts and prompt length: fitted slopes on a log scale.

python -m bench.growth            # two minutes on one core; a slope of 1 is linear, below 1 something is shared
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from sharpen.models import load
from sharpen.models.model import Read, Sampling, Write
from sharpen.progress import peak_memory
from sharpen.worlds import world

from .sampling_long import longer
from .side import clock, options

SWEEPS: dict[str, list[tuple[int, int, bool]]] = {
    "tasks": [(25, 8, False), (50, 8, False), (100, 8, False), (200, 8, False)],
    "attempts": [(40, 4, False), (40, 8, False), (40, 16, False), (40, 32, False)],
    "prompt length": [(16, 8, False), (16, 8, True)],
}
"""(tasks, attempts, whether words are put before the question)."""


def one(tasks: int, attempts: int, long: bool) -> dict[str, float]:
    """Sample and read in this process."""
    model = load("tiny")
    asked = world("digits").tasks("train", tasks)
    prompts = [model.prompt(longer(t) if long else t) for t in asked]
    limit = Sampling(1.0, max_tokens=32)
    list(model.write([Write(prompts[0], limit, 0, (0,))]))
    began = clock()
    written = list(model.write([Write(p, limit, i, tuple(range(attempts))) for i, p in enumerate(prompts)]))
    list(model.read([Read(prompts[w.request], w.part.ids, (model.layers // 2,)) for w in written]))
    size = {"tasks": tasks, "attempts": attempts, "prompt length": len(prompts[0].ids)}
    return {**size, "seconds": clock() - began, "peak_bytes": peak_memory()[0]}


def slope(axis: str, rows: Sequence[dict[str, float]], what: str) -> float:
    """Fit the exponent with which something grows."""
    x, y = (np.log([row[name] for row in rows]) for name in (axis, what))
    return float(np.polyfit(x, y, 1)[0])


def main() -> None:
    """Measure each size in a process of its own, since a process never gives its peak back; print."""
    parser = options(__doc__)
    parser.add_argument("--one", help="tasks,attempts,0 or 1: measure this size in this process")
    asked = parser.parse_args()
    if asked.one:
        tasks, attempts, long = map(int, asked.one.split(","))
        print(json.dumps(one(tasks, attempts, bool(long))))
        return
    for axis, sizes in SWEEPS.items():
        command = [sys.executable, "-m", "bench.growth", "--one"]
        rows = [
            json.loads(subprocess.run([*command, f"{t},{n},{int(long)}"], capture_output=True, check=True).stdout)
            for t, n, long in sizes
        ]
        found = {what: slope(axis, rows, what) for what in ("seconds", "peak_bytes")}
        if asked.json:
            none = {"ours": found["seconds"], "theirs": None, "ratio": None, "bound": 1.0}
            print(json.dumps({"name": f"growth with {axis}", "unit": "exponent", **none, "rows": rows, **found}))
            continue
        print(f"growth with {axis}: seconds ~ n^{found['seconds']:.2f}, peak memory ~ n^{found['peak_bytes']:.2f}")
        for row in rows:
            print(f"  {row[axis]:6,.0f}  {row['seconds']:6.2f} s  {row['peak_bytes'] / 2**20:7,.0f} MiB")


if __name__ == "__main__":
    main()
