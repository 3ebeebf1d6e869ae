"""What the scripts share: two or more ways of the same work in alternation in one process, and one way to say it."""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from sharpen.progress import peak_memory

Way = Callable[[], float]
"""Does the work once and returns its rate, in units per second."""


def clock() -> float:
    """Return seconds: of this process's own work on a CPU, since the machine may be shared; of the wall on a GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def alternate(ways: Mapping[str, Way], times: int) -> dict[str, float]:
    """Run each way `times` times, turn by turn, after one turn that does not count; return the median rates."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(times + 1):
        for name, way in ways.items():
            gc.collect()
            rate = way()
            if turn:
                rates[name].append(rate)
    return {name: median(found) for name, found in rates.items()}


@dataclass(frozen=True)
class Result:
    """What one comparison found: rates in `unit`, and the bound that no way can pass."""

    name: str
    unit: str
    ours: float
    theirs: float | None
    bound: float | None
    """Rate of the physical limit, or of what comes nearest to it; None where none is known."""
    of: str = ""
    """What the others are, and what the bound is."""
    more: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def ratio(self) -> float | None:
        """Ours over theirs."""
        return self.ours / self.theirs if self.theirs else None

    def as_dict(self) -> dict[str, object]:
        """Return what `--json` prints."""
        rates = {"ours": self.ours, "theirs": self.theirs, "ratio": self.ratio, "bound": self.bound}
        return {"name": self.name, "unit": self.unit, **rates, "of": self.of, "machine": machine(), **self.more}

    def line(self) -> str:
        """Say it in words."""
        theirs = "" if self.theirs is None else f", theirs {self.theirs:,.1f}, ratio {self.ratio:.2f}"
        bound = "" if self.bound is None else f", bound {self.bound:,.1f} ({self.ours / self.bound:.0%} of it)"
        more = "".join(f"\n  {name}: {value}" for name, value in self.more.items())
        return f"{self.name}: ours {self.ours:,.1f} {self.unit}{theirs}{bound}\n  {self.of}{more}"


def machine() -> str:
    """Return what the figures depend on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def taken() -> int:
    """Return the most bytes so far, of the GPU where there is one."""
    own, gpu = peak_memory()
    return own if gpu is None else gpu


def forget_peak() -> int:
    """Let the peak begin anew, since loading took more than a short pass does; return the bytes in use now."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # what is free already is no room for the pass
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak of the resident set
    return taken()


def options(about: str | None, times: int = 3) -> argparse.ArgumentParser:
    """Return a parser with what every script takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print one object per comparison")
    parser.add_argument("--times", type=int, default=times, help="repetitions of which the median is taken")
    return parser


def show(result: Result, as_json: bool) -> None:
    """Print one comparison."""
    print(json.dumps(result.as_dict()) if as_json else result.line(), flush=True)
