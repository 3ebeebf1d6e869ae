"""What a process holds after each portion of a round's tasks, and the most it held meanwhile; Linux with glibc.

python -m bench.memory                  # two portions: half a minute on one core
python -m bench.memory --tasks 10000    # all that bench/README.md tells: five minutes
"""

from __future__ import annotations

import ctypes
import json
from tempfile import TemporaryDirectory

import sharpen.run
from sharpen.models import load
from sharpen.progress import give_back, peak_memory
from sharpen.worlds import world

from .growth import Size, round_of
from .side import forget_peak, options

FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class Heap(ctypes.Structure):
    """What mallinfo2(3) tells: `arena` bytes of heap, of which `uordblks` are in use."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS)


class Watched:
    """Stands in for what gives memory back after a portion, and tells what is held before the next one."""

    def __init__(self, as_json: bool) -> None:
        self.as_json, self.number = as_json, 0
        self.heap = ctypes.CDLL(None).mallinfo2
        self.heap.restype = Heap

    def __call__(self) -> None:
        give_back()
        peak, held, heap = peak_memory()[0], forget_peak(), self.heap()
        self.number += 1
        found = {"portion": self.number, "peak": peak, "held": held, "heap": heap.arena, "in use": heap.uordblks}
        mib = {name: round(value / 2**20, 1) for name, value in found.items() if name != "portion"}
        said = ", ".join(f"{name} {value:,.0f} MiB" for name, value in mib.items())
        print(json.dumps({"name": "memory", **found}) if self.as_json else f"portion {self.number}: {said}", flush=True)


def main() -> None:
    """Run a round and print a line for each portion."""
    parser = options(__doc__)
    parser.add_argument("--tasks", type=int, default=1024)
    asked = parser.parse_args()
    sharpen.run.give_back = Watched(asked.json)
    tasks = world("digits").tasks("train", asked.tasks)
    with TemporaryDirectory() as folder:
        round_of(Size(), load("tiny"), tasks, folder)


if __name__ == "__main__":
    main()
