# pyright: strict
"""A run's tasks into its ledger as they come, with the rows that became none and those that are measured on, too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..incoming import Incoming, distinct, identity_of, portions, total_of
from ..store import Store
from ..types import Task
from .history import seen

if TYPE_CHECKING:
    from ..data.contamination import Overlap

FIRST, LATER = 0, 1
"""Rounds that rows are recorded in: those that were read before the base model was measured, and the others.

A round is replaced when it is finished, so it may hold only what was known by then; round 1 reads all.
"""
SCOPE, LEFT_OUT, CONTAMINATED = "import", "left out", "contaminated"
_OWN = re.compile(r"""(?<!^)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|\b[0-9a-f]{12}\b(?: \([^)]*\))?""")
"""What a reason says of one row alone: a quoted value that does not come first, or a picture's hash and file."""


def record(store: Store, rows: Iterable[tuple[str, str]], kind: str = LEFT_OUT, round: int = FIRST) -> None:
    """Record rows of this run's data by id with a reason: why they became no task, or what else is to be said."""
    for name, reason in rows:
        store.add_event(SCOPE, round, kind, reason, name, None)


def recorded(
    store: Store,
    tasks: Sequence[Task],
    test: Sequence[Task],
    gone: Sequence[tuple[str, str]],
    repeated: Sequence[Overlap],
) -> Incoming:
    """Return tasks as the ledger holds them, recorded a portion at a time when they are asked for.

    `gone` and `repeated` may grow while tasks are read. Raises UserError for a task with the id of another one.
    """
    for round in (FIRST, LATER):
        store.begin(SCOPE, round)
    return Incoming(_recorded(store, tasks, test, gone, repeated), partial(identity_of, tasks), total_of(tasks))


def _recorded(
    store: Store,
    tasks: Sequence[Task],
    test: Sequence[Task],
    gone: Sequence[tuple[str, str]],
    repeated: Sequence[Overlap],
) -> Iterator[list[Task]]:
    names = {task.id for task in test}
    told, found, round = 0, 0, FIRST
    for some in portions(tasks):
        distinct(some, names)
        record(store, gone[told:], round=round)
        record(store, ((overlap.train, overlap.reason) for overlap in repeated[found:]), CONTAMINATED, round)
        told, found, round = len(gone), len(repeated), LATER
        yield store.add_tasks(some)
    record(store, gone[told:], round=round)


def left_out(store: Store) -> list[tuple[str, str]]:
    """Return (id, reason) of every row that the folder's last run left out, in order."""
    return _noted(store, LEFT_OUT)


def contaminated(store: Store) -> list[tuple[str, str]]:
    """Return (id, reason) of every task that the folder's last run both learnt from and measured on, in order."""
    return _noted(store, CONTAMINATED)


def _noted(store: Store, kind: str) -> list[tuple[str, str]]:
    query = f"SELECT task, reason FROM events e WHERE scope = ? AND kind = ? AND {seen('e')} ORDER BY round, rowid"
    return list(store.db.rows(query, (SCOPE, kind)))


def by_reason(rows: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Count rows by their reason without what it says of one row alone, the most frequent first."""
    return dict(Counter(re.sub(r"\d+", "N", _OWN.sub("…", reason)) for _, reason in rows).most_common())
