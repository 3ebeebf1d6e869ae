"""Run the comparisons one after the other, and print one table of what they found.

python -m bench                     # those of `make bench`: a quarter of an hour on one core
python -m bench training reading    # only these
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile
from typing import IO, Any

from sharpen.progress import say

BENCHES = ("training", "sampling", "resuming", "sampling_long", "reading", "growth", "profile")
HEAD = ("script", "unit", "ours", "theirs", "ratio", "bound", "of bound")
OWN = {"name", "unit", "ours", "theirs", "ratio", "bound", "of", "machine"}
"""What of a comparison stands in the table, above it, or beside its name; the rest follows the table."""
TAIL = 12
"""Last lines of a script that failed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run scripts, print the table of those that ended well, and name those that did not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"scripts to run; without any {', '.join(BENCHES)}")
    names = parser.parse_args(argv).names or BENCHES
    return run({name: [sys.executable, "-m", f"bench.{name}", "--json"] for name in names})


def run(scripts: Mapping[str, Sequence[str]]) -> int:
    """Run the command of each script; return 1 where one failed."""
    found: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    left = list(scripts)
    try:
        while left:
            say(f"bench: {left[0]} ({len(scripts) - len(left) + 1} of {len(scripts)})")
            began = time.monotonic()
            some, why = results(scripts[left[0]])
            found += some
            if why:
                failed[left[0]] = why
            say(f"bench: {left.pop(0)} {'failed after' if why else 'took'} {time.monotonic() - began:.0f} s")
    except KeyboardInterrupt:
        failed |= dict.fromkeys(left, "    interrupted")
    print("\n".join([*table(found), "", *further(found)]), flush=True)
    for name, why in failed.items():
        say(f"bench: {name} failed (python -m bench.{name} runs it alone). It ended so:\n{why}")
    return 1 if failed else 0


def results(command: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Return the comparisons that a script printed, one object a line, and its last lines where it failed."""
    with TemporaryFile("w+") as printed, TemporaryFile("w+") as told:
        code = subprocess.run(command, stdout=printed, stderr=told).returncode
        found: list[dict[str, Any]] = []
        rest: list[str] = []
        for line in read(printed):
            said = comparison(line)
            if said is None:
                rest.append(line)
            else:
                found.append(said)
        rest += read(told)
    if code == 0 and found:
        return found, ""
    why = f"exit code {code}" if code else "no comparison was printed"
    return found, "\n".join(f"    {line}" for line in [*rest[-TAIL:], why])


def comparison(line: str) -> dict[str, Any] | None:
    """Return the comparison that a line tells; None for a line in other words."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "name" in said else None


def read(file: IO[str]) -> list[str]:
    """Return the lines of what was written to a file."""
    file.seek(0)
    return file.read().splitlines()


def table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table: one for each comparison, columns aligned."""
    rows = [HEAD, *(cells(one) for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    machines = dict.fromkeys(one["machine"] for one in found if "machine" in one)
    lines = [
        "  ".join(map(str.ljust, row[:2], widths))
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True))
        for row in rows
    ]
    return [*machines, lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a comparison; what is not known is a dash."""
    ours, theirs, ratio, bound = (one.get(name) for name in ("ours", "theirs", "ratio", "bound"))
    share = "-" if ours is None or not bound else f"{ours / bound:.0%}"
    return str(one["name"]), str(one.get("unit", "")), *map(number, (ours, theirs, ratio, bound)), share


def number(value: float | None) -> str:
    """Return a number with three digits or more, none of a whole one lost."""
    if value is None:
        return "-"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def further(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a script says beside the table's figures: what the sides are, and lines of its own."""
    lines: list[str] = []
    for one in found:
        lines.append(f"{one['name']}: {one['of']}" if one.get("of") else f"{one['name']}:")
        for name, value in one.items():
            if name not in OWN:
                several = isinstance(value, list)
                lines += (
                    [f"  {name}:"] + [f"    {shown(v)}" for v in value] if several else [f"  {name}: {shown(value)}"]
                )
    return lines


def shown(value: Any) -> str:
    """Return a value of JSON in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(v)}" for name, v in value.items())
    if isinstance(value, int | float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
