"""The same work for us and a rival: each a whole process, in turns, with the sampling part timed apart."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from sharpen.answers import Grader
from sharpen.data.export import find
from sharpen.data.export.records import Asked, Record, Reply
from sharpen.data.export.shapes import Shapes
from sharpen.data.export.tables import WRITERS
from sharpen.models import load
from sharpen.types import Task
from sharpen.worlds import world

from ..side import Result
from .environment import ROOT, Failed, Ran, program

ATTEMPTS = 10
OURS = "attempts/s of CPU time, sampling alone"


@dataclass(frozen=True)
class Work:
    """Tasks of a world, the model's folder, and the tokens that an attempt may have."""

    tasks: Sequence[Task]
    model: Path
    max_tokens: int

    @staticmethod
    def of(count: int) -> Work:
        """Return `count` tasks of the world on which the tiny model was trained."""
        tiny = load("tiny")
        return Work(world("digits").tasks("train", count), tiny.folder, tiny.max_tokens)

    def write(self, folder: Path, target: str, kind: str, times: int = 1) -> Path:
        """Write the tasks as `sharpen export --to TARGET` does, each `times` in a row; return the file."""
        chosen, shapes = find(target), Shapes(folder)
        rows = getattr(chosen, kind)
        records: Iterator[Record] = (
            Reply(t, t.answer or "") if kind == "reply" else Asked(t, t.answer or "")
            for t in self.tasks
            for _ in range(times)
        )
        file = folder / f"{ {'reply': 'sft', 'asked': 'rl'}[kind] }{chosen.suffix}"
        WRITERS[chosen.suffix](file, (rows.row(shapes, record) for record in records), rows.columns)
        if chosen.registry:
            name, content = chosen.registry({file.stem: file.name})
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
        return file

    def ours(self, file: Path) -> Ran:
        """Sample by our own process, from the same file."""
        asked = {"file": str(file), "model": str(self.model), "attempts": ATTEMPTS, "max_tokens": self.max_tokens}
        return program([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {MAIN}"], asked)

    def judged(self, texts: Sequence[str]) -> dict[str, float]:
        """Say how many attempts were right and how long they were, by which both sides' work can be compared."""
        asked = [task for task in self.tasks for _ in range(ATTEMPTS)]
        if len(texts) != len(asked):
            raise Failed(f"{len(texts)} attempts came back; {len(asked)} were asked for")
        outcomes = Counter(v.outcome for v in Grader().grade_all(list(zip(texts, asked, strict=True))))
        return {"right": outcomes["right"] / len(texts), "characters": fmean(map(len, texts))}


MAIN = "import runpy; runpy.run_module('bench.rivals.ours', run_name='__main__')"


def compare(name: str, work: Work, file: Path, theirs: Callable[[], Ran], of: str, times: int) -> Result:
    """Run both in turns; where the rival fails, the result holds our rate and its error."""
    runs: dict[str, list[Ran]] = {"ours": [], "theirs": []}
    total = len(work.tasks) * ATTEMPTS
    error: str | None = None
    for _ in range(times):
        runs["ours"].append(work.ours(file))
        if error is None:
            try:
                runs["theirs"].append(theirs())
                work.judged(runs["theirs"][-1].answer["texts"])
            except Failed as failure:
                error, runs["theirs"] = str(failure), []
    rate = {side: rates(total, some) for side, some in runs.items() if some}
    more: dict[str, object] = {"tasks": len(work.tasks), "attempts": ATTEMPTS, "times": times}
    for side, found in rate.items():
        more |= {f"{side}, whole process, CPU": round(found["whole_cpu"], 1)}
        more |= {f"{side}, sampling, wall": round(found["wall"], 1)}
        more |= {f"{side}, whole process, wall": round(found["whole_wall"], 1)}
        more |= {f"{side}, {what}": round(v, 3) for what, v in work.judged(runs[side][-1].answer["texts"]).items()}
    if "theirs" in rate:
        more["ratio, whole process"] = round(rate["ours"]["whole_cpu"] / rate["theirs"]["whole_cpu"], 2)
    if error is not None:
        more["error"] = error
    return Result(name, OURS, rate["ours"]["cpu"], rate["theirs"]["cpu"] if "theirs" in rate else None, None, of, more)


def rates(total: int, runs: Sequence[Ran]) -> dict[str, float]:
    """Return attempts a second, medians: of the sampling and of the whole process, by CPU time and by the clock."""
    seconds: dict[str, list[Any]] = {
        "cpu": [r.answer["cpu"] for r in runs],
        "wall": [r.answer["wall"] for r in runs],
        "whole_cpu": [r.cpu for r in runs],
        "whole_wall": [r.wall for r in runs],
    }
    return {name: total / median(found) for name, found in seconds.items()}
