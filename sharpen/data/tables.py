# pyright: strict
"""Files to rows, one after another, so that a file need not fit in memory. Parquet pictures stay in the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, cast

from ..errors import TaskError
from .fields import Row, line
from .pictures import Cell

NESTED = ("images", "choices", "meta")  # columns whose CSV cells may hold JSON
BATCH = 256
"""Rows of a Parquet file or a dataset that are held at a time: their pictures are in memory together (ours)."""

Numbered = tuple[int, Row | str]
"""A row with its line number in .jsonl and its position elsewhere, from 1; a str says why it is none."""


def row_of(value: object) -> Row | str:
    """Return an object as a row, and why anything else is none."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    return f"is a {type(value).__name__}, not an object with a question"


def read_jsonl(path: Path) -> Iterator[Numbered]:
    """Read a file of one object a line."""
    # Only \n ends a line: str.splitlines would also cut at U+2028, which JSON allows inside a text.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, said in enumerate(file, 1):
            if said.strip():
                yield number, _parsed(said)


def _parsed(said: str) -> Row | str:
    try:
        return row_of(json.loads(said))
    except (ValueError, RecursionError) as error:
        return f"is not JSON ({line(error)})"


def read_json(path: Path) -> Iterator[Numbered]:
    """Read a file that is one list of objects."""
    value: object = json.loads(path.read_text("utf-8-sig"))
    if not isinstance(value, list):
        kind = type(value).__name__
        raise TaskError(f"task file {str(path)!r} holds a {kind}; give a list of rows, [{{...}}, ...]")
    yield from ((i, row_of(row)) for i, row in enumerate(cast("list[object]", value), 1))


def read_csv(path: Path) -> Iterator[Numbered]:
    """Read a table of commas or, by the suffix .tsv, of tabs."""
    limit = csv.field_size_limit(2**31 - 1)  # a cell may be a whole picture in base64
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            tab = path.suffix.lower() == ".tsv"
            table = csv.DictReader(file, delimiter="\t" if tab else ",", strict=True)
            yield from ((i, _cells(row)) for i, row in enumerate(table, 1))
    finally:
        csv.field_size_limit(limit)


def _cells(cells: Mapping[str | None, str | list[str] | None]) -> Row | str:
    """An empty cell is a missing value; cells that should hold a list or an object are JSON."""
    row: dict[str, object] = {}
    for key, cell in cells.items():
        if key is None:
            return "has more cells than the header; quote cells that hold the separator"
        if isinstance(cell, str) and cell.strip():
            nested = key in NESTED and cell.lstrip()[0] in "[{"
            try:
                row[key] = json.loads(cell) if nested else cell
            except (ValueError, RecursionError) as error:
                return f"column {key!r} is not JSON ({line(error)})"
    return row


def read_parquet(path: Path) -> Iterator[Numbered]:
    """Read a Parquet file in batches; its pictures are read again where they are used."""
    yield from Parquet(path).rows()


class Parquet:
    """A Parquet file: rows in order, and the bytes of a cell once more, quickly where asked for in order."""

    def __init__(self, path: Path) -> None:
        try:
            parquet: Any = import_module("pyarrow.parquet")
            # Read as it is asked for: by default whole row groups are fetched ahead, and the file stays in memory.
            self._file: Any = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        except ImportError as error:
            raise TaskError(f"task file {str(path)!r} needs pyarrow; run: pip install pyarrow") from error
        groups = range(self._file.metadata.num_row_groups)
        self._ends = list(accumulate(self._file.metadata.row_group(i).num_rows for i in groups))
        self._lock = Lock()
        self._open: tuple[str, Iterator[tuple[int, Any]]] = ("", iter(()))
        self._held: list[tuple[int, Any]] = []

    def rows(self) -> Iterator[Numbered]:
        """Yield all rows, their bytes as cells."""
        for start, batch in self._batches(0, None):
            yield from self._wrapped(start, batch.to_pylist())

    def _wrapped(self, start: int, rows: list[object]) -> Iterator[Numbered]:
        for number, value in enumerate(rows, start):
            row = row_of(value)
            yield number + 1, row if isinstance(row, str) else lazy_row(row, partial(self.cell, number))

    def _batches(self, group: int, column: str | None) -> Iterator[tuple[int, Any]]:
        start = self._ends[group - 1] if group else 0
        columns = None if column is None else [column]
        groups = list(range(group, len(self._ends)))
        if not groups:
            return
        for batch in self._file.iter_batches(BATCH, row_groups=groups, columns=columns):
            yield start, batch
            start += batch.num_rows

    def cell(self, row: int, keys: tuple[str | int, ...]) -> bytes:
        """Return the bytes at a row and a path of keys; what lies before them in a row group is passed over."""
        column = cast("str", keys[0])
        with self._lock:
            if self._open[0] != column or not self._held or row < self._held[0][0]:
                group = next(i for i, end in enumerate(self._ends) if row < end)
                self._open = (column, self._batches(group, column))
                self._held = [next(self._open[1])]
            while row >= self._held[-1][0] + self._held[-1][1].num_rows:
                # The one before stays, too: threads that ask in order overtake one another.
                self._held = [self._held[-1], next(self._open[1])]
            start, batch = next((s, b) for s, b in reversed(self._held) if s <= row)
            found: Any = batch.column(column)[row - start].as_py()
        for key in keys[1:]:
            found = found[key]
        return cast("bytes", found)


def lazy_row(row: Row, again: Callable[[tuple[str | int, ...]], bytes]) -> Row:
    """Return a row with its bytes as cells that can be read again by their path in the row."""
    return {key: _lazy(value, (key,), again) for key, value in row.items()}


def _lazy(value: object, keys: tuple[str | int, ...], again: Callable[[tuple[str | int, ...]], bytes]) -> object:
    if isinstance(value, bytes):
        return Cell(value, partial(again, keys))
    if isinstance(value, list):
        return [_lazy(item, (*keys, i), again) for i, item in enumerate(cast("list[object]", value))]
    if isinstance(value, dict):
        return {key: _lazy(item, (*keys, key), again) for key, item in cast("dict[str, object]", value).items()}
    return value


TABLES = (".csv", ".tsv")
"""Files whose first line names the columns."""
READERS: dict[str, Callable[[Path], Iterator[Numbered]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    **dict.fromkeys(TABLES, read_csv),
    ".parquet": read_parquet,
}
