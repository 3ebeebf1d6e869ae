"""The ledger's file: tables, one writer at a time, and every way in which a disk fails, said in one line.

Each write is a transaction of its own in the write-ahead log, so a killed process loses nothing that it had
written; the log is forced to the disk once a second, whoever reads it, so a power cut loses at most that.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import StoreError
from .files import force

VERSION = 3
SYNC_EVERY_S = 1.0
WAIT_FOR_LOCK_S = 5.0
CACHE_KIB = 8192
"""What of the file stays in memory: a portion comes back to its own rows, and more is no faster (`bench.ledger`)."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, seen TEXT NOT NULL, ended TEXT, command TEXT,
    manifest TEXT NOT NULL, made TEXT NOT NULL, seal BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT NOT NULL, asked TEXT NOT NULL, fingerprint TEXT NOT NULL, task TEXT NOT NULL, PRIMARY KEY (id, asked));
CREATE TABLE IF NOT EXISTS prompts (
    key TEXT PRIMARY KEY, ids BLOB NOT NULL, spans BLOB NOT NULL, images TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, address TEXT NOT NULL, settings TEXT NOT NULL, UNIQUE (address, settings));
CREATE TABLE IF NOT EXISTS rollouts (
    key TEXT PRIMARY KEY, scope TEXT NOT NULL, round INTEGER NOT NULL, verb TEXT NOT NULL, task TEXT NOT NULL,
    asked TEXT NOT NULL, attempt INTEGER NOT NULL, parent TEXT, given INTEGER NOT NULL, parts BLOB NOT NULL,
    finish TEXT NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL, prompt TEXT NOT NULL, call INTEGER NOT NULL,
    room INTEGER NOT NULL, address TEXT NOT NULL, seal BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS given_by_task ON rollouts (task) WHERE verb = 'given';
CREATE TABLE IF NOT EXISTS uses (
    scope TEXT NOT NULL, round INTEGER NOT NULL, run INTEGER NOT NULL, rollout TEXT NOT NULL, gold TEXT NOT NULL,
    PRIMARY KEY (scope, round, run, rollout)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
    rollout TEXT NOT NULL, scorer TEXT NOT NULL, value REAL, seal BLOB NOT NULL,
    PRIMARY KEY (rollout, scorer)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdicts (
    rollout TEXT NOT NULL, grader TEXT NOT NULL, gold TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT, found TEXT,
    seal BLOB NOT NULL, PRIMARY KEY (rollout, grader, gold)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS readings (key TEXT PRIMARY KEY, reading BLOB NOT NULL, seal BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS examples (
    round INTEGER NOT NULL, run INTEGER NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, rollout TEXT NOT NULL,
    other TEXT, numbers TEXT NOT NULL, seal BLOB NOT NULL, PRIMARY KEY (round, run, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    scope TEXT NOT NULL, round INTEGER NOT NULL, run INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
    task TEXT, rollout TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS events_once
    ON events (scope, round, run, kind, reason, ifnull(task, ''), ifnull(rollout, ''));
CREATE TABLE IF NOT EXISTS timings (
    scope TEXT NOT NULL, round INTEGER NOT NULL, run INTEGER NOT NULL, part TEXT NOT NULL, seconds REAL NOT NULL,
    tokens INTEGER NOT NULL, peak_bytes INTEGER, device_peak_bytes INTEGER);
CREATE TABLE IF NOT EXISTS rounds (
    round INTEGER PRIMARY KEY, run INTEGER NOT NULL, grader TEXT NOT NULL, result TEXT NOT NULL, seal BLOB NOT NULL);
"""


class Database:
    """An open ledger file; raises StoreError for whatever goes wrong with it.

    With `read_only` it looks at a file that another process may be writing to; without `create` it has to be there.
    """

    def __init__(self, folder: Path, read_only: bool, create: bool = True) -> None:
        self.path = folder / "ledger.db"
        self.beat: Callable[[], tuple[str, Sequence[object]]] | None = None
        """A statement to run whenever what was written is forced to the disk."""
        self._guard = threading.RLock()
        self._synced = time.monotonic()
        self._read_only = read_only
        self._unnamed = True  # the folder's entry of a new log is not on the disk yet
        with ExitStack() as opened:
            if not read_only:
                opened.enter_context(_lock(folder))
            self._db = opened.enter_context(closing(_open(self.path, read_only, create)))
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Make durable and let go of the folder."""
        try:
            self.sync()
        finally:
            self._opened.close()

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Write rows in one transaction: all of them or none."""
        with self._guard, self._failures():
            with self._transaction():
                self._db.executemany(statement, rows)
            if time.monotonic() - self._synced > SYNC_EVERY_S:
                self.sync()

    def write_one(self, statement: str, row: Sequence[object]) -> None:
        """Write a row, which is a transaction by itself."""
        with self._guard, self._failures():
            self._db.execute(statement, row)
            if time.monotonic() - self._synced > SYNC_EVERY_S:
                self.sync()

    def run(self, *statements: tuple[str, Sequence[object]]) -> None:
        """Run several statements in one transaction."""
        with self._guard, self._failures(), self._transaction():
            for statement, values in statements:
                self._db.execute(statement, values)

    def rows(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""
        with self._failures():
            # `yield from` would close the cursor of rows that nobody read on, which fails after the file is closed.
            for row in self._db.execute(query, values):  # noqa: UP028
                yield row

    def among(self, query: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query that ends in `IN`, for any number of keys."""
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            yield from self.rows(f"{query} ({','.join('?' * len(some))})", some)

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """See one state of the ledger throughout, whatever another process writes meanwhile.

        Text that is no UTF-8 is given with its bytes escaped, so that a damaged row can be read and named.
        """
        with self._failures():
            self._db.execute("BEGIN")
        self._db.text_factory = lambda data: data.decode(errors="surrogateescape")
        try:
            yield
        finally:
            self._db.text_factory = str
            if self._db.in_transaction:
                with self._failures():  # SQLite looks at the file once more, which may be damaged
                    self._db.execute("COMMIT")

    def sync(self) -> None:
        """Force what was written to the disk.

        That is the log itself: a checkpoint, SQLite's own way, stops at what another process is reading.
        """
        if self._read_only:
            return
        with self._guard, self._failures():
            if self.beat:
                self._db.execute(*self.beat())
            try:
                with suppress(FileNotFoundError):  # nothing was written since the last one closed it
                    force(self.path.with_name(f"{self.path.name}-wal"))
                if self._unnamed:
                    force(self.path.parent)
                    self._unnamed = False
            except OSError as error:
                raise StoreError(
                    f"{self.path} cannot be forced to the disk ({error.strerror}); look at the disk and give the same "
                    "command again, what was recorded before is safe"
                ) from error
            self._synced = time.monotonic()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled it back already
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(explain(self.path, error)) from error


def explain(path: Path, error: sqlite3.Error) -> str:
    """Say what a failure of SQLite means for a run folder, and what to do."""
    said = str(error)
    safe = "what was recorded before is safe"
    if "full" in said:
        return f"{path}: the disk is full; free some space and give the same command again, {safe}"
    if "locked" in said or "busy" in said:
        return f"{path}: another program keeps the ledger locked; close it and give the same command again, {safe}"
    if "readonly" in said:
        return f"{path} cannot be written ({said}); make it writable or give another --out"
    if "closed" in said:
        return f"{path}: the run folder was closed; open it again to look at its attempts"
    if "malformed" in said or "not a database" in said or "no such" in said:
        return f"{path} is damaged or no ledger ({said}); restore it or give another --out"
    return f"{path} cannot be used ({said}); look at the disk and give the same command again, {safe}"


@contextmanager
def _lock(folder: Path) -> Generator[None]:
    """Hold a run folder for this process; the lock goes with the process, however that ends."""
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a")
    except OSError as error:
        raise StoreError(f"cannot write to the run folder {folder}: {error.strerror}; give another --out") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{folder} is in use by another process; wait for it or give another --out") from error
        yield


def _open(path: Path, read_only: bool, create: bool) -> sqlite3.Connection:
    """Open or create a ledger; raises StoreError for a file that is none or of another version."""
    mode = "ro" if read_only else "rwc" if create else "rw"
    try:
        db = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=WAIT_FOR_LOCK_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise StoreError(explain(path, error)) from error
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            newer = "a newer sharpen wrote it; update" if version > VERSION else "an older sharpen wrote it"
            raise StoreError(
                f"{path} is version {version} of the ledger, this program knows {VERSION}: {newer}, "
                "or give another --out"
            )
        if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreError(f"{path} is a database of something else; give another --out")
        if version == 0 and not (create or read_only):
            raise StoreError(f"{path} is empty: nothing was recorded in it, or it was lost; restore it")
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if not read_only:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except sqlite3.Error as error:
        db.close()
        raise StoreError(explain(path, error)) from error
    except StoreError:
        db.close()
        raise
    return db
