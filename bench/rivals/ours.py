"""Our side as a whole process, run by the scripts beside this one: tasks from a file, attempts into a new ledger."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from sharpen.data.load import load_tasks
from sharpen.models import load
from sharpen.run import Run
from sharpen.store import Store


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the attempts at each task in turn, and the seconds of the sampling alone."""
    tasks = load_tasks(asked["file"])
    model = load(asked["model"])
    with TemporaryDirectory() as folder, Store(Path(folder)) as store:
        tasks = store.add_tasks(tasks)
        cpu, wall = process_time(), perf_counter()
        run = Run({"policy": model}, store)
        groups = run.sample(tasks, asked["attempts"], max_tokens=asked["max_tokens"])
        spent = {"cpu": process_time() - cpu, "wall": perf_counter() - wall}
        return {"texts": [r.text for g in groups for r in g.rollouts], **spent}


if __name__ == "__main__":
    asked, answer = (Path(name) for name in sys.argv[1:3])
    answer.write_text(json.dumps(work(json.loads(asked.read_text("utf-8")))), encoding="utf-8")
