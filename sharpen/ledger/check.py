# pyright: strict
"""Is a run folder whole? Every reference, file, seal, key and count is looked at again, row by row.

Nothing is held but the row at hand, and the verdicts of one evaluation, and one state of the ledger is seen
throughout, so that it can be asked of a folder of a million attempts that another process is writing to.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import StoreError
from ..packing import DAMAGE, unpack_numbers, unpack_reading
from ..plan import prompt_key
from ..store import Store
from ..train import record
from .check_attempts import attempts
from .check_rounds import rounds
from .check_times import lives, timings
from .fault import HASH, Fault, picture
from .files import sha256
from .records import asked_key, seal, task_of

TABLES = (
    *("tasks", "prompts", "calls", "rollouts", "uses", "scores", "verdicts", "readings", "examples", "events"),
    *("rounds", "runs", "timings"),
)
LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
SEALED = {
    "scores": "rollout, scorer, value",
    "verdicts": "rollout, grader, gold, outcome, reason, found",
    "readings": "key, reading",
    "examples": "round, position, kind, rollout, other, numbers",
    "runs": "started, command, manifest, made",
}
"""What each row's seal is over; its first two columns tell the rows apart."""


GONE = (
    "its folder is not there: deleted, or not copied along; nothing that was recorded is lost, and where it was "
    "deleted to save space all is in order: a run that needs it trains it anew"
)


class Reference(NamedTuple):
    """A column whose value names a row of another table."""

    table: str
    row: str
    """What tells the table's rows apart: columns of `t`."""
    column: str
    target: str
    meaning: str
    only: str = ""
    """Which rows of the table have to name one."""
    also: str = ""
    """What else the row that is named has to fulfil."""


WRITTEN = "AND t.verb <> 'given'"
"""Attempts that came ready-made were shown no prompt by any call."""
REFERENCES = (
    Reference("uses", "t.scope, t.round, t.rollout", "rollout", "rollouts.key", "the round counts what is not there"),
    Reference("scores", "t.rollout, t.scorer", "rollout", "rollouts.key", "the score is of nothing"),
    Reference("verdicts", "t.rollout, t.grader", "rollout", "rollouts.key", "the verdict is on nothing"),
    Reference("examples", "t.round, t.position", "rollout", "rollouts.key", "it cannot be trained on again"),
    Reference("examples", "t.round, t.position", "other", "rollouts.key", "it cannot be trained on again"),
    Reference("rollouts", "t.key", "task", "tasks.id", "what was asked is lost", also="AND o.asked = t.asked"),
    Reference("rollouts", "t.key", "parent", "rollouts.key", "what it was resumed from is lost"),
    Reference("rollouts", "t.key", "prompt", "prompts.key", "what the model was shown is lost", WRITTEN),
    Reference("rollouts", "t.key", "call", "calls.id", "how it was sampled is lost", WRITTEN),
    *(
        Reference(table, "t.round", "run", "runs.id", "what it was made of is lost", "AND t.run <> 0")
        for table in ("rounds", "uses", "examples", "events", "timings")
    ),
)


def faults(folder: Path) -> Iterator[Fault]:
    """Yield all that is wrong with a run folder, table by table; StoreError where its ledger is of another version."""
    try:
        opened = Store(folder, read_only=True)
    except StoreError as error:
        if _code(error) not in UNREADABLE:
            raise
        yield Fault("ledger.db", "", str(error))
        return
    parts = (
        integrity,
        references,
        tasks,
        prompts,
        attempts,
        seals,
        readings,
        rounds,
        runs,
        lives,
        timings,
        images,
        models,
    )
    try:
        with opened as store, store.db.snapshot():
            for part in parts:
                yield from _survived(part, store)
    except StoreError as error:  # SQLite looks at a file once more when it lets go of it
        if _code(error) in LOCKED:
            raise
        yield Fault("ledger.db", "", str(error))


def held(folder: Path) -> dict[str, int | None]:
    """Return how many rows each table holds, None where they cannot be counted, and how many images lie beside them.

    Raises StoreError where the ledger is locked.
    """
    found: dict[str, int | None] = dict.fromkeys(TABLES)
    for table in TABLES:
        try:
            with Store(folder, read_only=True) as store:
                found[table] = int(next(store.db.rows(f"SELECT count(*) FROM {table}"))[0])
        except StoreError as error:
            if _code(error) in LOCKED:
                raise
    return {**found, "images": sum(1 for _ in _pictures(folder / "images"))}


def _code(error: StoreError) -> int | None:
    """Return SQLite's code of what went wrong."""
    return getattr(error.__cause__, "sqlite_errorcode", None)


def _survived(part: Callable[[Store], Iterator[Fault]], store: Store) -> Iterator[Fault]:
    """Yield a part's faults; a file too damaged to be read through is one more."""
    try:
        yield from part(store)
    except StoreError as error:
        if _code(error) in LOCKED:
            raise
        yield Fault("ledger.db", "", f"the {part.__name__} cannot be read to their end: {error}")


def integrity(store: Store) -> Iterator[Fault]:
    """SQLite's own look at pages, indices and order."""
    for (said,) in store.db.rows("PRAGMA integrity_check"):
        if said != "ok":
            yield Fault("ledger.db", "", f"SQLite finds it damaged ({said}); restore the file")


def references(store: Store) -> Iterator[Fault]:
    """Rows that name a row that is not there."""
    for r in REFERENCES:
        target, key = r.target.split(".")
        query = (
            f"SELECT DISTINCT t.{r.column}, {r.row} FROM {r.table} t "
            f"LEFT JOIN {target} o ON o.{key} = t.{r.column} {r.also} "
            f"WHERE t.{r.column} IS NOT NULL AND o.{key} IS NULL {r.only}"
        )
        for value, *row in store.db.rows(query):
            problem = f"its {r.column} {value!r} is not in {target}; {r.meaning}"
            yield Fault(r.table, ", ".join(map(str, row)), problem)


def tasks(store: Store) -> Iterator[Fault]:
    """Tasks that are not what their fingerprint was made of, or lack a picture."""
    for name, *hashes, text in store.db.rows("SELECT id, asked, fingerprint, task FROM tasks ORDER BY rowid"):
        try:
            task = task_of(text, store.images)
            same = (task.id, asked_key(task), task.fingerprint) == (name, *hashes)
            lacking = [problem for image in task.images for problem in picture(store.images, image.sha256)]
        except DAMAGE as error:
            yield Fault("tasks", name, f"its record cannot be read ({error}); what was asked is lost")
            continue
        if not same:
            yield Fault("tasks", name, "its fingerprint is not that of its record: it was changed after it was stored")
        yield from (Fault("tasks", name, problem) for problem in lacking)


def prompts(store: Store) -> Iterator[Fault]:
    """Prompts that are not what their key was made of, or lack a picture."""
    for key, packed, spans, listed in store.db.rows("SELECT key, ids, spans, images FROM prompts ORDER BY rowid"):
        try:
            ids, shown = unpack_numbers(packed), [str(sha) for sha in json.loads(listed)]
            same = prompt_key(ids, shown) == key
            fits = len(spans) == len(ids)
        except DAMAGE as error:
            yield Fault("prompts", key, f"it does not unpack ({error}); what the model was shown is lost")
            continue
        if not same:
            yield Fault("prompts", key, "its key is not the hash of its ids and images: they were changed afterwards")
        if not fits:
            yield Fault("prompts", key, f"it has {len(spans)} spans for {len(ids)} ids, one each is right")
        yield from (Fault("prompts", key, problem) for sha in shown for problem in picture(store.images, sha))


def seals(store: Store) -> Iterator[Fault]:
    """Rows that are not what was written: scores, verdicts, readings, examples and runs."""
    for table, columns in SEALED.items():
        for *row, sealed in store.db.rows(f"SELECT {columns}, seal FROM {table}"):
            if seal(*row) != sealed:
                name = ", ".join(map(str, row[:2] if table != "readings" else row[:1]))
                yield Fault(table, name, f"its seal does not fit: {columns} were not all written as they are now")


def readings(store: Store) -> Iterator[Fault]:
    """Readings that do not unpack."""
    for key, blob in store.db.rows("SELECT key, reading FROM readings ORDER BY rowid"):
        try:
            unpack_reading(blob)
        except DAMAGE as error:
            yield Fault("readings", key, f"it does not unpack ({error}); delete the row, and a run measures it again")


def runs(store: Store) -> Iterator[Fault]:
    """Runs that are gone from the list, and words beside the ledger that are not the last one's."""
    last, count = next(store.db.rows("SELECT ifnull(max(id), 0), count(*) FROM runs"))
    if last != count:
        yield Fault("runs", "", f"it holds {count} of {last} runs; what the others were made of is lost")
    for number, manifest in store.db.rows("SELECT id, manifest FROM runs ORDER BY id"):
        try:
            dict(json.loads(manifest).items())
        except DAMAGE as error:
            yield Fault("runs", str(number), f"its manifest cannot be read ({error})")
    for (text,) in store.db.rows("SELECT manifest FROM runs ORDER BY id DESC LIMIT 1"):
        try:
            same = (store.folder / "manifest.json").read_text(encoding="utf-8") == text
        except (OSError, UnicodeDecodeError) as error:
            yield Fault("manifest.json", "", f"it cannot be read ({error}); the ledger has what it said")
            continue
        if not same:
            what = "it is not that of the last run: it was changed, or that run was killed as it began"
            yield Fault("manifest.json", "", f"{what}; the ledger has what it said")


def images(store: Store) -> Iterator[Fault]:
    """Pictures that are not those of their name."""
    for file in _pictures(store.images):
        try:
            found = sha256(file)
        except OSError as error:
            yield Fault("images", file.name, f"it cannot be read ({error.strerror})")
            continue
        if found != file.name:
            yield Fault(
                "images", file.name, f"its sha256 is {found}: it was changed, and is not what models were shown"
            )


def models(store: Store) -> Iterator[Fault]:
    """Trained models whose files are not those that training wrote, and those that are gone."""
    query = "SELECT round FROM rounds WHERE json_valid(result) AND json_extract(result, '$.trained') ORDER BY round"
    for (number,) in store.db.rows(query):
        folder = record.place(store.folder, number)
        if not folder.exists():
            yield Fault("models", folder.name, GONE)
    for folder in record.trained(store.folder):
        try:
            yield from (
                Fault("models", folder.name, problem) for problem in record.changed(folder, record.read(folder))
            )
        except StoreError as error:
            yield Fault("models", folder.name, str(error))


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the pictures of a folder; one that is being written has another name."""
    if folder.is_dir():
        yield from (file for file in folder.iterdir() if HASH.fullmatch(file.name))
