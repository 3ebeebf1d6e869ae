"""What runs on a GPU is run on a second device made of Python: `on_other_device.py`, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_writing_reading_and_training_on_another_device_are_those_on_the_cpu(tmp_path: Path) -> None:
    """A process of its own, since a backend made of Python stays for good, and other tests must not see it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'there'}"]
    done = subprocess.run(
        [*command, str(HERE / "on_other_device.py")], cwd=HERE.parents[1], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
