# pyright: strict
"""New verdicts on all recorded attempts by another grader, without sampling anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..answers import Grader
from ..progress import Progress
from ..store import Store
from ..types import Task
from .records import OUTCOMES, gold_key

BATCH = 2048
"""Attempts graded at a time (ours): their texts are in memory, those of all attempts are not."""
NONE = "no verdict"


def _counters() -> dict[str, Counter[str]]:
    return {}


def _moves() -> dict[str, Counter[tuple[str, str]]]:
    return {}


@dataclass
class Regraded:
    """What a new grader said, and how that differs from what others had said on the same gold answers."""

    grader: str
    attempts: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    """Attempts that were not graded, by reason."""
    reasons: dict[str, Counter[str]] = field(default_factory=_counters)
    """Reasons of unknown verdicts by grader; the new one's under `now`."""
    moves: dict[str, Counter[tuple[str, str]]] = field(default_factory=_moves)
    """Attempts by old grader, and by its outcome and the new one; "no verdict" where the old one gave none."""
    outcomes: Counter[str] = field(default_factory=Counter[str])
    now: Counter[str] = field(default_factory=Counter[str])
    """Reasons of the new grader's unknown verdicts."""

    def as_dict(self) -> dict[str, object]:
        """Return all counts for JSON."""
        return {
            "grader": self.grader,
            "attempts": self.attempts,
            "skipped": dict(self.skipped),
            **{outcome: self.outcomes[outcome] for outcome in OUTCOMES},
            "reasons": dict(self.now),
            "before": {
                name: {
                    "moved": {old: {new: moved[old, new] for new in OUTCOMES} for old in (*OUTCOMES, NONE)},
                    "reasons": dict(self.reasons[name]),
                }
                for name, moved in self.moves.items()
            },
        }

    def table(self) -> str:
        """Return the counts as text: a row for each old outcome, a column for each new one."""
        lines: list[str] = []
        for name, moved in self.moves.items():
            again = " before -> now" if name == self.grader else f" -> {self.grader}"
            lines.append(f"{name}{again}")
            lines.append(f"{'':12}" + "".join(f"{new:>10}" for new in OUTCOMES))
            for old in (*OUTCOMES, NONE):
                lines.append(f"{old:12}" + "".join(f"{moved[old, new]:>10}" for new in OUTCOMES))
            lines += [f"unknown before: {count} {reason}" for reason, count in sorted(self.reasons[name].items())]
            lines.append("")
        said = ", ".join(f"{self.outcomes[outcome]} {outcome}" for outcome in OUTCOMES)
        lines.append(f"{self.grader}: {said} of {self.attempts} attempts")
        lines += [f"unknown: {count} {reason}" for reason, count in sorted(self.now.items())]
        lines += [f"skipped: {count} {reason}" for reason, count in sorted(self.skipped.items())]
        return "\n".join(lines)


def regrade(store: Store, grader: Grader) -> Regraded:
    """Grade every recorded attempt anew and store the verdicts under the grader's name, beside those of others.

    An attempt is graded as one at the question it was made for, with the gold answer that this has now. One whose
    task has no gold answer is skipped and counted. A grader that gave verdicts before replaces its own.
    """
    found = Regraded(grader.name)
    for (name,) in store.db.rows("SELECT DISTINCT grader FROM verdicts ORDER BY grader"):
        found.moves[str(name)], found.reasons[str(name)] = Counter(), Counter()  # a damaged name may be bytes
    total = int(next(store.db.rows("SELECT count(*) FROM rollouts"))[0])
    with Progress(f"regrade by {grader.name}", total).open() as advance:
        for batch in _batches(store):
            _grade(store, grader, batch, found, advance)
    store.db.sync()
    return found


def _batches(store: Store) -> Iterator[list[tuple[str, tuple[str, str], bytes]]]:
    """Yield key, task with question, and packed parts of all attempts, some at a time, each from the last one on."""
    query = "SELECT rowid, key, task, asked, parts FROM rollouts WHERE rowid > ? ORDER BY rowid LIMIT ?"
    last = -1
    while batch := list(store.db.rows(query, (last, BATCH))):
        last = batch[-1][0]
        yield [(key, (task, asked), parts) for _, key, task, asked, parts in batch]


def _grade(
    store: Store,
    grader: Grader,
    batch: list[tuple[str, tuple[str, str], bytes]],
    found: Regraded,
    advance: Callable[[], None],
) -> None:
    """Grade and store one batch, and count it."""
    tasks = store.questions(list({name: None for _, (name, _), _ in batch}))  # a damaged name may be bytes: no order
    wanted: dict[str, tuple[str, Task]] = {}
    for key, asked, parts in batch:
        found.attempts += 1
        task = tasks.get(asked)
        if task is None or task.answer is None:
            found.skipped["without a recorded task" if task is None else "without a gold answer"] += 1
            advance()
            continue
        wanted[key] = ("".join(part.text for part in store.unpack(key, parts)), task)
    golds = {key: gold_key(task) for key, (_, task) in wanted.items()}
    before = {
        (key, str(name)): store.verdict(key, outcome, reason, None)
        for key, name, gold, outcome, reason in store.db.among(
            "SELECT rollout, grader, gold, outcome, reason FROM verdicts WHERE rollout IN", list(wanted)
        )
        if gold == golds[key]
    }
    verdicts = dict(zip(wanted, grader.grade_all(list(wanted.values())), strict=True))
    store.add_verdicts(grader.name, ((key, golds[key], verdict) for key, verdict in verdicts.items()))
    for key, verdict in verdicts.items():
        found.outcomes[verdict.outcome] += 1
        if verdict.outcome == "unknown":
            found.now[str(verdict.reason)] += 1
        for name, moved in found.moves.items():
            old = before.get((key, name))
            moved[old.outcome if old else NONE, verdict.outcome] += 1
            if old and old.outcome == "unknown":
                found.reasons[name][str(old.reason)] += 1
        advance()
