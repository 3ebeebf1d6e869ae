"""How soon a run on 100,000 rows of a Parquet file begins, how soon all rows are tasks, and what stays in memory.

`begin` is the command line itself, `sharpen run vista` on the tiny model, until the first attempt is in its ledger;
then it is ended. `load` makes a task of every row, as a comparison or an evaluation does. Seconds are of the wall, and
of the process's CPU where other programs share the machine; memory is the most that the process used.

python -m bench.loading              # text alone, and with a picture of 8 KB in each row (1 GB of disk)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

FEW = 100
"""Rows of the run beside it, which takes what any run takes before its first attempt: imports, model, canary."""


def picture(seed: int) -> bytes:
    """A PNG of about 8 KB that is unlike any other."""
    from PIL import Image

    buffer = BytesIO()
    Image.frombytes("RGB", (52, 52), os.urandom(52 * 52 * 3)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, rows: int, pictures: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [("problem", pa.string()), ("answer", pa.string()), ("images", pa.list_(kind))]
    with parquet.ParquetWriter(path, pa.schema(fields)) as file:
        for start in range(0, rows, 5_000):
            some = [
                {
                    "problem": f"{'<image>' if pictures else ''}How many points are in picture {i}?",
                    "answer": str(i % 10),
                    "images": [{"bytes": picture(i), "path": None}] if pictures else [],
                }
                for i in range(start, min(rows, start + 5_000))
            ]
            file.write_table(pa.Table.from_pylist(some, schema=pa.schema(fields)))


def most(process: int | str = "self") -> float:
    """The most memory of a process so far, in MiB; `getrusage` would begin with its parent's."""
    return next(int(line.split()[1]) for line in open(f"/proc/{process}/status") if line.startswith("VmHWM")) / 1024


def load(path: Path) -> dict[str, float | str]:
    """Make tasks of a file in this process; a process never gives its peak back, so each file has its own."""
    from sharpen.data.load import load

    before = most()
    began, cpu = time.perf_counter(), time.process_time()
    loaded = load(path)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    peak = most()
    began = time.perf_counter()
    read = sum(len(image.read()) for task in loaded.tasks for image in task.images)
    return {
        "tasks": len(loaded.tasks),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb_more": peak - before,
        "pictures_mb": read / 1e6,
        "read_again_seconds": time.perf_counter() - began,
        "read_as": loaded.read_as,
    }


def begin(path: Path, attempts: int) -> dict[str, float]:
    """Start a run on a file, and end it when so many attempts are in its ledger."""
    folder = path.with_suffix(".run")
    options = ["--tasks", str(path), "--out", str(folder), "--eval-samples", "1", "--rounds", "1", "--threshold=-inf"]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.Popen(
        [sys.executable, "-c", "from sharpen.cli import main; main()", "run", "vista", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (found := recorded(folder / "ledger.db"))[1] >= attempts:
            if run.poll() is not None:
                raise RuntimeError(f"the run ended before its first attempt: {run.stderr and run.stderr.read()}")
            time.sleep(0.02)
        seconds, peak = time.perf_counter() - began, most(run.pid)
    finally:
        run.kill()
        run.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak, "tasks": found[0], "attempts": found[1]}


def recorded(ledger: Path) -> tuple[int, int]:
    """Tasks and attempts in a ledger so far."""
    try:
        with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as db:
            return db.execute("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM rollouts)").fetchone()
    except sqlite3.Error:  # not made yet
        return 0, 0


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--attempts", type=int, default=1, help="in the ledger when the run counts as begun")
    options.add_argument("--load", type=Path, help="load this file and print what that took")
    chosen = options.parse_args()
    if chosen.load:
        print(json.dumps(load(chosen.load)))
        return
    with TemporaryDirectory() as folder:
        for name in ("text", "pictures"):
            few, path = Path(folder) / f"few-{name}.parquet", Path(folder) / f"{name}.parquet"
            write(few, FEW, name == "pictures")
            write(path, chosen.rows, name == "pictures")
            begun = {rows: begin(of, chosen.attempts) for rows, of in ((FEW, few), (chosen.rows, path))}
            ran = [sys.executable, "-m", "bench.loading", "--load", str(path)]
            loaded = json.loads(subprocess.check_output(ran))
            about = {"file": path.name, "file_mb": path.stat().st_size / 1e6}
            print(json.dumps({**about, "begin, by rows": begun, "load": loaded}, indent=1), flush=True)


if __name__ == "__main__":
    main()
