"""What `sharpen check` says a run takes, and what that run took: VISTA on the tiny model, figure by figure.

python -m bench.preflight               # 40 tasks, two rounds, the tiny model

Times are the process's own seconds on one core, so that other programs do not count: on a CPU they are those of a free
machine. The base model's attempts say what is expected, so where a model learns, fewer fail and fewer go on.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

OF_SAMPLING = ("sample", "resume")


def expected(asked: list[str], folder: Path) -> dict[str, float]:
    """Return what `sharpen check` expects."""
    said = command(["check", *asked, "--html", str(folder / "look.html")], folder)["planned"]
    work, hours = said["expected"], said["hours"]
    counts = {"attempts": work["attempts"], "continuations": work["continued"], "tokens written": work["written"]}
    return {**counts, "GB": said["gigabytes"], **{f"seconds {part}": h * 3600 for part, h in hours.items()}}


def took(asked: list[str], folder: Path) -> dict[str, float]:
    """Run it, and return what its folder says."""
    out = folder / "run"
    command(["run", "vista", "--tasks", *asked, "--out", str(out)], folder)
    with sqlite3.connect(out / "ledger.db") as db:
        ((attempts, continuations),) = db.execute("SELECT count(*), sum(verb = 'resume') FROM rollouts").fetchall()
        parts = db.execute("SELECT part, sum(seconds), sum(tokens) FROM timings GROUP BY part").fetchall()
    seconds, tokens = {p: s for p, s, _ in parts}, {p: n for p, _, n in parts}
    return {
        "attempts": attempts,
        "continuations": continuations,
        "tokens written": sum(tokens[part] for part in OF_SAMPLING),
        "GB": sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e9,
        "seconds sampling": sum(seconds[part] for part in OF_SAMPLING),
        "seconds reading": seconds["read"],
        "seconds training": seconds["train"],
    }


def command(words: list[str], folder: Path) -> dict[str, Any]:
    """Run a command of ours in this process and return the object that it prints."""
    from sharpen import cli

    with (folder / "said.json").open("w+") as said:
        with redirect_stdout(said):
            code = cli.run([*words, "--json"])
        if code:
            sys.exit(code)
        said.seek(0)
        return json.load(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="digits:40")
    parser.add_argument("--rounds", default="2")
    chosen = parser.parse_args()
    time.monotonic = time.process_time  # what all times of a run are taken with, before anything of ours is loaded
    import torch

    torch.set_num_threads(1)
    asked = [chosen.tasks, "--model", "tiny", "--rounds", chosen.rounds]
    with TemporaryDirectory() as folder:
        said, seen = expected(asked, Path(folder)), took(asked, Path(folder))
    print(json.dumps({n: {"expected": said[n], "took": seen[n], "ratio": said[n] / seen[n]} for n in said}, indent=1))


if __name__ == "__main__":
    main()
