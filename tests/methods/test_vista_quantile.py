"""The threshold per question: which share of its correct attempts goes."""

from __future__ import annotations

import pytest
from support import make_reading, make_task

from sharpen.errors import UserError
from sharpen.methods.vista_quantile import VistaQuantile
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store

SHARES = {"spread": [0.4, 0.1, 0.3, 0.2], "equal": [0.2, 0.8, 0.2, 0.2], "poor": [0.1, 0.1, 0.1, 0.1]}


def collect(store: Store, share: float) -> dict[str, list[int]]:
    store.begin("collect", 1)
    model = Scripted(
        lambda asked: f"{asked.attempt}{asked.task.id} <answer>7</answer>",
        lambda task, text: make_reading(
            text, shares=[(0.0, s := SHARES[task.id][int(text[0])], 1 - s)] * (len(text) + 1)
        ),
    )
    run = Run({"policy": model}, store, round=1)
    examples = VistaQuantile(samples=4, share=share).collect(run, [make_task(name) for name in SHARES])
    kept: dict[str, list[int]] = {name: [] for name in SHARES}
    for rollout in (r for e in examples for r in e.rollouts):
        kept[rollout.task.id].append(int(rollout.text[0]))
    return kept


def test_the_share_that_looked_least_is_dropped_of_each_question(store: Store) -> None:
    """Half of four are two: .1 and .2 of the first; of equal ones none, however little they looked."""
    assert collect(store, 0.5) == {"spread": [0, 2], "equal": [0, 1, 2, 3], "poor": [0, 1, 2, 3]}
    assert store.events("collect", 1) == {("dropped", "image share below the 0.5 quantile of its question"): 2}


def test_the_share_is_rounded_down_and_zero_keeps_all(store: Store) -> None:
    assert collect(store, 0.49)["spread"] == [0, 2, 3]
    assert collect(store, 0.75) == {"spread": [0], "equal": [1], "poor": [0, 1, 2, 3]}
    assert all(len(kept) == 4 for kept in collect(store, 0.0).values())


def test_where_there_is_no_image_to_look_at_all_stay(store: Store) -> None:
    model = Scripted(lambda asked: f"{asked.attempt} <answer>7</answer>", lambda task, text: make_reading(text))
    run = Run({"policy": model}, store, round=1)
    assert len(VistaQuantile(samples=4, share=0.5).collect(run, [make_task(images=0)])) == 4


def test_a_share_of_all_is_refused() -> None:
    with pytest.raises(UserError, match=r"--share 1\.0 cannot be used"):
        VistaQuantile(share=1.0)
