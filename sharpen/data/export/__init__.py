"""A run's examples and tasks as files that other trainers read; targets are found by name in `targets/`."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import StoreError, UserError
from ...store import Store
from .records import Asked, Pair, Record, Reply, asked_in, trained_on
from .shapes import Row, Shapes
from .tables import WRITERS


@dataclass(frozen=True)
class Rows:
    """How a target wants one kind of record: a row for each, and the kinds of its columns, where it has a schema."""

    row: Callable[..., Row]
    columns: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Target:
    """A trainer that reads rows; None where it has no place for a kind of record."""

    title: str
    suffix: str
    reply: Rows | None = None
    pair: Rows | None = None
    asked: Rows | None = None
    registry: Callable[[Mapping[str, str]], tuple[str, object]] | None = None
    """Name and content of a file that lists the others, given the file of each kind."""
    advice: str = ""
    """What its user has to know."""


FILES = {"reply": "sft", "pair": "preference", "asked": "rl"}
KINDS: dict[str, type[Record]] = {"reply": Reply, "pair": Pair, "asked": Asked}


@dataclass(frozen=True)
class Exported:
    """What was written: rows by file, what was left out and what was written otherwise, with counts."""

    rows: dict[str, int]
    left_out: dict[str, int]
    notes: dict[str, int]
    advice: str


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(file.stem for file in (Path(__file__).parent / "targets").glob("[a-z]*.py"))


def find(name: str) -> Target:
    """Return a target by name; raises UserError for a name that is none."""
    if name not in names():
        raise UserError(f"there is no target {name!r}; choose one of: {', '.join(names())}")
    target: Target = importlib.import_module(f"{__name__}.targets.{name}").TARGET
    return target


def export(store: Store, target: Target, out: Path, round: int | None = None) -> Exported:
    """Write a round's examples and tasks, by default the last one's with examples, to a new folder.

    The folder appears when all is written. Raises UserError where it is there, or nothing is to be written.
    """
    rounds: list[int] = [n for (n,) in store.db.rows("SELECT DISTINCT round FROM examples ORDER BY round")]
    chosen = rounds[-1] if round is None and rounds else round
    if chosen is None or chosen not in rounds:
        held = ", ".join(map(str, rounds)) or "none"
        raise UserError(f"{store.folder} has no examples of round {chosen or 1}; rounds with examples: {held}")
    if out.exists():
        raise UserError(f"{out} is there already; give another --out")
    waiting = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        waiting.mkdir(parents=True)
        done = write(store, target, waiting, chosen)
        waiting.rename(out)
    except OSError as error:
        raise StoreError(f"cannot write {out} ({error.strerror}); free some space or give another --out") from error
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return done


def write(store: Store, target: Target, folder: Path, round: int) -> Exported:
    """Write all files of a target into a folder."""
    shapes, left_out = Shapes(folder), Counter[str]()
    rows: dict[str, int] = {}
    for kind, file in FILES.items():
        wanted: Rows | None = getattr(target, kind)
        records = asked_in(store, round, left_out) if kind == "asked" else trained_on(store, round, Counter())
        mine = (record for record in records if isinstance(record, KINDS[kind]))
        if wanted is None:
            missing = sum(1 for _ in mine)
            if missing:
                left_out[f"{file} rows, for which {target.title} has no format"] += missing
            continue
        path = folder / f"{file}{target.suffix}"
        count = WRITERS[target.suffix](path, (wanted.row(shapes, record) for record in mine), wanted.columns)
        if count:
            rows[path.name] = count
        else:
            path.unlink()
    for _ in trained_on(store, round, left_out):
        pass  # counts once what no kind of row holds
    if target.registry and rows:
        name, content = target.registry({Path(file).stem: file for file in rows})
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return Exported(rows, dict(left_out), {k: n for k, n in shapes.notes.items() if n}, target.advice)
