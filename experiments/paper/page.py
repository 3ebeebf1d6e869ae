"""The generated parts of docs/experiments.md: what the table of the models comes to, so that it cannot drift."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from sharpen.report.readme import generated

from . import cost, settings
from .command import COLUMNS, Assumed, command, memory, rank, row
from .settings import SETS, Subject

PAGE = Path(__file__).parent.parent.parent / "docs" / "experiments.md"
ASSUMED = Assumed(cost.GPUS["a800"])


def made(text: str, subjects: Sequence[Subject]) -> str:
    """Return the page with its generated parts made anew."""
    return generated(
        text,
        {
            "table": lambda: table(subjects),
            "memory": lambda: "\n".join(f"* {s.title}: {memory(s, ASSUMED.gpu)}." for s in subjects),
            "commands": lambda: commands(subjects),
            "assumed": assumed,
        },
    )


def table(subjects: Sequence[Subject]) -> str:
    """Return one row per model and set."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    lines += [row(s, found, ASSUMED) for s in subjects for found in SETS.values()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commands(subjects: Sequence[Subject]) -> str:
    """Return the command of every model and set."""
    lines = [
        command(s, found, None, rank(s, ASSUMED.gpu), Path("runs/paper")) for s in subjects for found in SETS.values()
    ]
    return "\n".join(["```sh", *(f"sharpen {shlex.join(line)}" for line in lines), "```"])


def assumed() -> str:
    """Say what the estimates rest on."""
    gpu = ASSUMED.gpu
    return (
        f"One {gpu.name} ({gpu.operations / 1e12:.0f} TFLOP/s in bfloat16, {gpu.bandwidth / 1e12:.2f} TB/s). "
        f"{cost.EFFICIENCY:.0%} of that is taken to be reached, the share of bare matrix products that training "
        f"reaches on a CPU ([bench](../bench/README.md)); on a GPU no share has been measured. A prompt has "
        f"{settings.TEXT} tokens beside its picture's, an attempt {settings.ATTEMPT} (at most {settings.LIMIT:,})."
    )
