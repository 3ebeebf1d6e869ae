"""How soon 100,000 rows of a Parquet file are tasks, how soon a run of them begins, and what stays in memory.

Seconds are of the wall, and of this process's CPU where other programs share the machine. A run begins when the gold
answers are graded by their own grader, the tasks compared with 200 others, and all of them recorded, pictures copied.

python -m bench.loading              # text alone, and with a picture of 8 KB in each row (about a minute, 1 GB of disk)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory


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


def most() -> int:
    """The most memory of this process so far, in KiB; `getrusage` would begin with its parent's."""
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))


def one(path: Path) -> dict[str, float | str]:
    """Load a file in this process; a process never gives its peak back, so each file has its own."""
    from sharpen.answers import Grader
    from sharpen.data.contamination import overlaps
    from sharpen.data.load import load
    from sharpen.store import Store

    before = most()
    began, cpu = time.perf_counter(), time.process_time()
    loaded = load(path)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    peak = most()
    began, cpu = time.perf_counter(), time.process_time()
    Grader().grade_golds(loaded.tasks)
    overlaps(loaded.tasks[200:], loaded.tasks[:200])
    with Store(path.with_suffix(".run")) as store:
        store.add_tasks(loaded.tasks)
    more, cpu_more = time.perf_counter() - began, time.process_time() - cpu
    peak_at_start = most()
    began = time.perf_counter()
    read = sum(len(image.read()) for task in loaded.tasks for image in task.images)
    return {
        "file": path.name,
        "file_mb": path.stat().st_size / 1e6,
        "tasks": len(loaded.tasks),
        "load_seconds": seconds,
        "load_cpu_seconds": cpu_seconds,
        "peak_mb_more": (peak - before) / 1024,
        "until_a_run_begins_seconds": more,
        "until_a_run_begins_cpu_seconds": cpu_more,
        "peak_mb_more_by_then": (peak_at_start - before) / 1024,
        "pictures_mb": read / 1e6,
        "read_again_seconds": time.perf_counter() - began,
        "read_as": loaded.read_as,
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--one", type=Path)
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(one(chosen.one)))
        return
    with TemporaryDirectory() as folder:
        for name in ("text", "pictures"):
            path = Path(folder) / f"{name}.parquet"
            write(path, chosen.rows, name == "pictures")
            ran = [sys.executable, "-m", "bench.loading", "--one", str(path)]
            print(json.dumps(json.loads(subprocess.check_output(ran)), indent=1), flush=True)


if __name__ == "__main__":
    main()
