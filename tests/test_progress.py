"""The peak of memory is that of this process."""

from __future__ import annotations

import subprocess
import sys

from sharpen.progress import peak_memory

CHILD = "from sharpen.progress import peak_memory; print(peak_memory()[0])"
FREED = """
from pathlib import Path
from sharpen.progress import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

pieces = [bytearray(b"x" * 60_000) for _ in range(2_000)]
del pieces[:-1]
before = resident()
give_back()
print(before - resident())
"""
PARENT = f"""
import subprocess, sys
held = bytearray(300_000_000)
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True, check=True).stdout)
"""


def test_a_process_does_not_count_the_memory_of_the_one_that_started_it() -> None:
    """The parent holds 300 MB; a child that only prints its peak needs a tenth of that."""
    said = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True).stdout
    assert 1e6 < int(said) < 1e8


def test_the_peak_outlives_what_made_it() -> None:
    held = bytearray(50_000_000)
    with_it = peak_memory()[0]
    del held
    assert with_it >= 50_000_000
    assert peak_memory()[0] >= 0.9 * with_it  # the kernel counts in pieces


def test_free_memory_below_a_piece_that_is_used_is_given_back() -> None:
    """Of 2,000 pieces of 60,000 bytes the last one stays: 120 MB before it are free, and the process has them still."""
    said = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    assert int(said) > 1e8
