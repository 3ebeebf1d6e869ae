"""R3V: which attempts are imitated, mended and chosen among, what is asked, and what the target is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import make_task, query

from sharpen.examples import Imitate
from sharpen.ledger.check import faults
from sharpen.methods.r3v import REFINE, SELECT, R3v
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store

RIGHT = ["a <answer>7</answer>", "b <answer>7</answer>"]
WRONG = ["c <answer>8</answer>", "d <answer>8</answer>"]
ENDLESS = "<think>it never ends"


def collect(store: Store, texts: list[str], seed: int = 0, name: str = "t", **settings: int) -> dict[str, Imitate]:
    """The examples by what follows the task's id."""
    store.begin("collect", 1)
    run = Run({"policy": Scripted.replay({name: texts})}, store, seed=seed, round=1)
    examples = R3v(samples=len(texts), **settings).collect(run, store.add_tasks([make_task(name)]))
    store.set_examples(1, examples)
    found = {e.rollout.task.id.partition("/")[2].rpartition("-")[0]: e for e in examples}
    assert len(found) == len(examples)
    return found


def test_three_losses_from_two_right_and_two_wrong_attempts(store: Store) -> None:
    found = collect(store, [*RIGHT, *WRONG, ENDLESS])
    assert sorted(found) == ["", "refine", "select-1", "select-2"]
    assert {e.weight for e in found.values()} == {1.0}
    assert found[""].rollout.text in RIGHT
    assert store.events("collect", 1)["dropped", "more than 1 correct attempts at one question"] == 1
    assert list(faults(store.folder)) == []
    assert query(store.folder, "SELECT count(*) FROM rollouts WHERE verb = 'given'") == [(3,)]


def test_refine_shows_a_wrong_attempt_and_asks_for_a_right_one(store: Store) -> None:
    refine = collect(store, [*RIGHT, *WRONG, ENDLESS])["refine"].rollout
    question, _, shown = refine.task.question.partition("Solution 1:\n")
    assert question == "what is it?\n"
    assert shown in [f"{text}\n{REFINE}" for text in WRONG]
    assert refine.text in RIGHT
    assert [p.by for p in refine.parts] == ["teacher"]
    sampled = [r for r in store.collected(1, {"t": make_task()}) if r.text == refine.text]
    assert refine.ids == sampled[0].ids


def test_select_shows_candidates_of_both_kinds_and_asks_for_the_answer(store: Store) -> None:
    found = collect(store, [*RIGHT, *WRONG, ENDLESS])
    for name, rights in (("select-1", 1), ("select-2", 2)):
        question = found[name].rollout.task.question
        assert [sum(text in question for text in kind) for kind in (RIGHT, WRONG)] == [rights, 3 - rights]
        assert question.startswith("what is it?\nSolution 1:\n")
        assert question.endswith(f"\n{SELECT}")
        assert ENDLESS not in question
        assert found[name].rollout.text == "<answer>7</answer>"


def test_the_right_candidate_stands_in_no_fixed_place(store: Store) -> None:
    def place(seed: int) -> int:
        question = collect(store, [*RIGHT, *WRONG], seed)["select-1"].rollout.task.question
        return [any(text in part for text in RIGHT) for part in question.split("Solution ")[1:]].index(True)

    assert {place(seed) for seed in range(12)} == {0, 1, 2}


def test_what_is_missing_makes_no_example_and_is_noted(store: Store) -> None:
    assert sorted(collect(store, [RIGHT[0], *WRONG], name="a")) == ["", "refine", "select-1"]
    assert sorted(collect(store, [*RIGHT, WRONG[0]], name="b")) == ["", "refine", "select-2"]
    assert sorted(collect(store, [*RIGHT, ENDLESS], name="c")) == [""]
    assert store.events("collect", 1)["no reflection", "no wrong attempt to set beside the right ones"] == 1
    assert collect(store, WRONG, name="d") == {}


@pytest.mark.parametrize(("traces", "imitated"), [(True, ["a seed <answer>7</answer>", RIGHT[0]]), (False, [RIGHT[0]])])
def test_the_seed_traces_come_along_where_they_are_wanted(store: Store, traces: bool, imitated: list[str]) -> None:
    task = replace(make_task(), meta={"solution": "a seed <answer>7</answer>"})
    run = Run({"policy": Scripted.replay({"t": RIGHT[:1]})}, store, round=1)
    examples = R3v(samples=1, traces=traces).collect(run, [task])
    assert [e.rollout.text for e in examples] == imitated
