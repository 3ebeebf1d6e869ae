"""The control spends exactly what resumed prefixes would take, on attempts from the start, and resumes nothing."""

from __future__ import annotations

import pytest
from support import make_reading, make_task

from sharpen.methods.extra_samples import ExtraSamples
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Reading, Task

RIGHT = "<answer>7</answer>"  # 19 tokens with the end of turn
WRONG = "x" * 10 + "<answer>8</answer>"  # 29 tokens


def measure(task: Task, text: str) -> Reading:
    return make_reading(text, [0, 0, 0, 0, 9] if text == WRONG else ())


def collect(store: Store, names: list[str], resamples: int = 3) -> list[Asked]:
    seen: list[Asked] = []

    def rule(asked: Asked) -> str:
        seen.append(asked)
        return WRONG if asked.task.id == "half" and asked.attempt % 2 == 0 else RIGHT

    run = Run({"policy": Scripted(rule, measure)}, store, round=1)
    ExtraSamples(samples=2, resamples=resamples).collect(run, [make_task(name) for name in names])
    return seen


@pytest.mark.parametrize(("resamples", "further"), [(24, 24), (1, 1), (0, 0)])
def test_tokens_after_the_critical_one_are_spent_on_further_attempts(
    store: Store, resamples: int, further: int
) -> None:
    """29 - 4 - 1 = 24 tokens after the critical one; attempts are (29 + 19) / 2 = 24 long: J further ones."""
    seen = collect(store, ["half", "easy"], resamples)
    assert [asked.task.id for asked in seen].count("half") == 2 + further
    assert [asked.task.id for asked in seen].count("easy") == 2
    assert all(asked.given == "" for asked in seen)


def test_further_attempts_are_new_draws_and_do_not_depend_on_other_tasks(store: Store) -> None:
    both = [a for a in collect(store, ["easy", "half"]) if a.task.id == "half"]
    assert len({(a.seed, a.attempt) for a in both}) == 2 + 3
    assert collect(store, ["half"]) == []  # all of them are in the ledger: the same addresses, the same numbers
