"""Evaluation on a scripted model, by hand-worked numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import make_task

from sharpen.evaluate import Evaluation, evaluate
from sharpen.models.scripted import Asked, Scripted
from sharpen.rounds import describe
from sharpen.run import Run
from sharpen.store import Store

GOOD, BAD, NONE = "<answer>7</answer>", "<answer>8</answer>", "<think>it goes on and on"
SAMPLED = {"easy": [GOOD] * 4, "half": [GOOD, GOOD, BAD, BAD], "hard": [BAD, "<answer>9</answer>", NONE, GOOD]}


def rule(asked: Asked) -> str:
    if not asked.task.images:
        return BAD
    return SAMPLED[asked.task.id][asked.attempt]


def test_every_column_by_hand(store: Store) -> None:
    """Greedy takes each first text: right, right, wrong. Sampled: 4/4, 2/4, 1/4."""
    tasks = [replace(make_task(name), meta={"kind": "k" if name != "hard" else "h"}) for name in SAMPLED]
    found = evaluate(Run({"policy": Scripted(rule)}, store, scope="eval"), tasks, samples=4)
    assert (found.greedy.value, found.greedy.n) == (pytest.approx(2 / 3), 3)
    assert found.sampled.value == pytest.approx((1 + 0.5 + 0.25) / 3)
    assert found.pass_at[1].value == pytest.approx(found.sampled.value)
    # Two of four: half 1 - 1/6, hard 1 - 3/6.
    assert found.pass_at[2].value == pytest.approx((1 + 5 / 6 + 1 / 2) / 3)
    assert found.pass_at[4].value == 1
    # Votes: easy right, half a tie, hard a tie of three answers.
    assert found.majority_at[4].value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found.blind.value == 0
    assert found.by_kind["k"]["accuracy"].value == 1
    assert found.by_kind["h"]["accuracy"].value == 0
    assert found.unknown == 0
    assert 0 <= found.sampled.low <= found.sampled.high <= 1  # type: ignore[operator]


def test_no_answer_counts_as_wrong_and_what_the_grader_cannot_tell_is_left_out_and_counted(store: Store) -> None:
    silent, unclear = make_task("silent"), make_task("unclear", answer="5 apples")
    texts = {"silent": NONE, "unclear": "<answer>5 oranges</answer>"}
    run = Run({"policy": Scripted(lambda asked: texts[asked.task.id])}, store, scope="eval")
    found = evaluate(run, [silent, unclear], samples=2)
    assert (found.greedy.value, found.greedy.n) == (0, 1)
    assert found.unknown == found.no_answer == 4  # one greedy, two sampled, one blind
    lines = describe(found)
    assert lines[-2:] == ["no answer found:    in 4 attempts, counted wrong", "unknown verdicts:   4, in no figure"]
    old = {name: value for name, value in found.record().items() if name != "no_answer"}
    assert Evaluation.of(old).no_answer is None  # an older ledger does not tell
    assert store.events("eval", 0) == {("unknown", "cannot tell: ambiguous"): 4}
