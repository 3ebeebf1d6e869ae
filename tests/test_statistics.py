# pyright: strict
"""Statistics against numbers worked by hand, brute force, and what must be None."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from math import comb, sqrt

import pytest

from sharpen.statistics import (
    Interval,
    auroc,
    holm,
    majority_at_k,
    paired_difference,
    pass_at_k,
    proportion,
    rate,
    signed,
)

NOTHING = Interval(None, None, None, 0)


def close(x: float) -> object:
    return pytest.approx(x, abs=1e-9)  # pyright: ignore[reportUnknownMemberType]


# --- proportion ---------------------------------------------------------------------------------


def test_wilson_by_hand() -> None:
    # 8 of 10, z^2 = 3.8415: centre (0.8 + 0.19207) / 1.38415 = 0.71674, half 0.22658; by definition the
    # ends are the q that lie z standard deviations sqrt(q (1 - q) / n) from 0.8
    got = proportion(8, 10)
    assert got.value == 0.8
    assert got.n == 10
    assert got.low is not None
    assert got.high is not None
    assert (round(got.low, 4), round(got.high, 4)) == (0.4902, 0.9433)
    for q in (got.low, got.high):
        assert (q - 0.8) ** 2 == close(1.959963984540054**2 * q * (1 - q) / 10)
    assert got.as_dict() == {"value": got.value, "low": got.low, "high": got.high, "n": 10}


def test_wilson_at_the_ends_is_wide_and_stays_inside() -> None:
    z2 = 1.959963984540054**2
    assert proportion(0, 5) == Interval(0.0, 0.0, proportion(0, 5).high, 5)
    assert proportion(0, 5).high == close(z2 / (5 + z2))  # 0.434
    assert proportion(5, 5).high == 1.0
    assert proportion(5, 5).low == close(5 / (5 + z2))


@pytest.mark.parametrize("n", range(1, 60))
def test_wilson_never_leaves_the_unit_interval(n: int) -> None:
    assert proportion(0, n).low == 0.0
    assert proportion(n, n).high == 1.0


def test_wilson_of_nothing_and_of_nonsense() -> None:
    assert proportion(0, 0) == NOTHING
    assert json.loads(json.dumps(NOTHING.as_dict()))["value"] is None
    for successes, n in [(3, 2), (-1, 2), (0, -1)]:
        with pytest.raises(ValueError, match="successes"):
            proportion(successes, n)


# --- rates over tasks ---------------------------------------------------------------------------


def test_a_rate_by_hand() -> None:
    # 0, 1/2, 1: mean 1/2, variance 1/4 = m (1 - m), so 3 trials; t(0.975, 2 degrees) = 4.30265, t² = 18.5128.
    # Centre 1/2; half 4.30265 · sqrt(1/12 + 18.5128/36) / (1 + 18.5128/3) = 3.32584 / 7.17093 = 0.46380.
    got = rate([0.0, 0.5, 1.0])
    assert (got.value, got.n) == (0.5, 3)
    assert got.low is not None
    assert got.high is not None
    assert (round(got.low, 4), round(got.high, 4)) == (0.0362, 0.9638)
    for q in (got.low, got.high):
        assert (q - 0.5) ** 2 == close(4.302652729749462**2 * q * (1 - q) / 3)


def test_a_rate_of_many_tasks_has_students_interval() -> None:
    values = [0.25, 0.75, 0.5, 0.5] * 500
    half = 1.96115 * sqrt(0.125 / 4 * 2000 / 1999) / sqrt(2000)  # variance 1/32
    got = rate(values)
    assert got.low == pytest.approx(0.5 - half, abs=1e-5)  # pyright: ignore[reportUnknownMemberType]
    assert got.high == pytest.approx(0.5 + half, abs=1e-5)  # pyright: ignore[reportUnknownMemberType]


def test_a_rate_of_wholly_right_and_wrong_tasks_is_a_proportion() -> None:
    assert rate([1, 0, 1, 1]) == proportion(3, 4)
    assert rate([1.0] * 5) == proportion(5, 5)
    assert rate([0.0] * 5) == proportion(0, 5)


def test_a_rate_without_spread() -> None:
    assert rate([]) == NOTHING
    assert rate([0.25]) == Interval(0.25, None, None, 1)
    assert rate([0.1] * 3) == Interval(0.1, None, None, 3)
    assert rate([0.3 - 0.1, 0.5 - 0.3]).low is None  # equal but for rounding


def test_no_interval_leaves_its_range() -> None:
    draw = random.Random(0)
    for n in (2, 3, 5, 12):
        for _ in range(50):
            values = [draw.choice([0.0, 0.0, 0.01, 0.5, 0.99, 1.0]) for _ in range(n)]
            for found, least in ((rate(values), 0.0), (signed([v * draw.choice([-1, 1]) for v in values]), -1.0)):
                if found.low is not None and found.high is not None and found.value is not None:
                    assert least <= found.low <= found.value <= found.high <= 1


def test_a_signed_mean_by_hand() -> None:
    # (1 + d) / 2 of -1, 0, 1 are the three values above, and the interval is twice as wide about 0.
    got = signed([-1, 0, 1])
    assert got.value == 0
    assert got.low == close(2 * (rate([0.0, 0.5, 1.0]).low or 0) - 1)
    assert got.high == close(-(got.low or 0))
    assert signed([]) == NOTHING
    assert signed([0.0] * 4) == Interval(0.0, None, None, 4)
    assert signed([1.0] * 4).high == 1.0


@pytest.mark.parametrize(("tasks", "attempts", "worst"), [(5, 4, 0.93), (12, 8, 0.93), (40, 4, 0.94)])
def test_intervals_hold_the_truth_as_often_as_they_say(tasks: int, attempts: int, worst: float) -> None:
    """Tasks of rates from Beta(1, 2), mean 1/3, each tried a few times; and two such models, no different."""
    draw = random.Random(1)

    def solved() -> float:
        chance = draw.betavariate(1, 2)
        return sum(draw.random() < chance for _ in range(attempts)) / attempts

    held, unmoved, trials = 0, 0, 1000
    for _ in range(trials):
        ours, theirs = ([solved() for _ in range(tasks)] for _ in range(2))
        found, moved = rate(ours), paired_difference(ours, theirs).difference
        held += found.low is None or found.high is None or found.low <= 1 / 3 <= found.high
        unmoved += moved.low is None or moved.high is None or moved.low <= 0 <= moved.high
    assert held / trials >= worst
    assert unmoved / trials >= worst
    assert held / trials < 0.995  # wide enough is not the same as without end


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1.5, -1.5])
def test_unknown_and_impossible_values_are_refused(bad: float) -> None:
    for interval in (rate, signed):
        with pytest.raises(ValueError, match="value 1 of 2"):
            interval([0.5, bad])


def test_auroc_refuses_unknown_values() -> None:
    with pytest.raises(ValueError, match="value 1 of 2"):
        auroc([0.5], [float("nan")])


# --- pass@k -------------------------------------------------------------------------------------


def test_pass_at_k_by_hand() -> None:
    assert pass_at_k(5, 2, 1) == close(2 / 5)
    assert pass_at_k(5, 2, 3) == close(1 - 1 / 10)  # C(3,3) / C(5,3)
    assert pass_at_k(5, 2, 4) == 1.0  # three wrong ones cannot fill four places
    assert pass_at_k(5, 0, 5) == 0.0
    assert pass_at_k(10_000, 1, 100) == close(0.01)  # binomials far beyond a float


def test_pass_at_k_of_too_few_is_unknown() -> None:
    assert pass_at_k(0, 0, 1) is None
    assert pass_at_k(3, 3, 4) is None
    for n, c, k in [(3, 4, 1), (3, -1, 1), (3, 1, 0)]:
        with pytest.raises(ValueError, match="pass@"):
            pass_at_k(n, c, k)


# --- majority@k ---------------------------------------------------------------------------------


def test_majority_by_hand() -> None:
    assert majority_at_k(["7", "7", "3"], [1, 1, 0]) == 1.0
    assert majority_at_k(["7", "3", "3"], [True, False, False]) == 0.0
    assert majority_at_k(["7", "3"], [1, 0]) == 0.5  # a tie
    assert majority_at_k(["7", None, None], [1, 0, 0]) == 1.0  # no answer, no vote
    assert majority_at_k([None, None], [0, 0]) == 0.0
    assert majority_at_k(["7", "7", "3"], [1, 0, 0]) == 0.5  # verdicts differ within an answer
    # two of {7, 7, 3}: {7, 7} wins, {7, 3} twice ties
    assert majority_at_k(["7", "7", "3"], [1, 1, 0], k=2) == close((1 + 0.5 + 0.5) / 3)


def test_majority_of_too_few_is_unknown() -> None:
    assert majority_at_k([], []) is None
    assert majority_at_k([], [], 3) is None
    assert majority_at_k(["7"], [1], k=2) is None
    with pytest.raises(ValueError, match="1 answers and 2 verdicts"):
        majority_at_k(["7"], [1, 0])
    with pytest.raises(ValueError, match="k >= 1"):
        majority_at_k(["7"], [1], k=0)


def vote(answers: list[str | None], right: str) -> float:
    """One plurality vote, the slow way."""
    votes = Counter(a for a in answers if a is not None)
    first = [a for a, count in votes.items() if count == max(votes.values())]
    return (right in first) / len(first) if first else 0.0


@pytest.mark.parametrize("right", ["a", "b", "c"])
def test_majority_equals_all_subsets(right: str) -> None:
    answers: list[str | None] = ["a", "a", "a", "b", "b", "b", "c", None, None]
    correct = [float(a == right) for a in answers]
    for k in range(1, 10):
        slow = [vote([answers[i] for i in chosen], right) for chosen in combinations(range(9), k)]
        assert majority_at_k(answers, correct, k) == close(sum(slow) / len(slow))


def test_majority_of_one_is_pass_at_1() -> None:
    answers, correct = ["a", "a", "b", None, "c"], [1, 1, 0, 0, 0]
    assert majority_at_k(answers, correct, 1) == close(2 / 5)


# --- paired difference --------------------------------------------------------------------------


def test_paired_difference_by_hand() -> None:
    # differences 1, 1, 1, -1 are 3 of 4: by (1 + d) / 2, Wilson's interval of 3/4, stretched to [-1, 1]
    got = paired_difference([1, 1, 1, 0], [0, 0, 0, 1])
    wilson = proportion(3, 4)
    assert wilson.low is not None
    assert wilson.high is not None
    assert got.difference.value == 0.5
    assert got.difference.n == 4
    assert (got.difference.low, got.difference.high) == (close(2 * wilson.low - 1), close(2 * wilson.high - 1))
    assert got.p == close(2 * (1 + 4) / 16)  # at least 3 of 4 heads, both sides


def test_p_is_exact_mcnemar_on_single_attempts() -> None:
    # 10 tasks gained, 2 lost, 88 the same either way
    a = [1] * 10 + [0] * 2 + [1] * 44 + [0] * 44
    b = [0] * 10 + [1] * 2 + [1] * 44 + [0] * 44
    want = 2 * sum(comb(12, i) for i in range(3)) / 2**12
    assert paired_difference(a, b).p == close(want)
    assert paired_difference(b, a).p == close(want)
    assert paired_difference(b, a).difference.value == close(-0.08)


def flipped(steps: Sequence[float]) -> list[float]:
    """Distance of the sum from zero under each choice of signs."""
    choices = product((-1, 1), repeat=len(steps))
    return [abs(sum(s * x for s, x in zip(signs, steps, strict=True))) for signs in choices]


def test_p_is_exact_on_rates() -> None:
    a, b = [0.25, 1.0, 0.75, 0.5, 0.1 + 0.2], [0.0, 0.25, 1.0, 0.0, 0.3]
    steps = [1, 3, -1, 2]  # in quarters; the last is a tie but for rounding
    assert paired_difference(a, b).p == close(sum(s >= 5 for s in flipped(steps)) / 16)


def test_p_of_real_valued_scores_is_close_to_exact() -> None:
    a = [sqrt(x) / 4 for x in (2, 3, 5, 7, 11, 13)]
    b = [sqrt(x) / 4 for x in (1.9, 2.2, 5.5, 6.1, 11.3, 12.2)]
    moved = [x - y for x, y in zip(a, b, strict=True)]
    exact = sum(s >= abs(sum(moved)) - 1e-12 for s in flipped(moved)) / 64
    p = paired_difference(a, b).p
    assert p is not None
    assert abs(p - exact) < 0.02
    assert p == paired_difference(a, b).p  # the same every time


def test_paired_difference_without_spread() -> None:
    assert paired_difference([], []).difference == NOTHING
    assert paired_difference([], []).p is None
    same = paired_difference([1, 0, 1], [1, 0, 1])
    assert same.difference == Interval(0.0, None, None, 3)
    assert same.p == 1.0
    # every task moved by the same amount: no interval, but the signs still speak
    assert paired_difference([0.5] * 6, [0.25] * 6).p == close(2 / 64)
    with pytest.raises(ValueError, match="2 and 1 values"):
        paired_difference([1, 0], [1])


# --- several comparisons ------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04; none below the one before it.
    assert holm([0.04, 0.01, 0.03, 0.02]) == [close(0.06), close(0.04), close(0.06), close(0.06)]
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([None, 0.01, None, 0.04]) == [None, close(0.02), None, close(0.04)]
    assert holm([]) == []


# --- AUROC --------------------------------------------------------------------------------------


def test_auroc_by_hand() -> None:
    assert auroc([3, 2], [1, 0]) == 1.0
    assert auroc([0], [1, 2]) == 0.0
    assert auroc([1, 1], [1]) == 0.5
    assert auroc([3, 1], [2, 1, 0]) == close((3 + 0 + 0.5 + 1) / 6)
    assert auroc([], [1]) is None
    assert auroc([1], []) is None


def test_import_is_light() -> None:
    heavy = ("numpy", "scipy", "torch")
    code = f"import sys, sharpen.statistics; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_an_interval_reads_as_percent() -> None:
    assert str(Interval(0.8125, 0.7714, 0.848, 400)) == "81.2% [77.1%, 84.8%]"
    assert f"{Interval(0.5, None, None, 1)}" == "50.0%"
    assert str(Interval(None, None, None, 0)) == "unknown"
