"""What a run takes, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sharpen.estimate import Plan, Speeds, Typical, at_most, expected

PLAN = Plan(
    tasks=20, rounds=2, samples=10, resamples=3, reads_right=True, epochs=3, measured=5, eval_samples=8, limit=100
)
TYPICAL = Typical(prompt=40.0, attempt=60.0, right=0.25)


def test_a_run_like_the_attempts_that_were_tried() -> None:
    work = expected(PLAN, TYPICAL)
    # A round: 200 attempts, 150 of them fail and get 450 continuations; 50 + 112.5 are right.
    # Measured before and after both: 3 x 5 tasks x (greedy + blind + 8).
    assert (work.attempts, work.continued) == (2 * 650 + 150, 900)
    assert work.written == 1450 * 60
    # Read: the 150 failed ones before they are continued, the 162.5 right ones for their score, each with its prompt.
    assert work.read == 2 * (150 + 162.5) * 100
    assert work.trained == 2 * 3 * 162.5 * 100


def test_a_failed_attempt_without_a_critical_token_is_read_and_not_resumed() -> None:
    work = expected(PLAN, replace(TYPICAL, cut=0.6))
    # 90 of the 150 failed ones get 270 continuations; 50 + 67.5 are right.
    assert (work.attempts, work.continued) == (2 * 470 + 150, 540)
    assert work.read == 2 * (150 + 117.5) * 100


def test_at_most_all_attempts_fail_and_all_continuations_are_right_and_as_long_as_they_may_be() -> None:
    work = at_most(PLAN, 40.0)
    assert (work.attempts, work.continued) == (2 * 800 + 150, 1200)
    assert work.written == 1750 * 100
    assert work.read == 2 * (200 + 600) * 140
    assert work.trained == 2 * 3 * 600 * 140
    shares = [expected(PLAN, replace(TYPICAL, attempt=100.0, right=right / 10)) for right in range(11)]
    for name in ("attempts", "written", "read", "trained"):
        assert all(getattr(one, name) <= getattr(work, name) for one in shares), name


def test_without_continuations_at_most_is_where_all_attempts_are_right() -> None:
    plain = replace(PLAN, resamples=0, reads_right=False)
    work = at_most(plain, 40.0)
    assert (work.attempts, work.continued, work.read) == (2 * 200 + 150, 0, 0)
    assert work.trained == 2 * 3 * 200 * 140
    assert expected(plain, TYPICAL).read == 0  # nothing is looked for in the failed ones


def test_hours_are_tokens_by_the_speed_of_each_part() -> None:
    hours = expected(PLAN, TYPICAL).hours(Speeds(write=10.0, read=50.0, train=25.0))
    assert hours == {
        "sampling": pytest.approx(87_000 / 10 / 3600),
        "reading": pytest.approx(62_500 / 50 / 3600),
        "training": pytest.approx(97_500 / 25 / 3600),
    }
