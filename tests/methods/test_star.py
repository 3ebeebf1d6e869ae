"""STaR: who is told the answer, what it is shown, and that the hint is not in what is trained."""

from __future__ import annotations

import json

from support import make_task, query

from sharpen.ledger.check import faults
from sharpen.methods.star import Star
from sharpen.models.scripted import Asked, Scripted, text_of
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Task

HINT = "The correct answer is 7."
NAMES = ("solved", "told", "never")


def collect(store: Store, tasks: list[Task], **settings: int) -> tuple[list[tuple[str, str]], list[Asked]]:
    seen: list[Asked] = []

    def rule(asked: Asked) -> str:
        seen.append(asked)
        hinted = HINT in asked.task.question
        right = asked.task.id == "solved" or (asked.task.id == "told" and hinted)
        return f"{'told' if hinted else 'alone'} <answer>{7 if right else 8}</answer>"

    store.begin("collect", 1)
    model = Scripted(rule)
    examples = Star(**settings).collect(Run({"policy": model}, store, round=1), store.add_tasks(tasks))
    for rollout in (e.rollout for e in examples):
        assert rollout.task == next(t for t in tasks if t.id == rollout.task.id)
        assert HINT not in text_of(model.prompt(rollout.task).ids)
    return [(e.rollout.task.id, e.rollout.text) for e in examples], seen


def test_a_failed_task_is_asked_again_with_the_answer_and_trained_without_it(store: Store) -> None:
    kept, seen = collect(store, [make_task(name) for name in NAMES])
    assert kept == [("solved", "alone <answer>7</answer>"), ("told", "told <answer>7</answer>")]
    assert [(a.task.id, HINT in a.task.question) for a in seen] == [
        *((name, False) for name in NAMES),
        *(("told", True), ("never", True)),
    ]
    assert store.events("collect", 1) == {
        ("not rationalised", "no right attempt, not even when told the answer"): 1,
    }


def test_the_view_is_recorded_by_name_and_attempts_are_greedy(store: Store) -> None:
    collect(store, [make_task(name) for name in NAMES])
    calls = [json.loads(s) for (s,) in query(store.folder, "SELECT settings FROM calls ORDER BY id")]
    assert [call.get("view") for call in calls] == [None, "told_answer"]
    assert {call["temperature"] for call in calls} == {0.0}
    assert list(faults(store.folder)) == []


def test_with_no_hinted_attempts_nothing_is_told(store: Store) -> None:
    kept, seen = collect(store, [make_task("never")], hinted=0)
    assert (kept, len(seen)) == ([], 1)
    assert store.events("collect", 1) == {}
