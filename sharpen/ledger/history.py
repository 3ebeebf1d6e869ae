# pyright: strict
"""Which run a round's rows are of: they carry its number, and replace an earlier run's when the round is finished.

So a run that is interrupted while it does finished rounds again has lost nothing: until it has finished a round
itself, readers see that of the run before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from .database import Database
from .records import seal

SCOPES = ("collect", "eval", "import")
"""What a round's result is made of; `report` only looks."""
TIMED = ("collect", "eval", "train")
"""What a round's work is; a probe or a report of its model may come later."""
TRIAL, LAYER = "trial", "layer"
"""Scopes of what a round sampled and does not count as its data."""
OWNED = ("uses", "events", "examples")


def seen(table: str) -> str:
    """Return the condition, in SQL, that a row is of the run which finished its round, or else of the last run."""
    last = "ifnull((SELECT max(id) FROM runs), 0)"
    return f"{table}.run = ifnull((SELECT f.run FROM rounds f WHERE f.round = {table}.round), {last})"


def seen_run(db: Database, round: int | None) -> int:
    """Return the run which finished a round, for None the last finished one; else the last run."""
    query = "SELECT run FROM rounds WHERE ?1 IS NULL OR round = ?1 ORDER BY run DESC LIMIT 1"
    for (run,) in db.rows(query, (round,)):
        return int(run)
    return int(next(db.rows("SELECT ifnull(max(id), 0) FROM runs"))[0])


def begin(db: Database, scope: str, round: int, run: int) -> None:
    """Forget what this run, or one that did not finish the round, has counted in it so far."""
    here = "WHERE scope = ?1 AND round = ?2 AND (run = ?3 OR run NOT IN (SELECT run FROM rounds WHERE round = ?2))"
    db.run(*((f"DELETE FROM {table} {here}", (scope, round, run)) for table in ("uses", "events")))


def set_aside(db: Database, scope: str, round: int, run: int) -> None:
    """Begin a round anew that was only tried; what it counted so far is kept as what the trial used."""
    begin(db, TRIAL, round, run)
    moved = "SELECT ?, round, run, rollout, gold FROM uses WHERE scope = ? AND round = ? AND run = ?"
    db.run((f"INSERT OR REPLACE INTO uses {moved}", (TRIAL, scope, round, run)))
    begin(db, scope, round, run)


def aside(db: Database, round: int) -> int:
    """Return the tokens that were sampled beside a round's data: in trials of it, and to choose a layer."""
    used = "SELECT rollout FROM uses WHERE round = ?1 AND run = ?2 AND scope"
    query = f"SELECT sum(tokens) FROM rollouts WHERE key IN ({used} IN (?3, ?4)) AND key NOT IN ({used} = 'collect')"
    return int(next(db.rows(query, (round, seen_run(db, round), TRIAL, LAYER)))[0] or 0)


def finish(db: Database, round: int, run: int, grader: str, said: Mapping[str, object]) -> None:
    """Put a run's round in the place of an earlier run's, all at once.

    Later rounds of other runs stay where this one came out as before and the run is made alike; else they go on from
    a model that is no more, and are forgotten.
    """
    gone = [(f"DELETE FROM {table} WHERE round = ? AND run <> ?", (round, run)) for table in OWNED]
    if not _as_before(db, round, run):
        gone += [(f"DELETE FROM {table} WHERE round > ? AND run <> ?", (round, run)) for table in (*OWNED, "rounds")]
    result = json.dumps({**said, "timings": timings_seal(db, round, run)})
    sealed = round_seal(db, round, run, grader, result)
    db.run(*gone, ("INSERT OR REPLACE INTO rounds VALUES (?, ?, ?, ?, ?)", (round, run, grader, result, sealed)))


def forget_after(db: Database, round: int) -> None:
    """Forget the rounds after one, which a longer run had left; what was sampled there stays."""
    db.run(*((f"DELETE FROM {table} WHERE round > ?", (round,)) for table in (*OWNED, "rounds")))


def round_seal(db: Database, round: int, run: int, grader: str, result: str) -> bytes:
    """Return a checksum over a finished round: its result, what it counted, and what happened."""
    total = blake2b(digest_size=8)
    for scope in SCOPES:
        here = "WHERE scope = ? AND round = ? AND run = ?"
        for query in (
            f"SELECT rollout, gold FROM uses {here} ORDER BY rollout",
            f"SELECT kind, reason, task, rollout FROM events {here} ORDER BY 1, 2, 3, 4",
        ):
            for row in db.rows(query, (scope, round, run)):
                total.update(seal(scope, *row))
    return seal(round, run, grader, result, total.digest())


def alike(db: Database, run: int) -> list[int]:
    """Return the runs that are made like this one, itself included."""
    query = "SELECT id FROM runs WHERE made = (SELECT made FROM runs WHERE id = ?)"
    return sorted({run, *(int(other) for (other,) in db.rows(query, (run,)))})


def timings(db: Database, round: int | None, run: int) -> dict[str, tuple[float, int]]:
    """Return seconds and tokens by part of the work, of all runs made alike: of each process that worked on it."""
    runs = alike(db, run)
    rows = db.rows(
        "SELECT scope || ' ' || part, sum(seconds), sum(tokens) FROM timings "
        f"WHERE (? IS NULL OR round = ?) AND run IN ({','.join('?' * len(runs))}) GROUP BY scope, part",
        (round, round, *runs),
    )
    return {part: (seconds, tokens) for part, seconds, tokens in rows}


def timings_of(db: Database, round: int, run: int) -> Iterator[tuple[Any, ...]]:
    """Yield what each piece of a round's work took until a run finished it, in the order of the work."""
    runs = [other for other in alike(db, run) if other <= run]
    marks, scopes = (",".join("?" * len(some)) for some in (runs, TIMED))
    query = (
        "SELECT scope || ' ' || part, run, seconds, tokens, peak_bytes, device_peak_bytes FROM timings "
        f"WHERE round = ? AND run IN ({marks}) AND scope IN ({scopes}) ORDER BY rowid"
    )
    return db.rows(query, (round, *runs, *TIMED))


def timings_seal(db: Database, round: int, run: int) -> str:
    """Return a checksum over what the work of a round took until a run finished it."""
    total = blake2b(digest_size=8)
    for row in timings_of(db, round, run):
        total.update(seal(*row))
    return total.hexdigest()


def processes(db: Database) -> tuple[int, int, float]:
    """Return how many processes worked on the runs made like the one that is shown, how many ended, and their seconds.

    Those are from the start of each to its last sign of life, which it gives whenever it forces its log to the disk.
    """
    runs = alike(db, seen_run(db, None))
    query = (
        "SELECT count(*), count(ended), total((julianday(seen) - julianday(started)) * 86400) FROM runs "
        f"WHERE id IN ({','.join('?' * len(runs))})"
    )
    count, ended, seconds = next(db.rows(query, runs))
    return int(count), int(ended), float(seconds)


def unfinished(db: Database) -> int | None:
    """Return the round after those that the last run, or one made like it, finished; None where it ended in order."""
    for run, ended in db.rows("SELECT id, ended FROM runs ORDER BY id DESC LIMIT 1"):
        if ended is None:
            runs = alike(db, int(run))
            marks = ",".join("?" * len(runs))
            return int(next(db.rows(f"SELECT ifnull(max(round), -1) FROM rounds WHERE run IN ({marks})", runs))[0]) + 1
    return None


def _as_before(db: Database, round: int, run: int) -> bool:
    """Whether a round has the examples it had when another run, made alike, finished it."""
    query = "SELECT position, kind, rollout, other, numbers FROM examples WHERE round = ? AND run = ? ORDER BY position"
    for (before,) in db.rows("SELECT run FROM rounds WHERE round = ?", (round,)):
        old, new = (blake2b() for _ in range(2))
        for total, which in ((old, before), (new, run)):
            for row in db.rows(query, (round, which)):
                total.update(seal(*row))
        return before == run or (before in alike(db, run) and old.digest() == new.digest())
    return False
