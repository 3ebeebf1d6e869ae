# pyright: strict
"""How sure a number is: rates with their intervals, comparisons, and votes.

Plain numbers in, plain numbers out. Where the data cannot tell, the value is None and never zero.
Attempts at one task are not independent, so everything but `proportion` counts tasks: average the
attempts of each task first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from math import comb, isfinite, sqrt

Z95 = 1.959963984540054  # two-sided 95 % point of the normal distribution
GRID = 1000  # sign flips are exact where the differences are multiples of some 1/d, d up to this (ours),
WORK = 1e9  # unless that takes more additions than this (ours),
FLIPS = 10_000  # and else this many random ones, drawn with a fixed seed (ours)


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval, from `n` observations; None where the data cannot tell."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        return span(self)

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the four fields, JSON-able."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def span(interval: Interval) -> str:
    """Write an interval as percent."""
    if interval.value is None:
        return "unknown"
    if interval.low is None or interval.high is None:
        return f"{interval.value:.1%}"
    return f"{interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


@dataclass(frozen=True)
class Paired:
    """How much the first of two differs from the second on the same tasks; `p` is two-sided."""

    difference: Interval
    p: float | None
    adjusted: float | None = None
    """`p` by `holm` among the comparisons it stands with; None where it stands with none."""


def proportion(successes: int, n: int) -> Interval:
    """Share of successes with its Wilson score interval at 95 %.

    `n` independent trials; n = 0 gives no value. ValueError unless 0 <= successes <= n.
    Source: Wilson 1927, JASA 22; recommended by Brown, Cai and DasGupta 2001, Statistical Science 16.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials: give 0 <= successes <= n")
    if n == 0:
        return Interval(None, None, None, 0)
    return _score_interval(successes / n, n, n, Z95)


def rate(values: Sequence[float]) -> Interval:
    """Mean over tasks of a value in [0, 1] each, with a 95 % interval over tasks that stays in [0, 1].

    Wilson's interval with two changes (ours): the variance of a mean m is s²/n · μ(1 - μ) / (m(1 - m)), that of the
    sample scaled to the tested mean μ, and the quantile is Student's t. With many tasks it is the t interval; where
    every value is 0 or 1 it is `proportion`'s. A single value, or equal ones between 0 and 1, show no spread to
    build an interval from, so there is none. No task gives no value. ValueError for a value outside [0, 1].
    Source: score intervals with an effective number of trials, Korn and Graubard 1998, Survey Methodology 24;
    tasks as the independent unit: arXiv 2411.00640.
    """
    _refuse_outside(values, 0.0)
    n, mean = len(values), sum(values) / max(1, len(values))
    if all(v in (0.0, 1.0) for v in values):
        return proportion(round(sum(values)), n)
    if max(values) - min(values) <= 1e-12:  # 0.3 - 0.1 is 0.2 but for rounding
        return Interval(float(values[0]), None, None, n)
    variance = sum((v - mean) ** 2 for v in values) / (n - 1)
    t = float(import_module("scipy.stats").t.ppf(0.975, n - 1))
    return _score_interval(mean, n, n * mean * (1 - mean) / variance, t)


def signed(values: Sequence[float]) -> Interval:
    """Mean of a difference of two rates each, in [-1, 1], with the interval of `rate` stretched to that range."""
    _refuse_outside(values, -1.0)
    found = rate([(1 + v) / 2 for v in values])
    if found.value is None:
        return found
    low, high = (None if end is None else 2 * end - 1 for end in (found.low, found.high))
    return Interval(sum(values) / len(values), low, high, found.n)


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """Chance that at least one of `k` attempts is right, unbiased, from `c` right ones of `n`.

    None where n < k: fewer attempts than k cannot tell. ValueError unless 0 <= c <= n and k >= 1.
    Source: arXiv 2107.03374, eq. 1.
    """
    if not (0 <= c <= n and k >= 1):
        raise ValueError(f"pass@{k} from {c} right of {n} attempts: give 0 <= c <= n and k >= 1")
    if n < k:
        return None
    return float(1 - Fraction(comb(n - c, k), comb(n, k)))


def majority_at_k(answers: Sequence[str | None], correct: Sequence[float], k: int | None = None) -> float | None:
    """Chance that the most frequent answer among `k` attempts at one task is right.

    `answers` in canonical form, so that equal answers are equal strings, None where an attempt gave
    none; `correct` one verdict in [0, 1] per attempt. Plurality vote: an attempt without an answer has
    no vote, a tie is broken uniformly (its expected value is counted), and a vote that nobody entered
    is wrong. An answer whose verdicts differ counts by their mean. `k` None is all n attempts: the vote
    itself. For k < n it is the exact mean over all subsets of k attempts, so unbiased as `pass_at_k` is.
    None where n < k or n = 0. ValueError where lengths differ or k < 1.
    Source: self-consistency, arXiv 2203.11171, §2; ties and subsets are ours.
    """
    n = len(answers)
    k = n if k is None and n else k
    if len(correct) != n or (k is not None and k < 1):
        raise ValueError(f"majority@{k} from {n} answers and {len(correct)} verdicts: one each, and k >= 1")
    if k is None or n < k:
        return None
    verdicts: defaultdict[str, list[float]] = defaultdict(list)
    for answer, verdict in zip(answers, correct, strict=True):
        if answer is not None:
            verdicts[answer].append(verdict)
    votes = {answer: len(v) for answer, v in verdicts.items()}
    silent = n - sum(votes.values())
    total = 0.0
    for answer, v in verdicts.items():
        if any(v):
            rivals = [count for other, count in votes.items() if other != answer]
            total += sum(v) / len(v) * _chance_to_win(votes[answer], rivals, silent, k)
    return total


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Paired:
    """Mean of a - b over the same tasks, rates in [0, 1]: interval at 95 % within [-1, 1], and an exact p-value.

    `a[i]` and `b[i]` belong to task i. The p-value is that of the two-sided sign-flip test on the sum of
    the differences: on single right-or-wrong attempts it is exact McNemar. It is exact for rates over
    up to 1000 attempts, and else (real-valued scores) from 10,000 flips drawn with a fixed seed.
    The interval is that of `signed`; equal differences give none. No task gives no value.
    ValueError where lengths differ. Source: Fisher 1935, The Design of Experiments, §21; McNemar 1947,
    Psychometrika 12; pairing models on tasks: arXiv 2411.00640.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} values: pair one of each per task")
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return Paired(signed(differences), _sign_flip(differences) if differences else None)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjust the p-values of several comparisons: below 0.05 are those that hold together at 5 %.

    The i-th smallest of m is multiplied by m - i + 1, and is no smaller than the one before. Unknown ones stay
    unknown and count as no comparison. Source: Holm 1979, Scandinavian Journal of Statistics 6.
    """
    known = sorted((p, at) for at, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    least = 0.0
    for rank, (p, at) in enumerate(known):
        adjusted[at] = least = max(least, min(1.0, p * (len(known) - rank)))
    return adjusted


def auroc(pos: Sequence[float], neg: Sequence[float]) -> float | None:
    """Chance that a positive scores above a negative, a tie counting half; 0.5 is no better than chance.

    None where either is empty. Source: Mann and Whitney 1947; Hanley and McNeil 1982, Radiology 143.
    """
    if not pos or not neg:
        return None
    _refuse_unknown([*pos, *neg])
    ordered = sorted(neg)
    wins = sum(bisect_left(ordered, p) + bisect_right(ordered, p) for p in pos)
    return wins / (2 * len(pos) * len(neg))


def _refuse_unknown(values: Sequence[float]) -> None:
    """A NaN would silently spoil every later number, so it stops here."""
    for i, value in enumerate(values):
        if not isfinite(value):
            raise ValueError(f"value {i} of {len(values)} is {value}; leave unknown ones out and count them")


def _refuse_outside(values: Sequence[float], least: float) -> None:
    """A value outside of its range would give an interval that is none; rounding may leave one a hair outside."""
    _refuse_unknown(values)
    for i, value in enumerate(values):
        if not least - 1e-9 <= value <= 1 + 1e-9:
            raise ValueError(f"value {i} of {len(values)} is {value}; give values from {least:g} to 1")


def _score_interval(p: float, n: int, trials: float, quantile: float) -> Interval:
    """All means q from which p lies at most `quantile` standard deviations sqrt(q (1 - q) / trials) away."""
    z2 = quantile**2
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = quantile * sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    # The ends are exact at 0 and 1; rounding would leave them a hair outside [0, 1].
    return Interval(p, 0.0 if p == 0 else centre - half, 1.0 if p == 1 else centre + half, n)


def _chance_to_win(own: int, rivals: Sequence[int], silent: int, k: int) -> float:
    """Chance that an answer with `own` votes wins among `k` attempts drawn without replacement.

    Counts the draws in which it has m votes and no rival more, each divided by the number that tie.
    """
    n = own + sum(rivals) + silent
    if k == n:
        return 0.0 if max(rivals, default=0) > own else 1 / (1 + rivals.count(own))
    draws = Fraction(0)
    for m in range(1, min(own, k) + 1):
        ways = {(0, 0): comb(own, m)}  # (votes of rivals, rivals that tie) -> draws
        for rival in rivals:
            grown: defaultdict[tuple[int, int], int] = defaultdict(int)
            for (votes, ties), count in ways.items():
                for more in range(min(rival, m, k - m - votes) + 1):
                    grown[votes + more, ties + (more == m)] += count * comb(rival, more)
            ways = grown
        for (votes, ties), count in ways.items():
            draws += Fraction(count * comb(silent, k - m - votes), ties + 1)
    return float(draws / comb(n, k))


def _sign_flip(differences: Sequence[float]) -> float:
    """Two-sided chance of a sum at least this far from zero if every sign were a fair coin."""
    np = import_module("numpy")
    values = np.asarray([d for d in differences if d != 0], dtype=float)
    for scale in range(1, GRID + 1):
        steps = np.rint(values * scale)
        if (abs(values * scale - steps) < 1e-9 * scale).all():
            if abs(steps).sum() * len(steps) <= WORK:
                return _sign_flip_exact([int(s) for s in steps])
            break
    extreme, draw = 0, np.random.default_rng(0)
    for _ in range(FLIPS // 100):  # in pieces, to stay small with many tasks
        sums = draw.choice([-1.0, 1.0], size=(100, len(values))) @ values
        extreme += int((abs(sums) >= abs(values.sum()) - 1e-12).sum())
    return (extreme + 1) / (FLIPS + 1)  # the observed signs are one of the flips


def _sign_flip_exact(steps: Sequence[int]) -> float:
    """The same for whole numbers, by the distribution of their sum under every flip."""
    np = import_module("numpy")
    chances = np.ones(1)
    for step in map(abs, steps):
        # A sum s becomes s - step or s + step; entry 0 is the lowest sum so far.
        wider = np.zeros(len(chances) + 2 * step)
        wider[: len(chances)] += chances / 2
        wider[2 * step :] += chances / 2
        chances = wider
    sums = np.arange(len(chances)) - len(chances) // 2
    return min(1.0, float(chances[abs(sums) >= abs(sum(steps))].sum()))
