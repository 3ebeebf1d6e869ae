"""How long the rest takes is said once it can be told, and the peak of memory is that of this process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sharpen import progress
from sharpen.progress import Progress, pace, peak_memory

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


def test_time_left_is_said_once_it_can_be_told_and_slow_items_by_their_seconds() -> None:
    """Of 3,000 items twenty are enough, of 162 the second one is more than one in a hundred; and five seconds."""
    assert pace(1, 3000, 47.9) == "47.9 s each"
    assert pace(19, 3000, 38) == "2.0 s each"
    assert pace(20, 3000, 40) == "2.0 s each, 99 min left"
    assert pace(1, 162, 6) == "6.0 s each"
    assert pace(2, 162, 6) == "3.0 s each, 8 min left"
    assert pace(20, 3000, 4) == "5.0/s"
    assert pace(1000, 3000, 10) == "100/s, 20 s left"
    assert pace(100, 100_000, 100) == "1.0/s, 27.8 h left"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_gets_a_line_now_and_then_and_a_terminal_a_bar_with_the_same_words(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An item takes six seconds and a line is due after ten: at the second of three, and the third is too early."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with Progress("train", 3).open() as advance:
        for _ in range(3):
            clock[0] += 6
            advance()
    said = capsys.readouterr().err
    if terminal:
        assert "6.0 s each, 0 s left" in said
    else:
        assert said == "  train: 2/3, 6.0 s each, 6 s left\n"


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
