# pyright: strict
"""Do the times in the ledger fit together: when each process was at work, and what each piece of work took."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..packing import DAMAGE
from ..store import Store
from .fault import Fault
from .history import timings_of, timings_seal

SLACK_S = 60.0
"""How far clocks may disagree (ours): of machines that share a folder, or one that was set while it worked."""
CLOCK = "it was changed, or a clock was set back"


def lives(store: Store) -> Iterator[Fault]:
    """Runs whose times are none, or are in an order in which they cannot have happened: one process at a time works."""
    latest, heard = datetime.min.replace(tzinfo=UTC), "the run before was last heard of at"
    for number, *said in store.db.rows("SELECT id, started, seen, ended FROM runs ORDER BY id"):
        try:
            started, seen, ended = moment(said[0]), moment(said[1]), None if said[2] is None else moment(said[2])
        except DAMAGE as error:
            yield Fault("runs", str(number), f"when it started, was seen or ended cannot be read ({error})")
            continue
        order = [(heard, latest, "it started at", started), ("it started at", started, "it was last heard of at", seen)]
        order += [("it was last heard of at", seen, "now it is", datetime.now(UTC))]
        if ended:  # a process is heard of for the last time when it ends
            order += [("it was last heard of at", seen, "it ended at", ended)]
            order += [("it ended at", ended, "it was last heard of at", seen)]
        for first, at, then, later in order:
            if (at - later).total_seconds() > SLACK_S:
                yield Fault("runs", str(number), f"{first} {at.isoformat()}, but {then} {later.isoformat()}: {CLOCK}")
        latest = max(latest, seen)


def moment(value: Any) -> datetime:
    """Return a time as the ledger writes it; raises one of `packing.DAMAGE` where it is none."""
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return found


def timings(store: Store) -> Iterator[Fault]:
    """Pieces of work that took what nothing can take, and rounds whose work did not take what they say."""
    query = (
        "SELECT t.rowid, t.scope, t.part, t.round, t.run, t.tokens, t.peak_bytes, t.device_peak_bytes, t.seconds, "
        "r.started, r.seen FROM timings t LEFT JOIN runs r ON r.id = t.run ORDER BY t.rowid"
    )
    for row, scope, part, *numbers, seconds, started, seen in store.db.rows(query):
        if not (isinstance(scope, str) and isinstance(part, str)):
            yield Fault("timings", str(row), f"it is of {scope!r} {part!r}, which is no part of the work")
        for name, number in zip(("round", "run", "tokens", "peak_bytes", "device_peak_bytes"), numbers, strict=True):
            optional = name.endswith("bytes") and number is None
            if not optional and not (isinstance(number, int) and number >= 0):
                yield Fault("timings", str(row), f"its {name} is {number!r}, a whole number from 0 on is right")
        if not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0):
            yield Fault("timings", str(row), f"its seconds are {seconds!r}, a number from 0 on is right")
        elif (longest := lived(started, seen)) is not None and seconds > longest + SLACK_S:
            problem = f"it took {seconds:.0f} seconds, and the process that did it worked for {longest:.0f}: {CLOCK}"
            yield Fault("timings", str(row), problem)
    for number, run, text in list(store.db.rows("SELECT round, run, result FROM rounds WHERE run <> 0 ORDER BY round")):
        try:
            said = dict(json.loads(text).items())
            yield from (Fault("timings", f"of round {number}", p) for p in spent(store, number, run, said))
        except DAMAGE:
            continue  # its result or a timing cannot be read, which is said above or with the rounds


def lived(started: Any, seen: Any) -> float | None:
    """Return the seconds between two times, None where they are none."""
    try:
        return (moment(seen) - moment(started)).total_seconds()
    except DAMAGE:
        return None


def spent(store: Store, round: int, run: int, said: dict[str, Any]) -> Iterator[str]:
    """Yield how the timings of a finished round are not those that it was finished with."""
    found: dict[str, float] = {}
    for part, _, seconds, *_ in timings_of(store.db, round, run):
        found[part] = found.get(part, 0.0) + seconds
    parts: dict[str, float] = said.get("parts", found)
    wrong = False
    for part in sorted({*parts, *found}):
        if not math.isclose(then := parts.get(part, 0.0), now := found.get(part, 0.0), abs_tol=0.006):
            wrong = True
            yield f"{part}: its result says {then:.2f} seconds, the ledger holds {now:.2f}"
    # Rounds of before there was a checksum have none.
    if not wrong and said.get("timings", sealed := timings_seal(store.db, round, run)) != sealed:
        yield "seconds, tokens or memory of its work are not those that it was finished with: rows were changed or lost"
