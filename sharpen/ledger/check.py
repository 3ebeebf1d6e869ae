# pyright: strict
"""Is a run folder whole? Every reference, image, seal, key and count is looked at again, row by row.

Nothing is held but the row at hand, and one state of the ledger is seen throughout, so that it can be
asked of a folder of a million attempts that another process is writing to.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import StoreError
from ..packing import DAMAGE, unpack_numbers, unpack_parts, unpack_reading
from ..plan import prompt_key, rollout_keys
from ..progress import Progress
from ..store import Store, seal
from ..types import Part
from .records import task_of
from .tally import Tally
from .visible import word

HASH = re.compile("[0-9a-f]{64}")
TABLES = ("tasks", "prompts", "calls", "rollouts", "uses", "scores", "verdicts", "readings", "examples", "rounds")
LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a folder: the table (`images` are files), which row, and what it means."""

    table: str
    row: str
    problem: str

    @property
    def line(self) -> str:
        """The fault in one line."""
        named = f"{self.table} {word(self.row)}" if self.row else self.table
        return f"{named}: {word(self.problem)}"


class Reference(NamedTuple):
    """A column whose value names a row of another table."""

    table: str
    row: str
    """What tells the table's rows apart: columns of `t`."""
    column: str
    target: str
    meaning: str
    only: str = ""


WRITTEN = "AND t.verb <> 'given'"
"""Attempts that came ready-made were shown no prompt by any call."""
REFERENCES = (
    Reference("uses", "t.scope, t.round, t.rollout", "rollout", "rollouts.key", "the round counts what is not there"),
    Reference("scores", "t.rollout, t.scorer", "rollout", "rollouts.key", "the score is of nothing"),
    Reference("verdicts", "t.rollout, t.grader", "rollout", "rollouts.key", "the verdict is on nothing"),
    Reference("examples", "t.round, t.position", "rollout", "rollouts.key", "it cannot be trained on again"),
    Reference("examples", "t.round, t.position", "other", "rollouts.key", "it cannot be trained on again"),
    Reference("rollouts", "t.key", "task", "tasks.id", "what was asked is lost"),
    Reference("rollouts", "t.key", "parent", "rollouts.key", "what it was resumed from is lost"),
    Reference("rollouts", "t.key", "prompt", "prompts.key", "what the model was shown is lost", WRITTEN),
    Reference("rollouts", "t.key", "call", "calls.id", "how it was sampled is lost", WRITTEN),
)


class Attempt(NamedTuple):
    """A row of `rollouts`, and the address and settings of its call, None where that is not there."""

    key: str
    scope: str
    round: int
    verb: str
    task: str
    attempt: int
    parent: str | None
    given: int
    parts: bytes
    finish: str
    model: str
    tokens: int
    prompt: str
    call: int
    room: int
    address: str
    seal: bytes
    call_address: str | None
    settings: str | None


def faults(folder: Path) -> Iterator[Fault]:
    """Yield all that is wrong with a run folder, table by table; StoreError where its ledger is of another version."""
    try:
        opened = Store(folder, read_only=True)
    except StoreError as error:
        if _code(error) not in UNREADABLE:
            raise
        yield Fault("ledger.db", "", str(error))
        return
    with opened as store, store.db.snapshot():
        for part in (integrity, references, tasks, prompts, attempts, readings, rounds, images):
            yield from _survived(part, store)


def held(folder: Path) -> dict[str, int]:
    """Return how many rows each table holds, and how many images lie beside them; none of what cannot be counted."""
    found: dict[str, int] = {}
    with suppress(StoreError), Store(folder, read_only=True) as store:  # that is named as a fault
        for table in TABLES:
            found[table] = int(next(store.db.rows(f"SELECT count(*) FROM {table}"))[0])
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
            f"SELECT t.{r.column}, {r.row} FROM {r.table} t LEFT JOIN {target} o ON o.{key} = t.{r.column} "
            f"WHERE t.{r.column} IS NOT NULL AND o.{key} IS NULL {r.only}"
        )
        for value, *row in store.db.rows(query):
            problem = f"its {r.column} {value!r} is not in {target}; {r.meaning}"
            yield Fault(r.table, ", ".join(map(str, row)), problem)


def tasks(store: Store) -> Iterator[Fault]:
    """Tasks that are not what their fingerprint was made of, or lack a picture."""
    for name, fingerprint, record in store.db.rows("SELECT id, fingerprint, task FROM tasks ORDER BY rowid"):
        try:
            task = task_of(record, store.images)
            same = (task.id, task.fingerprint) == (name, fingerprint)
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


def attempts(store: Store) -> Iterator[Fault]:
    """Attempts whose row contradicts itself: seal, parts, counts, address or key."""
    total = int(next(store.db.rows("SELECT count(*) FROM rollouts"))[0])
    columns = ", ".join(f"r.{name}" for name in Attempt._fields[:-2])
    rows = store.db.rows(
        f"SELECT {columns}, c.address, c.settings FROM rollouts r LEFT JOIN calls c ON c.id = r.call ORDER BY r.rowid"
    )
    for row in Progress("attempts checked", total).over(rows):
        attempt = Attempt(*row)
        try:
            yield from (Fault("rollouts", attempt.key, problem) for problem in wrong(attempt, store.images))
        except DAMAGE as error:
            yield Fault("rollouts", str(attempt.key), f"its row cannot be read ({error})")


def wrong(row: Attempt, images: Path) -> Iterator[str]:
    """Yield what is wrong with one attempt's row."""
    if seal(row.key, row.parts, row.finish) != row.seal:
        yield "its seal does not fit: key, parts or finish were changed or damaged after it was written"
    try:
        parts = unpack_parts(row.parts, images)
    except DAMAGE as error:
        yield f"its parts do not unpack ({error}); what was written is lost"
        return
    for part in parts:
        if part.image:
            yield from picture(images, part.image.sha256)
    if not 0 <= row.given <= len(parts):
        yield f"{row.given} parts are said to be given, it has {len(parts)}"
        return
    sampled = sum(len(part.ids) for part in parts[row.given :])
    if sampled != row.tokens:
        yield f"{row.tokens} tokens are said to be sampled, it has {sampled} that were not given"
    if row.verb == "given":
        if row.prompt or row.call or row.room:
            yield f"it came ready-made, but names prompt {row.prompt!r}, call {row.call} and room {row.room}"
    elif row.call_address is not None and row.settings is not None:
        yield from misplaced(row, parts[: row.given], row.call_address, row.settings)


def misplaced(row: Attempt, given: Sequence[Part], call_address: str, settings: str) -> Iterator[str]:
    """Yield where a row's place or key is not the one that follows from what it depends on."""
    call, address = parsed(call_address), json.loads(row.address)
    _, scope, round, _, verb = call
    if (scope, round, verb) != (row.scope, row.round, row.verb):
        yield f"it says {row.scope} {row.round} {row.verb}, its call is of {scope} {round} {verb}"
    name, parent, *cut = address if len(address) > 1 else (address[0], None)
    if (name, parent) != (row.task, row.parent):
        yield f"it is of task {row.task!r} and parent {row.parent}, its address is of {name!r} and {parent}"
    if cut and (kept := cut[0] + len(cut[1])) != (count := sum(len(part.ids) for part in given)):
        yield f"its address says that {kept} ids were given, it has {count}"
    limits = {**parsed(settings), "max_tokens": row.room}
    ids = [part.ids for part in given]
    (key,) = rollout_keys(row.model, row.prompt, ids, limits, call, address, [row.attempt])
    if key != row.key:
        yield (
            f"its key is not the one that follows from model, prompt, given ids, settings, room, addresses and attempt "
            f"({key}): one of them was changed, and a run would sample it anew"
        )


@lru_cache(maxsize=1024)
def parsed(text: str) -> Any:
    """Return a call's address or settings; many attempts share one."""
    return json.loads(text)


def readings(store: Store) -> Iterator[Fault]:
    """Readings that do not unpack."""
    for key, blob in store.db.rows("SELECT key, reading FROM readings ORDER BY rowid"):
        try:
            unpack_reading(blob)
        except DAMAGE as error:
            yield Fault("readings", key, f"it does not unpack ({error}); delete the row, and a run measures it again")


def rounds(store: Store) -> Iterator[Fault]:
    """Finished rounds whose numbers are not what the ledger holds; round 0 is the base model's and has none."""
    for number, result in list(store.db.rows("SELECT round, result FROM rounds ORDER BY round")):
        try:
            recorded: dict[str, Any] = dict(json.loads(result))
        except DAMAGE as error:
            yield Fault("rounds", str(number), f"its result cannot be read ({error})")
            continue
        if number == 0 and "attempts" not in recorded:
            continue
        asked = recorded.get("tasks")
        if not isinstance(asked, int):
            yield Fault("rounds", str(number), f"its result names {asked!r} tasks, a number is needed to count it anew")
            continue
        rows = int(next(store.db.rows("SELECT count(*) FROM examples WHERE round = ?", (number,)))[0])
        counted = asdict(store.tally(number, asked, rows))
        for name in (f.name for f in fields(Tally)):
            if recorded.get(name) != counted[name]:
                said = f"says {recorded[name]!r}" if name in recorded else "does not say how many"
                yield Fault("rounds", str(number), f"{name}: its result {said}, the ledger holds {counted[name]}")


def images(store: Store) -> Iterator[Fault]:
    """Pictures that are not those of their name."""
    for file in _pictures(store.images):
        try:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            yield Fault("images", file.name, f"it cannot be read ({error.strerror})")
            continue
        if found != file.name:
            yield Fault(
                "images", file.name, f"its sha256 is {found}: it was changed, and is not what models were shown"
            )


def picture(folder: Path, sha: str) -> Iterator[str]:
    """Yield what is wrong with a name of a picture: it is no hash, or no file has it."""
    if not HASH.fullmatch(sha):
        yield f"it names {sha!r} as an image, which is no sha256"
    elif not (folder / sha).is_file():
        yield f"its image {sha} is not in {folder.name}/; it cannot be shown again"


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the pictures of a folder; one that is being written has another name."""
    if folder.is_dir():
        yield from (file for file in folder.iterdir() if HASH.fullmatch(file.name))
