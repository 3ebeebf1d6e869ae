# pyright: strict
"""Rows to files: Parquet whose pictures the Hugging Face viewer and loader know, JSON lines, and one JSON list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import UserError
from .shapes import Row

BATCH = 256


def write_jsonl(path: Path, rows: Iterator[Row], columns: Mapping[str, str]) -> int:
    """Write one object a line; return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def write_json(path: Path, rows: Iterator[Row], columns: Mapping[str, str]) -> int:
    """Write one list of objects; return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(("[\n" if not count else ",\n") + json.dumps(row, ensure_ascii=False))
            count += 1
        file.write("\n]\n" if count else "[]\n")
    return count


def write_parquet(path: Path, rows: Iterator[Row], columns: Mapping[str, str]) -> int:
    """Write a Parquet file of these columns a batch at a time; return how many rows."""
    try:
        pa: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
        datasets: Any = import_module("datasets")
    except ImportError as error:
        raise UserError("Parquet files need datasets and pyarrow; run: pip install 'sharpen[data]'") from error
    schema = datasets.Features({name: feature(datasets, kind) for name, kind in columns.items()}).arrow_schema
    count = 0
    with parquet.ParquetWriter(path, schema) as file:
        while batch := list(islice(rows, BATCH)):
            file.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def feature(datasets: Any, kind: str) -> Any:
    """Return the type of a column in the words of `datasets`."""
    text = datasets.Value("string")
    known: dict[str, Any] = {
        "text": text,
        "texts": datasets.List(text),
        "images": datasets.List(datasets.Image()),
        "messages": datasets.List({"role": text, "content": text}),
        "typed": datasets.List({"role": text, "content": datasets.List({"type": text, "text": text})}),
        "reward": {"style": text, "ground_truth": text},
        "extra": {"id": text, "split": text, "index": datasets.Value("int64")},
    }
    return known[kind]


WRITERS = {".jsonl": write_jsonl, ".json": write_json, ".parquet": write_parquet}
