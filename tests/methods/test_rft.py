"""RFT: distinct right paths by their equations, wrong calculations out, seed traces in."""

from __future__ import annotations

from dataclasses import replace

from support import make_task

from sharpen.methods.rft import Rft
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store

TEXTS = {
    "sum": [
        "3 + 4 = 7. <answer>7</answer>",
        "We have 3+4=7, so <answer>7</answer>",  # the same equation in other words
        "4 + 3 = 7. <answer>7</answer>",
        "3 + 4 = 8, minus one. <answer>7</answer>",  # right by luck
        "3 + 5 = 8. <answer>8</answer>",
    ],
    "find": [
        "The first is red. <answer>7</answer>",
        "the first is  red <answer>7</answer>",  # the same words
        "red comes first. <answer>7</answer>",
        "<answer>8</answer>",
        "<answer>8</answer>",
    ],
}


def collect(store: Store, seeds: bool) -> list[tuple[str, str]]:
    store.begin("collect", 1)
    meta = {"solution": "a seed: 3 + 4 = 7. <answer>7</answer>"} if seeds else {}
    tasks = [replace(make_task("sum"), meta=meta), make_task("find")]
    examples = Rft(samples=5).collect(Run({"policy": Scripted.replay(TEXTS)}, store, round=1), tasks)
    return [(e.rollout.task.id, e.rollout.text) for e in examples]


def test_one_attempt_is_kept_per_list_of_equations_and_none_that_miscalculates(store: Store) -> None:
    expected = [("sum", TEXTS["sum"][0]), ("sum", TEXTS["sum"][2]), ("find", TEXTS["find"][0])]
    assert collect(store, seeds=False) == [*expected, ("find", TEXTS["find"][2])]
    assert store.events("collect", 1) == {
        ("dropped", "right, but an equation does not hold"): 1,
        ("dropped", "the same path as another attempt at the question"): 2,
        ("no seed trace", "the task carries no reference solution"): 2,
    }


def test_the_seed_traces_come_along_whatever_their_path(store: Store) -> None:
    found = collect(store, seeds=True)
    assert found[0] == ("sum", "a seed: 3 + 4 = 7. <answer>7</answer>")
    assert len(found) == 5


def test_settings_are_the_papers() -> None:
    assert (Rft().samples, Rft().temperature, Rft().start) == (100, 0.7, "base")
