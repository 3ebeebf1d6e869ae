"""The ledger: one SQLite file per run folder, images by hash beside it.

Every attempt is written when it finishes, under a key that hashes all it depends on, so that
resuming is computing the keys that are missing and nothing is ever replayed for another question.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from .errors import StoreError
from .examples import Example, Examples
from .packing import pack_parts, pack_reading, unpack_parts, unpack_reading
from .types import Image, Reading, Rollout, Score, Task

VERSION = 1
COMMIT_EVERY_S = 0.25
"""A crash loses at most what finished in this time; one commit a row would cost more than sampling."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, task TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rollouts (
    key TEXT PRIMARY KEY, scope TEXT NOT NULL, round INTEGER NOT NULL, verb TEXT NOT NULL, task TEXT NOT NULL,
    attempt INTEGER NOT NULL, parent TEXT, given INTEGER NOT NULL, parts BLOB NOT NULL, finish TEXT NOT NULL,
    model TEXT NOT NULL, tokens INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS rollouts_by_task ON rollouts (task);
CREATE TABLE IF NOT EXISTS uses (
    scope TEXT NOT NULL, round INTEGER NOT NULL, rollout TEXT NOT NULL,
    PRIMARY KEY (scope, round, rollout)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
    rollout TEXT NOT NULL, scorer TEXT NOT NULL, value REAL, PRIMARY KEY (rollout, scorer)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS readings (key TEXT PRIMARY KEY, reading BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS examples (
    round INTEGER NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, rollout TEXT NOT NULL, other TEXT,
    numbers TEXT NOT NULL, PRIMARY KEY (round, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    scope TEXT NOT NULL, round INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, task TEXT, rollout TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS events_once
    ON events (scope, round, kind, reason, ifnull(task, ''), ifnull(rollout, ''));
CREATE TABLE IF NOT EXISTS timings (
    scope TEXT NOT NULL, round INTEGER NOT NULL, part TEXT NOT NULL, seconds REAL NOT NULL, tokens INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rounds (round INTEGER PRIMARY KEY, result TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Tally:
    """What a round's collection came to; counts of attempts unless they say tasks."""

    tasks: int
    attempts: int
    correct: int
    unknown: int
    resumed: int
    rescued: int
    unsolved_before: int
    unsolved_after: int
    dropped: int
    examples: int
    tokens: int
    """Tokens sampled for these attempts, whenever that was."""


class Store:
    """A run folder's ledger: one writing process at a time; rows in batches, made durable four times a second.

    Raises StoreError where the folder is in use, not writable, or holds something else. With
    `read_only` it looks at a folder that another process may be writing to.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._images = folder / "images"
        self._guard = threading.RLock()
        self._closing = threading.Event()
        with ExitStack() as opened:
            if not read_only:
                opened.enter_context(_lock(folder))
            self._db = opened.enter_context(closing(_open(folder / "ledger.db", read_only)))
            self._open = opened.pop_all()
        self._clock = threading.Thread(target=self._keep_durable, name="ledger", daemon=True)
        self._clock.start()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit and let go of the folder."""
        self._closing.set()
        self._clock.join()
        self.flush()
        self._open.close()

    def flush(self) -> None:
        """Make durable what was added."""
        with self._guard:
            self._db.commit()

    def _keep_durable(self) -> None:
        # A thread of its own: a batch may end in a burst of rows and the next row come minutes later.
        while not self._closing.wait(COMMIT_EVERY_S):
            self.flush()

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._guard:
            self._db.executemany(statement, rows)

    def write_manifest(self, manifest: Mapping[str, object]) -> None:
        """Write what the run is made of beside the ledger, whole or not at all."""
        partial = self.folder / "manifest.json.partial"
        partial.write_text(json.dumps(manifest, indent=1, default=str))
        partial.rename(self.folder / "manifest.json")

    def manifest(self) -> dict[str, Any]:
        """Return what the folder's last run was made of; empty where nothing says so."""
        file = self.folder / "manifest.json"
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def begin(self, scope: str, round: int) -> None:
        """Forget what an earlier run, interrupted or with other settings, counted from this round on.

        Attempts, scores and readings stay: whatever still fits is used again.
        """
        with self._guard:
            for table in ("uses", "events", "timings"):
                self._db.execute(f"DELETE FROM {table} WHERE scope = ? AND round >= ?", (scope, round))
            if scope == "collect":
                self._db.execute("DELETE FROM timings WHERE round >= ? AND scope <> 'eval'", (round,))
                for table in ("examples", "rounds"):
                    self._db.execute(f"DELETE FROM {table} WHERE round >= ?", (round,))
        self.flush()

    def add_tasks(self, tasks: Sequence[Task]) -> None:
        """Record tasks and put their images beside the ledger, each once."""
        rows = [(t.id, t.fingerprint, json.dumps(_task_record(t), default=str)) for t in tasks]
        self._write("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?)", rows)
        for image in {i.sha256: i for t in tasks for i in t.images}.values():
            self.add_image(image)

    def add_image(self, image: Image) -> None:
        """Write an image under its hash, whole or not at all."""
        target = self._images / image.sha256
        if not target.exists():
            partial = target.with_suffix(".partial")
            partial.write_bytes(image.read())
            partial.rename(target)

    def add_rollout(self, rollout: Rollout, scope: str, round: int, verb: str, attempt: int) -> None:
        """Record one finished attempt, and the pictures that a tool put into it."""
        r = rollout
        for part in r.parts:
            if part.image:
                self.add_image(part.image)
        tokens = len(r.ids) - r.given_tokens
        row = (
            *(r.key, scope, round, verb, r.task.id, attempt, r.parent, r.given),
            *(pack_parts(r.parts), r.finish, r.model, tokens),
        )
        self._write(f"INSERT OR REPLACE INTO rollouts VALUES ({','.join('?' * len(row))})", [row])

    def rollouts(self, wanted: Mapping[str, tuple[Task, Task]]) -> dict[str, Rollout]:
        """Return the recorded attempts among the wanted keys, given each one's task and what it was shown."""
        found: dict[str, Rollout] = {}
        for key, parent, given, parts, finish, model in self._select(
            "SELECT key, parent, given, parts, finish, model FROM rollouts WHERE key IN", list(wanted)
        ):
            task, seen = wanted[key]
            found[key] = Rollout(key, task, seen, unpack_parts(parts, self._images), finish, model, given, parent)
        return found

    def use(self, scope: str, round: int, keys: Iterable[str]) -> None:
        """Count these attempts as part of the round, whenever they were sampled."""
        self._write("INSERT OR IGNORE INTO uses VALUES (?, ?, ?)", ((scope, round, key) for key in keys))

    def add_scores(self, scorer: str, values: Iterable[tuple[str, Score]]) -> None:
        """Record one scorer's judgement of attempts by key."""
        self._write("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", ((k, scorer, v) for k, v in values))

    def add_reading(self, key: str, reading: Reading) -> None:
        """Record one reading."""
        self._write("INSERT OR REPLACE INTO readings VALUES (?, ?)", [(key, pack_reading(reading))])

    def readings(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return the recorded readings among the wanted keys."""
        rows = self._select("SELECT key, reading FROM readings WHERE key IN", keys)
        return {key: unpack_reading(blob) for key, blob in rows}

    def add_event(self, scope: str, round: int, kind: str, reason: str, task: str | None, rollout: str | None) -> None:
        """Record that something was left out or could not be told, once per reason and place."""
        self._write("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?)", [(scope, round, kind, reason, task, rollout)])

    def events(self, scope: str, round: int) -> dict[tuple[str, str], int]:
        """Return how often each (kind, reason) was recorded in a round."""
        rows = self._db.execute(
            "SELECT kind, reason, count(*) FROM events WHERE scope = ? AND round = ? GROUP BY kind, reason",
            (scope, round),
        )
        return {(kind, reason): count for kind, reason, count in rows}

    def noted(self, scope: str, round: int, kind: str) -> set[str]:
        """Return the keys of the attempts that events of this kind name."""
        query = "SELECT rollout FROM events WHERE scope = ? AND round = ? AND kind = ? AND rollout NOT NULL"
        return {key for (key,) in self._db.execute(query, (scope, round, kind))}

    def collected(self, round: int, tasks: Mapping[str, Task]) -> list[Rollout]:
        """Return the attempts at these tasks that a round counted, with their scores."""
        rows = self._db.execute(
            "SELECT r.key, r.task FROM uses u JOIN rollouts r ON r.key = u.rollout "
            "WHERE u.scope = 'collect' AND u.round = ? ORDER BY r.task, r.verb DESC, r.attempt, r.key",
            (round,),
        )
        wanted = {key: (tasks[task], tasks[task]) for key, task in rows if task in tasks}
        found = self.rollouts(wanted)
        scores: dict[str, dict[str, Score]] = {}
        for key, scorer, value in self._select(
            "SELECT rollout, scorer, value FROM scores WHERE rollout IN", list(wanted)
        ):
            scores.setdefault(key, {})[scorer] = value
        return [replace(found[key], scores=scores.get(key, {})) for key in wanted]

    def add_timing(self, scope: str, round: int, part: str, seconds: float, tokens: int) -> None:
        """Record what one piece of work took."""
        self._write("INSERT INTO timings VALUES (?, ?, ?, ?, ?)", [(scope, round, part, seconds, tokens)])

    def timings(self, round: int | None = None) -> dict[str, tuple[float, int]]:
        """Return seconds and tokens by part of the work, over one round or all."""
        rows = self._db.execute(
            "SELECT scope || ' ' || part, sum(seconds), sum(tokens) FROM timings "
            "WHERE ? IS NULL OR round = ? GROUP BY scope, part",
            (round, round),
        )
        return {part: (seconds, tokens) for part, seconds, tokens in rows}

    def set_examples(self, round: int, examples: Examples) -> None:
        """Replace the round's training examples."""
        with self._guard:
            self._db.execute("DELETE FROM examples WHERE round = ?", (round,))
        self._write(
            "INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?)",
            (example_row(round, i, e) for i, e in enumerate(examples)),
        )
        self.flush()

    def set_round(self, round: int, result: Mapping[str, object]) -> None:
        """Record a finished round's result."""
        self._write("INSERT OR REPLACE INTO rounds VALUES (?, ?)", [(round, json.dumps(result))])
        self.flush()

    def rounds(self) -> list[dict[str, object]]:
        """Return the results of all finished rounds, in order."""
        return [json.loads(row[0]) for row in self._db.execute("SELECT result FROM rounds ORDER BY round")]

    def tally(self, round: int, tasks: int, examples: int, scorer: str = "correct") -> Tally:
        """Count what a round's collection brought, by the scores in the ledger."""
        rows = self._db.execute(
            "SELECT r.verb, count(*), count(CASE WHEN s.value = 1 THEN 1 END), count(*) - count(s.value) "
            "FROM uses u JOIN rollouts r ON r.key = u.rollout LEFT JOIN scores s ON s.rollout = r.key AND s.scorer = ? "
            "WHERE u.scope = 'collect' AND u.round = ? GROUP BY r.verb",
            (scorer, round),
        )
        count = {verb: (total, correct, unknown) for verb, total, correct, unknown in rows}
        attempts, correct, unknown = count.get("sample", (0, 0, 0))
        resumed, rescued, lost = count.get("resume", (0, 0, 0))
        solved = (
            "SELECT count(DISTINCT r.task) FROM uses u JOIN rollouts r ON r.key = u.rollout "
            "JOIN scores s ON s.rollout = r.key AND s.scorer = ? "
            "WHERE u.scope = 'collect' AND u.round = ? AND s.value = 1 AND r.verb IN (?, ?)"
        )
        before = self._db.execute(solved, (scorer, round, "sample", "sample")).fetchone()[0]
        after = self._db.execute(solved, (scorer, round, "sample", "resume")).fetchone()[0]
        tokens = self._db.execute(
            "SELECT coalesce(sum(r.tokens), 0) FROM uses u JOIN rollouts r ON r.key = u.rollout "
            "WHERE u.scope = 'collect' AND u.round = ?",
            (round,),
        ).fetchone()[0]
        dropped = sum(n for (kind, _), n in self.events("collect", round).items() if kind == "dropped")
        return Tally(
            tasks,
            attempts,
            correct,
            unknown + lost,
            resumed,
            rescued,
            tasks - before,
            tasks - after,
            dropped,
            examples,
            tokens,
        )

    def _select(self, query: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            yield from self._db.execute(f"{query} ({','.join('?' * len(some))})", some)


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


def _open(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open or create a ledger; raises StoreError for a file that is none or of another version."""
    mode = "ro" if read_only else "rwc"
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, check_same_thread=False)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise StoreError(
                f"{path} is version {version} of the ledger, this program knows {VERSION}; give another --out"
            )
        if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreError(f"{path} is a database of something else; give another --out")
        if not read_only:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(SCHEMA + f"PRAGMA user_version = {VERSION};")
    except sqlite3.DatabaseError as error:
        db.close()
        raise StoreError(f"{path} cannot be read as a ledger ({error}); restore it or give another --out") from error
    except StoreError:
        db.close()
        raise
    return db


def _task_record(task: Task) -> dict[str, object]:
    record = {f.name: getattr(task, f.name) for f in fields(task)}
    return {**record, "images": [image.sha256 for image in task.images]}


def example_row(round: int, position: int, example: Example) -> tuple[object, ...]:
    """Return an example as a ledger row: kind, attempt, other attempt, and its numbers as JSON."""
    first, *others = example.rollouts
    numbers = {name: value for name, value in vars(example).items() if not isinstance(value, Rollout)}
    kind = type(example).__name__.lower()
    return (round, position, kind, first.key, others[0].key if others else None, json.dumps(numbers, default=str))
