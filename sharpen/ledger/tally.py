"""What a round's collection came to, counted in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from .database import Database

_USED = "FROM uses u JOIN rollouts r ON r.key = u.rollout"
_HERE = "WHERE u.scope = 'collect' AND u.round = ? AND u.run = ?"


@dataclass(frozen=True)
class Tally:
    """Counts of attempts unless they say tasks."""

    tasks: int
    attempts: int
    correct: int
    unknown: int
    """Sampled or resumed."""
    resumed: int
    rescued: int
    unfinished: int
    """Attempts, sampled or resumed, that ran into the limit of tokens."""
    unsolved_before: int
    unsolved_after: int
    dropped: int
    examples: int
    tokens: int
    """Tokens sampled for these attempts, whenever that was."""
    unknown_resumed: int = 0
    """Of the unknown ones those that were resumed."""


ADDED = ("unknown_resumed",)
"""Counts that rounds recorded by an earlier version do not have."""


def tally(db: Database, round: int, run: int, tasks: int, examples: int, scorer: str) -> Tally:
    """Count what the collection of a run's round brought, by the scores in the ledger."""
    rows = db.rows(
        "SELECT r.verb, count(*), count(CASE WHEN s.value = 1 THEN 1 END), count(*) - count(s.value), "
        f"count(CASE WHEN r.finish = 'length' THEN 1 END), sum(r.tokens) {_USED} "
        f"LEFT JOIN scores s ON s.rollout = r.key AND s.scorer = ? {_HERE} GROUP BY r.verb",
        (scorer, round, run),
    )
    found = {verb: counts for verb, *counts in rows}
    attempts, correct, unknown, cut, _ = found.get("sample", (0,) * 5)
    resumed, rescued, lost, cut_again, _ = found.get("resume", (0,) * 5)
    gone = "SELECT count(*) FROM events WHERE scope = 'collect' AND round = ? AND run = ? AND kind = 'dropped'"
    dropped = next(db.rows(gone, (round, run)))[0]
    return Tally(
        tasks=tasks,
        attempts=attempts,
        correct=correct,
        unknown=unknown + lost,
        resumed=resumed,
        rescued=rescued,
        unfinished=cut + cut_again,
        unsolved_before=tasks - _solved(db, round, run, scorer, ("sample", "sample")),
        unsolved_after=tasks - _solved(db, round, run, scorer, ("sample", "resume")),
        dropped=dropped,
        examples=examples,
        tokens=sum(counts[-1] for counts in found.values()),
        unknown_resumed=lost,
    )


def _solved(db: Database, round: int, run: int, scorer: str, verbs: tuple[str, str]) -> int:
    query = (
        f"SELECT count(DISTINCT r.task) {_USED} JOIN scores s ON s.rollout = r.key AND s.scorer = ? "
        f"{_HERE} AND s.value = 1 AND r.verb IN (?, ?)"
    )
    return int(next(db.rows(query, (scorer, round, run, *verbs)))[0])
