"""Spending by need: how often each prefix is resumed, at the same expected tokens."""

from __future__ import annotations

from collections import Counter

import pytest
from support import make_reading, make_task

from sharpen.methods.vista_by_need import VistaByNeed
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.store import Store

RIGHT, WRONG = "<answer>7</answer>", "xxxx<answer>8</answer>"
TEXTS = {"none": [WRONG, "y" + WRONG[1:]], "one": [RIGHT, WRONG]}


@pytest.mark.parametrize(("need", "none", "one"), [(1.0, 12, 3), (0.0, 10, 5)])
def test_a_question_with_few_correct_attempts_is_resumed_oftener(
    store: Store, need: float, none: int, one: int
) -> None:
    """J = 5, three prefixes of equal cost, weights 1, 1 and (1 + 1)^-1: 5 · 3 / 2.5 = 6 times the weight.

    So 6 + 6 and 3, in all the 15 of even spending.
    """
    resumed: Counter[str] = Counter()

    def rule(asked: Asked) -> str:
        if not asked.given:
            return TEXTS[asked.task.id][asked.attempt]
        resumed[asked.task.id] += 1
        return RIGHT

    run = Run({"policy": Scripted(rule, lambda task, text: make_reading(text, [0, 0, 9]))}, store, round=1)
    examples = VistaByNeed(samples=2, resamples=5, need=need, threshold=float("-inf")).collect(
        run, [make_task(name) for name in TEXTS]
    )
    assert resumed == {"none": none, "one": one}
    assert len(examples) == 1 + none + one


def test_it_asks_for_all_tasks_at_once() -> None:
    assert VistaByNeed.whole


def test_what_is_equal_is_the_tokens_and_not_the_number_of_continuations(store: Store) -> None:
    """J = 13, two prefixes of 30 tokens with weight 1, one of 10 with 1/2: 13 · 70 / 65 = 14, so 14 + 14 and 7."""
    long, short = "x" * 14 + "<answer>8</answer>", "<answer>88</answer>"  # 33 and 20 tokens with the end of turn
    texts, ranks = {"a": [long, long], "b": [short, RIGHT]}, {long: [0, 0, 9], short: [0] * 9 + [9]}
    resumed: Counter[str] = Counter()

    def rule(asked: Asked) -> str:
        resumed[asked.task.id] += bool(asked.given)
        return RIGHT if asked.given else texts[asked.task.id][asked.attempt]

    run = Run({"policy": Scripted(rule, lambda task, text: make_reading(text, ranks[text]))}, store, round=1)
    VistaByNeed(samples=2, resamples=13, threshold=float("-inf")).collect(run, [make_task("a"), make_task("b")])
    assert resumed == {"a": 28, "b": 7}
