# pyright: strict
"""Tasks in: from a visual world with known truth, or from rows of any format that is known.

A row that cannot be used is never substituted, cut or silently dropped: it is collected with its id
and its reason, and stops the load unless the caller allows a share of such rows.
"""

from __future__ import annotations

import csv
import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import cast, get_args

from ..errors import TaskError
from ..progress import LINE_EVERY_S, say
from ..types import Task
from .fields import BadRow, Elsewhere, Row, line, scalar
from .formats import Format, find, recognise
from .pictures import Home, Inspector
from .rows import holds_bytes, task_of
from .sources import Named, Source, source
from .tables import BATCH

WORLDS = ("shapes", "digits")
SHOWN = 3  # bad rows named in an error; all of them would bury the reason, and it holds them as `rows`
LOOKED_AT = 20  # first rows by whose shape a format is recognised: ours


@dataclass(frozen=True)
class Loaded:
    """The tasks that can be used, (id, reason) of every row that cannot, and in words what it was read as."""

    tasks: list[Task]
    skipped: list[tuple[str, str]]
    read_as: str = ""


def load(spec: str | Path, *, split: str = "train", seed: int = 0, max_bad: float = 0.0, format: str = "") -> Loaded:
    """Load tasks from a world, a benchmark, a file, a folder, a URL or a dataset of the hub: `docs/data.md`.

    `shapes:N` makes N tasks of its `split` from `seed`; a file ignores both, a dataset the seed. What a row means
    is recognised by its shape, or is what `format` names: one of the files in `formats/`. In a plain row:
    `question` (or `problem`, `query`); optional `id` (else file name and row number), `answer` (or `solution`,
    `gold`; text or number, none is unlabelled), `image` or `images` (a path inside the file's folder, a base64
    data URI, bytes, or {"bytes", "path"}; one or a list), `choices`, `system`, `meta`; other columns join `meta`,
    where `solution` or `rationale` is a seed trace.
    `<image>` in a question marks a place, and there have to be as many as images, or none.
    Raises TaskError where no task can be loaded, or where the share of rows that cannot be used exceeds
    `max_bad`.
    """
    if not 0 <= max_bad <= 1:
        raise TaskError(f"max_bad is {max_bad}; give the share of rows that may be unusable, 0 to 1")
    name, colon, count = str(spec).partition(":")
    if colon and name in WORLDS:
        return Loaded(_from_world(name, count, split, seed), [])
    found, chosen = _source(str(spec), split, format)
    rows = _safely(found.name, found.rows)
    head = list(islice(rows, LOOKED_AT))
    form = chosen or recognise([row for _, _, row in head if not isinstance(row, str)])
    reader = _Reader(form, found.home)
    for number, batch in enumerate(_batches(chain(head, rows))):
        reader.take(batch)
        reader.report(found.name, number)
    if not reader.rows:
        raise TaskError(f"task file {found.name!r} holds no rows; give at least one with a question")
    loaded = Loaded(list(reader.tasks.values()), reader.skipped, reader.read_as())
    _refuse_too_many(found.name, loaded, reader.rows, max_bad)
    return loaded


def load_tasks(
    spec: str | Path, *, split: str = "train", seed: int = 0, max_bad: float = 0.0, format: str = ""
) -> list[Task]:
    """Return the tasks of `load`, same arguments and errors."""
    return load(spec, split=split, seed=seed, max_bad=max_bad, format=format).tasks


def _from_world(name: str, count: str, split: str, seed: int) -> list[Task]:
    if not (count.isascii() and count.isdecimal() and int(count) > 0):
        raise TaskError(f"{name}:{count}: {count!r} is no number of tasks; give 1 or more, as in {name}:200")
    from .. import worlds  # late: a world draws pictures, reading a file does not

    if split not in get_args(worlds.Split):
        raise TaskError(f"{name} has no split {split!r}; take one of {', '.join(get_args(worlds.Split))}")
    return list(worlds.world(name).tasks(cast("worlds.Split", split), int(count), seed))


def _source(spec: str, split: str, format: str) -> tuple[Source, Format | None]:
    """Return the rows that a spec names, and their format where that is named too: a benchmark brings its own."""
    from .. import benchmarks  # late: it is above the loader, and knows every benchmark

    known = benchmarks.named(spec) if not os.path.exists(spec) else None
    if known is None:
        return source(spec, split), find(format) if format else None
    benchmark, file = known
    parts = [source(part, split) for part in ([file] if file else benchmark.specs(split))]
    return Source(spec, chain.from_iterable(part.rows for part in parts), parts[0].home), benchmark


def _safely(name: str, rows: Iterable[Named]) -> Iterator[Named]:
    """Pass rows through; whatever the file's reader raises is this file's TaskError."""
    try:
        yield from rows
    # pyarrow's own errors derive from ValueError, OSError or NotImplementedError
    except (OSError, ValueError, RecursionError, NotImplementedError, csv.Error) as error:
        raise TaskError(f"task file {name!r} cannot be read ({line(error)}); repair it") from error


def _batches(rows: Iterator[Named]) -> Iterator[list[Named]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


class _Reader:
    """Rows to tasks, a batch at a time: the pictures of a batch are looked at together, then let go."""

    def __init__(self, form: Format, home: Home) -> None:
        self.tasks: dict[str, Task] = {}
        self.skipped: list[tuple[str, str]] = []
        self.rows = 0
        self._form, self._home = form, home
        self._seen: dict[str, int] = {}
        self._inspector = Inspector()
        self._elsewhere: Counter[str] = Counter()
        self._columns: dict[str, dict[str, None]] = {"read": {}, "in meta": {}, "not kept, being pictures": {}}
        self._said = time.monotonic()

    def take(self, batch: list[Named]) -> None:
        """Read a batch of rows."""
        self.rows += len(batch)  # less those that are not asked for
        tasks = [task for named in batch if (task := self._task(*named)) is not None]
        broken = self._inspector.broken([image for task in tasks for image in task.images])
        for task in tasks:
            if reasons := [broken[image.sha256] for image in task.images if image.sha256 in broken]:
                self.skipped.append((task.id, reasons[0]))
            else:
                self.tasks[task.id] = task

    def _task(self, name: str, number: int, row: Row | str) -> Task | None:
        try:
            if isinstance(row, str):
                raise BadRow(row)
            name = name if row.get("id") is None else scalar("id", row["id"])
            fields = self._form.read(row)
            name = name if fields.id is None else scalar("id", fields.id)
            if self._seen.setdefault(name, number) != number:
                raise BadRow(f"row {number} has the id of row {self._seen[name]}")
            for key, value in row.items():
                kind = "read" if key in fields.used else "not kept, being pictures" if holds_bytes(value) else "in meta"
                self._columns[kind][key] = None
            return task_of(row, fields, name, self._home)
        except BadRow as bad:
            self.skipped.append((name, str(bad)))
        except Elsewhere as other:
            self.rows -= 1
            self._elsewhere[str(other)] += 1
        return None

    def report(self, name: str, number: int) -> None:
        """Say now and then how far it is."""
        if number and time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            say(f"  reading {name}: {self.rows} rows")

    def read_as(self) -> str:
        """Say what the rows were taken for."""
        told = [f"{kind}: {', '.join(keys)}" for kind, keys in self._columns.items() if keys and kind != "read"]
        told += [f"{count} {what} not asked for" for what, count in self._elsewhere.items()]
        looks = self._inspector
        if looks.looked_over:
            told.append(
                f"pictures: {looks.decoded} decoded, {looks.looked_over} more by header, size, end and checksums"
            )
        return "; ".join([f"{self._form.title} rows: {', '.join(self._columns['read'])}", *told])


def _refuse_too_many(name: str, loaded: Loaded, rows: int, max_bad: float) -> None:
    bad = len(loaded.skipped)
    if loaded.tasks and bad / rows <= max_bad:  # not bad <= max_bad * rows: 0.29 * 100 < 29
        return
    named = "; ".join(f"{name}: {reason}" for name, reason in loaded.skipped[:SHOWN])
    more = f"; and {bad - SHOWN} more" if bad > SHOWN else ""
    allow = f", or leave them out with --max-bad {math.ceil(100 * bad / rows) / 100}" if loaded.tasks else ""
    message = f"{name}: {bad} of {rows} rows cannot be used: {named}{more}. Repair them{allow}"
    raise TaskError(message, loaded.skipped)
