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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import cast, get_args

from ..errors import TaskError
from ..progress import LINE_EVERY_S, say
from ..types import Task, digest
from .fields import QUESTION, BadRow, Elsewhere, Row, line, scalar, short
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


@dataclass
class Reading:
    """The tasks of a source as they are read, a batch at a time, and what is known of its rows so far."""

    name: str
    batches: Iterator[list[Task]]
    """May be gone through once."""
    identity: Callable[[], str]
    """A hash of the content that the rows are read from."""
    state: Callable[[], object] = tuple
    """What changes when the content does, at no cost."""
    rows: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    read_as: str = ""
    """In words; whole when all is read."""
    whole: bool = False
    """Whether all is read."""

    def require(self, max_bad: float, unlabelled: Sequence[tuple[str, str]] = ()) -> None:
        """Raise TaskError where the share of the rows so far that cannot be used exceeds `max_bad`, or it is all.

        `unlabelled` are (id, reason) of rows that became tasks without an answer, where the caller needs one.
        """
        bad, rows = len(self.skipped) + len(unlabelled), self.rows
        if self.whole and not rows:
            raise TaskError(f"task file {self.name!r} holds no rows; give at least one with a question")
        if not rows or (bad < rows and bad / rows <= max_bad):  # not bad <= max_bad * rows: 0.29 * 100 < 29
            return
        skipped = [*self.skipped, *unlabelled]
        named = "; ".join(f"{name}: {reason}" for name, reason in skipped[:SHOWN])
        more = f"; and {bad - SHOWN} more" if bad > SHOWN else ""
        allow = f", or leave them out with --max-bad {math.ceil(100 * bad / rows) / 100}" if bad < rows else ""
        why = " (each needs an 'answer' to verify attempts against)" if unlabelled else ""
        seen = f"{rows}" if self.whole else f"the first {rows}"
        of = f"{bad} of {seen} row{'' if rows == 1 else 's'} cannot be used"
        message = f"{self.name}: {of}: {named}{more}. Repair them{why}{allow}"
        raise TaskError(message, skipped)


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
    found = read(spec, split=split, seed=seed, format=format)
    tasks = [task for batch in found.batches for task in batch]
    found.require(max_bad)
    return Loaded(tasks, found.skipped, found.read_as)


def read(spec: str | Path, *, split: str = "train", seed: int = 0, format: str = "") -> Reading:
    """Begin to read what `load` loads; raises TaskError where nothing can be read, `Reading.require` for bad rows."""
    name, colon, count = str(spec).partition(":")
    if colon and name in WORLDS:
        drawn = _from_world(name, count, split, seed)
        return Reading(str(spec), iter([drawn]), lambda: digest(str(spec), split, seed), rows=len(drawn), whole=True)
    found, chosen = _source(str(spec), split, format)
    reading = Reading(found.name, iter(()), found.identity, found.state)
    reading.batches = _read(found, chosen, reading)
    return reading


def _read(found: Source, chosen: Format | None, told: Reading) -> Iterator[list[Task]]:
    """Yield the tasks of a source batch by batch, and tell of its rows."""
    rows = _safely(found.name, found.rows)
    head = list(islice(rows, LOOKED_AT))
    shapes = [row for _, _, row in head if not isinstance(row, str)]
    form = chosen or recognise(shapes)
    if chosen is None and found.table and shapes and not any(form.fits(row) for row in shapes):
        named = short(", ".join(map(repr, shapes[0])))
        raise TaskError(
            f"task file {found.name!r}: its first line has to name the columns, and names {named}, none of which is "
            f"{' or '.join(QUESTION)}; rename one, or put a line such as question,answer,image above the first row"
        )
    reader = _Reader(form, found.home, told)
    busy = 0.0
    for batch in _batches(chain(head, rows)):
        began = time.monotonic()
        tasks = reader.take(batch)
        busy += time.monotonic() - began
        if busy >= LINE_EVERY_S:
            busy = 0.0
            say(f"  reading {found.name}: {told.rows} rows")
        yield tasks
    told.whole = True


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
    rows = chain.from_iterable(part.rows for part in parts)
    identity, state = (lambda: digest([part.identity() for part in parts])), (lambda: [p.state() for p in parts])
    return Source(spec, rows, parts[0].home, identity, state), benchmark


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

    def __init__(self, form: Format, home: Home, told: Reading) -> None:
        self._form, self._home, self._told = form, home, told
        self._seen: dict[str, int] = {}
        self._inspector = Inspector()
        self._elsewhere: Counter[str] = Counter()
        self._columns: dict[str, dict[str, None]] = {"read": {}, "in meta": {}, "not kept, being pictures": {}}

    def take(self, batch: list[Named]) -> list[Task]:
        """Return the tasks of a batch of rows."""
        self._told.rows += len(batch)  # less those that are not asked for
        tasks = [task for named in batch if (task := self._task(*named)) is not None]
        broken = self._inspector.broken([image for task in tasks for image in task.images])
        usable: list[Task] = []
        for task in tasks:
            if reasons := [broken[image.sha256] for image in task.images if image.sha256 in broken]:
                self._told.skipped.append((task.id, reasons[0]))
            else:
                usable.append(task)
        self._told.read_as = self._read_as()
        return usable

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
            self._told.skipped.append((name, str(bad)))
        except Elsewhere as other:
            self._told.rows -= 1
            self._elsewhere[str(other)] += 1
        return None

    def _read_as(self) -> str:
        """Say what the rows were taken for."""
        told = [f"{kind}: {', '.join(keys)}" for kind, keys in self._columns.items() if keys and kind != "read"]
        told += [f"{count} {what} not asked for" for what, count in self._elsewhere.items()]
        looks = self._inspector
        if looks.looked_over:
            told.append(
                f"pictures: {looks.decoded} decoded, {looks.looked_over} more by header, size, end and checksums"
            )
        return "; ".join([f"{self._form.title} rows: {', '.join(self._columns['read'])}", *told])
