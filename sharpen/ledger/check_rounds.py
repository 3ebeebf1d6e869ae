# pyright: strict
"""Do the numbers of finished rounds follow from what the ledger holds: counts, events, verdicts and accuracies."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, cast

from ..answers import Verdict
from ..evaluate import CALLS, Judged, evaluation
from ..packing import DAMAGE
from ..run import TRANSIENT
from ..store import Store
from .fault import Fault
from .history import round_seal
from .records import verdict_of
from .tally import ADDED, Tally

VERDICT = "LEFT JOIN verdicts v ON v.rollout = u.rollout AND v.grader = ? AND v.gold = u.gold"
HERE = "WHERE u.scope = ? AND u.round = ? AND u.run = ?"


class Finished(NamedTuple):
    """A row of `rounds`."""

    round: int
    run: int
    grader: str
    result: str
    seal: bytes


def rounds(store: Store) -> Iterator[Fault]:
    """Finished rounds that are not what the ledger holds; round 0 is the base model's and collected nothing."""
    for values in list(store.db.rows("SELECT round, run, grader, result, seal FROM rounds ORDER BY round")):
        row = Finished(*values)
        try:
            recorded: dict[str, Any] = dict(json.loads(row.result))
        except DAMAGE as error:
            yield Fault("rounds", str(row.round), f"its result cannot be read ({error})")
            continue
        if round_seal(store.db, *row[:4]) != row.seal:
            problem = "its seal does not fit: its result, or attempts or events that it counts, were changed afterwards"
            yield Fault("rounds", str(row.round), problem)
        yield from evaluated(store, row, recorded)
        if row.round == 0 and "attempts" not in recorded:
            continue
        yield from counted(store, row, recorded)
        yield from happened(store, row, recorded)
        yield from judged(store, row)


def counted(store: Store, row: Finished, recorded: Mapping[str, Any]) -> Iterator[Fault]:
    """Counts of a round's collection that are others in the ledger."""
    asked = recorded.get("tasks")
    if not isinstance(asked, int):
        yield Fault("rounds", str(row.round), f"its result names {asked!r} tasks, a number is needed to count it anew")
        return
    query = "SELECT count(*) FROM examples WHERE round = ? AND run = ?"
    rows = int(next(store.db.rows(query, (row.round, row.run)))[0])
    found = asdict(store.tally(row.round, asked, rows))
    for name in (f.name for f in fields(Tally)):
        if name in ADDED and name not in recorded:
            continue
        if recorded.get(name) != found[name]:
            said = f"says {recorded[name]!r}" if name in recorded else "does not say how many"
            yield Fault("rounds", str(row.round), f"{name}: its result {said}, the ledger holds {found[name]}")


def happened(store: Store, row: Finished, recorded: Mapping[str, Any]) -> Iterator[Fault]:
    """Events of a round's collection that its result says otherwise."""
    try:
        said = {str(name): count for name, count in recorded.get("events", {}).items()}
    except DAMAGE as error:
        yield Fault("rounds", str(row.round), f"the events of its result cannot be read ({error})")
        return
    there = {f"{kind}: {why}": count for (kind, why), count in store.events("collect", row.round).items()}
    for name in sorted({*said, *there}):
        if said.get(name, 0) != there.get(name, 0):
            problem = f"its result says {said.get(name, 0)} times {name!r}, the ledger holds {there.get(name, 0)}"
            yield Fault("events", str(row.round), problem)


def undecided(store: Store, row: Finished, scope: str) -> set[str]:
    """Return the attempts on which a worker failed to give a verdict in a round; a regrade may have given it since."""
    reasons = tuple(f"cannot tell: {reason}" for reason in TRANSIENT)
    query = "SELECT rollout FROM events WHERE scope = ? AND round = ? AND run = ? AND reason IN (?, ?)"
    return {key for (key,) in store.db.rows(query, (scope, row.round, row.run, *reasons))}


def judged(store: Store, row: Finished) -> Iterator[Fault]:
    """Scores of a round's attempts that are not those of their verdicts."""
    open_then = undecided(store, row, "collect")
    query = (
        "SELECT u.rollout, s.value, v.outcome, v.reason, v.found FROM uses u "
        f"JOIN scores s ON s.rollout = u.rollout AND s.scorer = 'correct' {VERDICT} {HERE}"
    )
    for key, value, *said in store.db.rows(query, (row.grader, "collect", row.round, row.run)):
        if said[0] is None:
            yield Fault("verdicts", key, f"round {row.round} counts its score, the verdict of {row.grader} is gone")
            continue
        try:
            verdict = verdict_of(*said)
        except ValueError as error:
            yield Fault("verdicts", key, str(error))
            continue
        if verdict.score != value and not (value is None and key in open_then):
            yield Fault("verdicts", key, f"its outcome is {verdict.outcome}, its score in round {row.round} {value}")


def evaluated(store: Store, row: Finished, recorded: Mapping[str, Any]) -> Iterator[Fault]:
    """Accuracies of a round that do not follow from the verdicts on its attempts.

    A base model that was measured in another folder has no attempts here. Of two models that were measured in one
    go, the first one's accuracies are the round's, so those of either will do.
    """
    query = (
        "SELECT r.model, u.rollout, r.task, r.asked, c.address, v.outcome, v.reason, v.found FROM uses u "
        f"JOIN rollouts r ON r.key = u.rollout LEFT JOIN calls c ON c.id = r.call {VERDICT} {HERE} ORDER BY r.model"
    )
    rows = store.db.rows(query, (row.grader, "eval", row.round, row.run))
    open_then = undecided(store, row, "eval")
    wrong: list[list[str]] = []
    for _, attempts in groupby(rows, key=itemgetter(0)):
        by_call: dict[str, Judged] = {name: {} for name in CALLS}
        tasks: dict[str, str] = {}
        for _, key, task, asked, address, *said in attempts:
            try:
                verdict = Verdict("unknown", TRANSIENT[0]) if key in open_then else verdict_of(*said)
                call = CALLS[int(json.loads(address)[3])]
            except DAMAGE as error:
                missing = said[0] is None
                problem = f"no verdict of {row.grader} on it is there" if missing else str(error)
                yield Fault("verdicts", key, f"round {row.round} counts it in its accuracy: {problem}")
                continue
            by_call[call].setdefault(task, []).append(verdict)
            tasks[task] = asked
        try:
            wrong.append(list(differing(store, row, recorded, by_call, tasks)))
        except DAMAGE as error:
            wrong.append([f"its accuracies cannot be compared with the verdicts in the ledger ({error})"])
    if not wrong and row.round and recorded.get("accuracy") is not None:
        yield Fault("rounds", str(row.round), "it has an accuracy, and counts no attempt that it was measured by")
    if wrong and all(wrong):
        yield from (Fault("rounds", str(row.round), problem) for problem in min(wrong, key=len))


def differing(
    store: Store,
    row: Finished,
    recorded: Mapping[str, Any],
    by_call: Mapping[str, Mapping[str, list[Verdict]]],
    asked: Mapping[str, str],
) -> Iterator[str]:
    """Yield where a round's measured numbers differ from those that follow from these verdicts."""
    query = "SELECT DISTINCT task FROM events WHERE scope = 'eval' AND round = ? AND run = ? AND kind = 'too long'"
    unasked = {name for (name,) in store.db.rows(query, (row.round, row.run))}
    there = store.questions(sorted({*asked, *unasked}))
    last = {name: task for (name, _), task in there.items()}
    known = [there.get((name, asked.get(name, "")), last.get(name)) for name in sorted({*asked, *unasked})]
    samples = max(int(k) for k in recorded["pass_at"])
    judged = [cast(Judged, by_call[name]) for name in CALLS]
    measured = json.loads(json.dumps(evaluation([t for t in known if t], samples, *judged).as_dict()))
    unknown = "unknown_in_test" if "unknown_in_test" in recorded else "unknown"
    measured[unknown] = measured.pop("unknown")
    for name, value in measured.items():
        if name == "no_answer" and name not in recorded:  # an older program did not count them
            continue
        if not close(value, recorded.get(name)):
            yield f"{name}: its result says {recorded.get(name)}, the verdicts in the ledger give {value}"


def close(one: object, other: object) -> bool:
    """Whether two JSON values are the same but for the last bits of their numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        a, b = cast("dict[str, object]", one), cast("dict[str, object]", other)
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one == other
