"""The free verbs, by hand-worked numbers; what is unknown is never counted as zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean

import pytest
from support import make_reading, make_task

from sharpen.types import Group, Part, Rollout, Score, digest
from sharpen.verbs import (
    ZScore,
    best,
    cap,
    cut,
    dedupe,
    each,
    first_unexpected,
    imitate,
    merge,
    prefer,
    reinforce,
    right,
    rollouts_of,
    rounded,
    solution,
    where,
    wrong,
    zscore,
)
from sharpen.views import asked, blind, question_first, told_answer


@dataclass(frozen=True)
class Mark:
    name: str = "mark"


MARK = Mark()


def rollout(key: str, score: Score = None, text: str = "abc", task: str = "t") -> Rollout:
    made = Rollout(key, make_task(task), make_task(task), (Part(tuple(map(ord, text)), text),), "stop", "m")
    return made.scored(MARK, score)


def group(*scores: Score, task: str = "t") -> Group:
    return Group(make_task(task), tuple(rollout(f"{task}{i}", s, task=task) for i, s in enumerate(scores)))


def keys(groups: list[Group]) -> list[list[str]]:
    return [[r.key for r in g.rollouts] for g in groups]


def test_right_wrong_and_unknown_are_three_things() -> None:
    groups = [group(1.0, 0.0, None)]
    assert keys(right(groups, MARK)) == [["t0"]]
    assert keys(wrong(groups, MARK)) == [["t1"]]
    assert group(1.0, 0.0, None).rate(MARK) == 0.5
    assert group(None).rate(MARK) is None
    assert keys(where(groups, lambda r: r[MARK] is None)) == [["t2"]]


def test_a_group_left_empty_stays() -> None:
    assert keys(right([group(0.0), group(1.0, task="u")], MARK)) == [[], ["u0"]]


def test_merge_joins_by_task_in_order() -> None:
    a, b, more = group(1.0), group(0.0, task="u"), Group(make_task(), (rollout("new", 1.0),))
    assert keys(merge([a, b], [more])) == [["t0", "new"], ["u0"]]
    assert [r.key for r in each([a, b])] == ["t0", "u0"]


def test_dedupe_keeps_the_first_of_equal_ids() -> None:
    same = Group(make_task(), (rollout("a", text="x"), rollout("b", text="y"), rollout("c", text="x")))
    assert keys(dedupe([same])) == [["a", "b"]]
    assert keys(dedupe([same], lambda r: len(r.text))) == [["a"]]


def test_cap_is_seeded_per_task() -> None:
    groups = [group(*[1.0] * 9), group(1.0, task="u")]
    assert [len(g.rollouts) for g in cap(groups, 3)] == [3, 1]
    assert cap(groups, 3) == cap(groups[::-1], 3)[::-1]
    assert any(cap(groups, 3, seed) != cap(groups, 3) for seed in range(1, 9))


def test_best_puts_unknown_last() -> None:
    assert keys(best([group(0.2, None, 0.9, 0.5)], 3, by=MARK)) == [["t2", "t3", "t0"]]
    assert keys(best([group(None, -5.0)], 1, by=MARK)) == [["t1"]]


def test_zscore_within_the_task_over_the_population() -> None:
    """1 3 5: mean 3, population deviation 1.633."""
    (scored,) = zscore([group(1.0, 3.0, 5.0)], MARK)
    assert [r[ZScore(MARK)] for r in scored.rollouts] == pytest.approx([-1.2247449, 0, 1.2247449])


def test_zscore_of_equal_lone_and_unknown_values() -> None:
    (equal,) = zscore([group(2.0, 2.0)], MARK)
    (lone,) = zscore([group(7.0)], MARK)
    (mixed,) = zscore([group(None, 1.0, 3.0)], MARK)
    (nothing,) = zscore([group(None)], MARK)
    name = ZScore(MARK)
    assert [r[name] for g in (equal, lone) for r in g.rollouts] == [0, 0, 0]
    assert [r[name] for r in mixed.rollouts] == [None, -1, 1]
    assert [r[name] for r in nothing.rollouts] == [None]


def test_cut_refuses_a_place_outside_the_response() -> None:
    assert cut(rollout("a"), 3).keep == 3
    with pytest.raises(ValueError, match="cannot keep 4 tokens of attempt a, which has 3"):
        cut(rollout("a"), 4)


def test_first_unexpected_counts_k_predictions_as_expected() -> None:
    reading = make_reading("abcd", [0, 4, 5, 9])
    assert first_unexpected(reading, 5) == 2
    assert first_unexpected(reading, 4) == 1
    assert first_unexpected(reading, 5, start=3) == 3
    assert first_unexpected(reading, 10) is None


def test_makers_of_examples() -> None:
    chosen, rejected = [group(1.0, 1.0), group(1.0, task="u")], [group(0.0, 0.0, 0.0)]
    assert [e.weight for e in imitate(chosen, 0.5)] == [0.5] * 3
    pairs = prefer(chosen, rejected)
    assert [p.chosen.key for p in pairs] == ["t0", "t1"]  # u has no failed attempt
    assert all(p.rejected.task.id == "t" for p in pairs)
    assert prefer(chosen, rejected) == pairs
    assert [e.advantage for e in reinforce([group(1.0, None, -1.0)], MARK)] == [1.0, -1.0]
    assert [r.key for r in rollouts_of([*pairs[:1], *imitate(chosen[1:])])] == ["t0", pairs[0].rejected.key, "u0"]


def test_views_change_what_is_shown_and_nothing_else() -> None:
    task = make_task(images=2)
    assert [type(p).__name__ for p in task.content] == ["Image", "Image", "str"]
    assert question_first(task).content == (task.question, *task.images)
    assert blind(task).content == (task.question,)
    assert asked(task) == task
    assert len({task.fingerprint, question_first(task).fingerprint, blind(task).fingerprint}) == 3


def test_places_must_fit() -> None:
    task = replace(make_task(question="ab", images=1), places=(1,))
    assert [p if isinstance(p, str) else "image" for p in task.content] == ["a", "image", "b"]
    with pytest.raises(ValueError, match=r"places \(3,\) do not fit 1 images"):
        replace(task, places=(3,))


def test_digest_is_the_same_in_every_process() -> None:
    assert digest("a", 1, ("b",)) == digest("a", 1, ["b"])
    assert digest("a", "b") != digest("ab")
    assert digest("draw", 1, 2)[:8] == "9a1e381f"


def test_rounding_is_addressed_and_without_bias() -> None:
    """2.3 is 2 in seven cases of ten; over 2,000 addresses the mean is off by no more than four deviations, 0.041."""
    drawn = [rounded(2.3, "here", i) for i in range(2000)]
    assert set(drawn) == {2, 3}
    assert fmean(drawn) == pytest.approx(2.3, abs=0.041)
    assert drawn[:5] == [rounded(2.3, "here", i) for i in range(5)]
    assert [rounded(float(n), "whole", n) for n in range(50)] == list(range(50))


def test_a_solution_is_text_in_the_meta_of_a_task() -> None:
    metas: list[dict[str, object]] = [{"solution": "s"}, {"rationale": "r"}, {"solution": 3, "rationale": "r"}, {}]
    assert [solution(replace(make_task(), meta=meta)) for meta in metas] == ["s", "r", "r", None]


def test_the_answer_is_told_after_the_question_and_images_stay_where_they_are() -> None:
    task = replace(make_task(question="what is it?"), places=(4,))
    told = told_answer(task)
    assert told.question == "what is it?\nThe correct answer is 7."
    assert replace(told, question=task.question) == task
    with pytest.raises(ValueError, match="'t' has no answer to be told"):
        told_answer(replace(task, answer=None))
