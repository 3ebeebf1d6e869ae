"""STaR+: K attempts, all right ones kept, and the answer told only where none is right."""

from __future__ import annotations

from support import make_task

from sharpen.methods.star_plus import StarPlus
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.store import Store


def test_all_right_attempts_are_kept_and_one_attempt_is_told_where_there_is_none(store: Store) -> None:
    """Of ten attempts at `some` the third and seventh are right; ten at `none` fail, the eleventh is told."""
    seen: list[Asked] = []

    def rule(asked: Asked) -> str:
        seen.append(asked)
        told = "The correct answer is 7." in asked.task.question
        right = told or (asked.task.id == "some" and asked.attempt in (2, 6))
        return f"{asked.attempt} {told} <answer>{7 if right else 8}</answer>"

    run = Run({"policy": Scripted(rule)}, store, round=1)
    examples = StarPlus().collect(run, [make_task("some"), make_task("none")])
    assert [(e.rollout.task.id, e.rollout.text[:7]) for e in examples] == [
        ("some", "2 False"),
        ("some", "6 False"),
        ("none", "0 True "),
    ]
    assert len(seen) == 21
    assert (StarPlus().samples, StarPlus().temperature, StarPlus().start) == (10, 1.0, "base")
