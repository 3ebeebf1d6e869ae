"""Program for test_faults: `python killed_grader.py OUT` runs a round whose every answer needs algebra to be judged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from support import make_task

from sharpen.improve import improve
from sharpen.methods.rest_em import RestEm
from sharpen.models.scripted import Asked, Scripted

CHECKS = 120


def rule(asked: Asked) -> str:
    """The integral that the task asks for, as a fraction that only algebra finds equal to it."""
    return f"<answer>$\\frac{{{asked.task.id}^2}}{{2}}$</answer>"


def renamed(start: Any, examples: Any, settings: Any, folder: Path, reference: Any, seed: int) -> Scripted:
    return Scripted(rule, name=folder.name)


if __name__ == "__main__":
    tasks = [make_task(str(n), rf"$\int_0^{{{n}}} x dx$") for n in range(1, CHECKS + 1)]
    improve(RestEm(samples=1), Scripted(rule), tasks, rounds=1, out=Path(sys.argv[1]), trainer=renamed)
