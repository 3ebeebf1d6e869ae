"""SFT-Seed imitates the reference solutions: tokenised once, recorded as given, counted where missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import make_task, query

from sharpen.errors import UserError
from sharpen.ledger.check import faults
from sharpen.methods.sft_seed import SftSeed
from sharpen.models.scripted import STOP, Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Task
from sharpen.worlds import world

TRACE = "look <answer>7</answer>"


def with_trace(name: str, text: object = TRACE, key: str = "solution") -> Task:
    return replace(make_task(name), meta={key: text})


def run_of(store: Store, context: int = 2**20) -> Run:
    def never(asked: object) -> str:
        raise AssertionError("nothing is sampled")

    store.begin("collect", 1)
    return Run({"policy": Scripted(never, context=context)}, store, round=1)


def test_traces_are_imitated_as_a_teachers_response_and_recorded_once(store: Store) -> None:
    tasks = [with_trace("a"), with_trace("b", key="rationale"), make_task("none"), with_trace("empty", " ")]
    for _ in range(2):
        examples = SftSeed().collect(run_of(store), tasks)
        store.set_examples(1, examples)
    assert [(e.rollout.task.id, e.weight) for e in examples] == [("a", 1.0), ("b", 1.0)]
    assert [[(p.text, p.by) for p in e.rollout.parts] for e in examples] == [[(TRACE, "teacher")]] * 2
    assert examples[0].rollout.ids == (*map(ord, TRACE), STOP)
    assert store.events("collect", 1) == {("no seed trace", "the task carries no reference solution"): 2}
    assert query(store.folder, "SELECT verb, task, tokens FROM rollouts ORDER BY task") == [
        ("given", "a", 0),
        ("given", "b", 0),
    ]
    assert list(faults(store.folder)) == []


def test_a_trace_that_does_not_fit_is_left_out_and_counted(store: Store) -> None:
    """The prompt takes 5 + 1 + 11 tokens, the trace 24: 41 is enough and 40 is not."""
    for context, kept in ((41, 1), (40, 0)):
        assert len(SftSeed().collect(run_of(store, context), [with_trace("a")])) == kept
    assert store.events("collect", 1) == {("too long", "prompt and given response exceed 40 tokens"): 1}


def test_tasks_without_any_trace_are_an_error_that_says_what_to_give(store: Store) -> None:
    with pytest.raises(UserError, match="none of 2 tasks carries a reference solution"):
        SftSeed().collect(run_of(store), [make_task("a"), make_task("b")])
    assert SftSeed.whole


def test_worlds_carry_their_careful_traces() -> None:
    digits = world("digits")
    tasks = digits.tasks("train", 6)
    assert [t.meta["solution"] for t in tasks] == digits.seed_traces(tasks)
