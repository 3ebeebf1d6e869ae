"""What the causal check counts, by hand: rewriting with the same draws, correlation in tasks, what dropping leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import PIXEL, make_reading, make_task

from experiments.vas_causal import Attempt, attempts, correlation, kept, mean, measure
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Image, Reading, Task

TASKS = [replace(make_task(f"t{i}"), images=(Image.of(PIXEL + bytes([i])),)) for i in range(2)]
OWN = {t.id: t.images for t in TASKS}


def rule(asked: Asked) -> str:
    """Attempt 0 answers by the picture, 1 only words it otherwise, 2 never looks, 3 is wrong."""
    own = asked.task.images == OWN[asked.task.id]
    assert asked.seed == SEEDS.setdefault(asked.task.id, asked.seed), "the same draws with either picture"
    return ("a: " if own else "b: ")[: 3 * (asked.attempt < 2)] + f"<answer>{ANSWERS[asked.attempt][own]}</answer>"


SEEDS: dict[str, int] = {}
ANSWERS = [(8, 7), (7, 7), (7, 7), (8, 8)]
SHARES = {"a: ": (0.0, 0.6, 0.4), "<an": (0.0, 0.2, 0.8)}


def read(task: Task, text: str) -> Reading:
    return make_reading(text, shares=[SHARES[text[:3]]] * (len(text) + 1))


def test_each_attempt_is_written_again_with_the_same_draws_and_another_picture(store: Store) -> None:
    SEEDS.clear()
    tasks = store.add_tasks(TASKS)
    OWN.update({t.id: t.images for t in tasks})
    runs = [Run({"policy": Scripted(rule, read)}, store, round=1) for _ in range(2)]
    found, total = attempts(*runs, tasks, 4, 2)
    assert total == len(found) == 6
    for some in (found[:3], found[3:]):
        assert [a.outcomes for a in some] == [
            {"answer": 1, "text": 1, "facts": None},
            {"answer": 0, "text": 1, "facts": None},
            {"answer": 0, "text": 0, "facts": None},
        ]
        # Shares of 0.6, 0.6 and 0.2: mean 7/15, deviation √2 · 2/15.
        assert [a.scores["VAS"] for a in some] == pytest.approx([0.5**0.5, 0.5**0.5, -(2**0.5)])
    rows = measure(found, -0.5)
    assert rows["none"]["kept text"] == pytest.approx(2 / 3)
    assert rows["VAS"] == {
        "dropped": pytest.approx(1 / 3),
        "r answer": pytest.approx(0.5),  # z by (2, −1, −1) / 3: √2 / 2 over √3 · √(2 / 3)
        "r text": pytest.approx(1.0),
        "r facts": None,
        "kept answer": 0.5,
        "kept text": 1.0,
        "kept facts": None,
        "gain answer": pytest.approx(0.5 - (rows["chance"]["kept answer"] or 0)),
        "gain text": pytest.approx(1.0 - (rows["chance"]["kept text"] or 0)),
        "gain facts": None,
    }


def test_a_correlation_is_within_tasks() -> None:
    """Across tasks the score falls where the outcome rises; within each they rise together."""
    found = [
        Attempt("a", {"s": 1.0, "chance": 0.0}, {"o": 0.0}),
        Attempt("a", {"s": 2.0, "chance": 0.0}, {"o": 0.2}),
        Attempt("b", {"s": -2.0, "chance": 0.0}, {"o": 0.8}),
        Attempt("b", {"s": -1.0, "chance": 0.0}, {"o": 1.0}),
        Attempt("b", {"s": 9.0, "chance": 0.0}, {"o": None}),
    ]
    assert correlation(found, "s", "o") == pytest.approx(1.0)
    assert correlation(found[:1], "s", "o") is None
    assert kept(found, "s", 2, "o") == pytest.approx(0.1)
    assert kept([], "s", 0, "o") is None


def test_chance_says_which_of_equal_scores_goes_and_not_the_order() -> None:
    """Of three alike the last has the lowest number, so it goes; the first would by the order of the tasks."""
    some = [Attempt("a", {"s": 0.0, "chance": c}, {"o": c}) for c in (0.5, 1.0, -1.5)]
    assert kept(some, "s", 1, "o") == 0.75


def test_a_mean_over_seeds_has_no_interval_where_they_agree() -> None:
    assert (mean([0.0, 0.0]).value, mean([0.0, 0.0]).low) == (0, None)
    assert mean([]).value is None
