"""Progress of long work on standard error: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import ctypes
import re
import resource
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
LINE_EVERY_S = 10.0
"""A log file wants few lines, a person waiting wants a sign of life."""
ENOUGH_ITEMS, ENOUGH_SHARE, ENOUGH_S = 20, 0.01, 5.0
"""What has to be done, the fewer of both numbers of items, and for how long, before the rest is foretold (ours)."""


class Progress:
    """Count items of one piece of work and show how far it is and how fast."""

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Pass items through, showing progress."""
        with self.open() as advance:
            for item in items:
                advance()
                yield item

    @contextmanager
    def open(self) -> Generator[Callable[[], None]]:
        """Give a function to call once per finished item."""
        if self.total == 0:
            yield lambda: None
        elif sys.stderr.isatty():
            with self._bar() as advance:
                yield advance
        else:
            yield self._lines()

    @contextmanager
    def _bar(self) -> Generator[Callable[[], None]]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
        )
        started, done = time.monotonic(), 0
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            work = bar.add_task(self.label, total=self.total, pace="")

            def advance() -> None:
                nonlocal done
                done += 1
                bar.update(work, advance=1, pace=pace(done, self.total, time.monotonic() - started))

            yield advance

    def _lines(self) -> Callable[[], None]:
        started = last = time.monotonic()
        done = 0

        def advance() -> None:
            nonlocal done, last
            done += 1
            now = time.monotonic()
            if now - last >= LINE_EVERY_S:
                last = now
                say(f"  {self.label}: {done}/{self.total}, {pace(done, self.total, now - started)}")

        return advance


def pace(done: int, total: int, seconds: float) -> str:
    """Say how fast items come and, once enough of them did to tell, how long the others take at that rate."""
    each = max(seconds, 1e-9) / done
    rate = f"{each:.1f} s each" if each > 1 else f"{1 / each:.1f}/s" if each > 0.1 else f"{1 / each:.0f}/s"
    if seconds < ENOUGH_S or done < min(ENOUGH_ITEMS, ENOUGH_SHARE * total):
        return rate
    return f"{rate}, {lasting((total - done) * each)} left"


def lasting(seconds: float) -> str:
    """Say a length of time in the unit that makes it a number of two or three digits."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def peak_memory() -> tuple[int, int | None]:
    """Return the most bytes that this process has used so far, and those of its GPU; None without one."""
    torch = sys.modules.get("torch")  # not imported for this
    gpu = int(torch.cuda.max_memory_allocated()) if torch is not None and torch.cuda.is_available() else None
    return _own_peak(), gpu


def give_back() -> None:
    """Give memory that is free back to the system.

    The C library keeps it for the next tensors, between small pieces that are still used; but large ones find no room
    there, so a process would grow for as long as it makes and frees tensors of many sizes. Not every library can.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _own_peak() -> int:
    """Return the peak of the resident set in bytes.

    On Linux `getrusage` begins with the peak of the process that started this one, so the kernel's own line is read.
    """
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else None
    if found:
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def say(line: str) -> None:
    """Print a line on standard error, so that standard output stays machine-readable."""
    print(line, file=sys.stderr, flush=True)
