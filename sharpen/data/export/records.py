# pyright: strict
"""What a run's round trained on and asked, as records that any target can write: replies, pairs and questions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from ...store import Store
from ...types import Task

PORTION = 256


@dataclass(frozen=True)
class Reply:
    """A question and the reply to imitate."""

    task: Task
    text: str


@dataclass(frozen=True)
class Pair:
    """A question, the reply to prefer and the one it is preferred to."""

    task: Task
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Asked:
    """A question whose answer can be verified."""

    task: Task
    answer: str


Record = Reply | Pair | Asked


def trained_on(store: Store, round: int, left_out: Counter[str]) -> Iterator[Reply | Pair]:
    """Yield a round's examples in order, and count in `left_out` what no row can hold."""
    query = "SELECT kind, rollout, other, numbers FROM examples WHERE round = ? ORDER BY position"
    rows: list[tuple[str, str, str | None, str]] = list(store.db.rows(query, (round,)))
    for start in range(0, len(rows), PORTION):
        portion = rows[start : start + PORTION]
        asked = _tasks(store, [key for _, key, _, _ in portion])
        for kind, key, other, numbers in portion:
            parts = [*store.parts(key), *(store.parts(other) if other else ())]
            if kind not in ("imitate", "prefer"):
                left_out[f"{kind} examples, whose numbers belong to the model that wrote them"] += 1
            elif any(part.image for part in parts):
                left_out["examples with a picture inside the reply"] += 1
            else:
                if cast("dict[str, object]", json.loads(numbers)).get("weight", 1.0) != 1.0:
                    left_out["weights of examples, which are all written as 1"] += 1
                text = _text(store, key)
                yield Pair(asked[key], text, _text(store, other)) if other else Reply(asked[key], text)


def asked_in(store: Store, round: int, left_out: Counter[str]) -> Iterator[Asked]:
    """Yield the tasks that a round collected from, and count in `left_out` those without a gold answer."""
    query = (
        "SELECT DISTINCT r.task FROM uses u JOIN rollouts r ON r.key = u.rollout "
        "WHERE u.scope = 'collect' AND u.round = ? ORDER BY r.task"
    )
    names: list[str] = [name for (name,) in store.db.rows(query, (round,))]
    for start in range(0, len(names), PORTION):
        portion = names[start : start + PORTION]
        tasks = store.tasks(portion)
        for name in portion:
            answer = tasks[name].answer
            if answer is None:
                left_out["tasks without a gold answer"] += 1
            else:
                yield Asked(tasks[name], answer)


def _tasks(store: Store, keys: list[str]) -> dict[str, Task]:
    owners: dict[str, str] = dict(store.db.among("SELECT key, task FROM rollouts WHERE key IN", keys))
    tasks = store.tasks(sorted(set(owners.values())))
    return {key: tasks[name] for key, name in owners.items()}


def _text(store: Store, key: str) -> str:
    return "".join(part.text for part in store.parts(key))
