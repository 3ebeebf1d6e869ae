"""What a run takes: attempts, tokens and hours, from its settings and from what an attempt is like.

One formula, for `sharpen check`, which measures a few attempts, and for `experiments/`, which assumes them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """What a run is asked to do."""

    tasks: int
    """Tasks to learn from."""
    rounds: int
    samples: int
    resamples: int
    reads_right: bool
    """Whether the method reads its correct attempts too, as a vision-aware score needs."""
    epochs: int
    measured: int
    """Tasks to measure on, before the first round and after each."""
    eval_samples: int
    limit: int
    """Most new tokens of an attempt."""


@dataclass(frozen=True)
class Typical:
    """What attempts are like: mean tokens of a prompt and of an attempt, and the share of attempts that is right."""

    prompt: float
    attempt: float
    right: float
    cut: float = 1.0
    """Share of the failed attempts that can be resumed, as they have a critical token."""


@dataclass(frozen=True)
class Speeds:
    """Tokens a second: written, read in one forward pass, and trained on (forward and backward)."""

    write: float
    read: float
    train: float


@dataclass(frozen=True)
class Work:
    """What a run comes to; tokens that are read or trained on include their prompts."""

    attempts: int
    continued: int
    """How many of the attempts go on from a prefix."""
    written: float
    read: float
    trained: float
    """Tokens of all epochs together."""

    def hours(self, speeds: Speeds) -> dict[str, float]:
        """Return the hours of each part; reading prompts before writing, grading and loading are not counted."""
        return {
            "sampling": self.written / speeds.write / 3600,
            "reading": self.read / speeds.read / 3600,
            "training": self.trained / speeds.train / 3600,
        }


def expected(plan: Plan, typical: Typical) -> Work:
    """Return the work where every round's attempts, and the continuations of failed ones, are like the typical one."""
    return _work(plan, typical.prompt, typical.attempt, typical.right, typical.right, typical.cut)


def at_most(plan: Plan, prompt: float) -> Work:
    """Return the work where every attempt is as long as it may be, and as many are trained on as can be.

    With continuations that is where every first attempt fails and each of its continuations is right, else where all
    are right.
    """
    return _work(plan, prompt, plan.limit, 0.0 if plan.resamples else 1.0, 1.0)


def _work(plan: Plan, prompt: float, attempt: float, right: float, right_again: float, cut: float = 1.0) -> Work:
    """Count a run in which these shares of first attempts and of continuations are right, and of failed ones resumed.

    A failed attempt is read once where it is to be continued, a right one where its score asks for it. What a score
    drops is counted as trained on.
    """
    first = plan.tasks * plan.samples
    failed = first * (1 - right)
    again = failed * cut * plan.resamples
    examples = first * right + again * right_again
    read = (failed if plan.resamples else 0) + (examples if plan.reads_right else 0)
    measured = plan.measured * (2 + plan.eval_samples) * (plan.rounds + 1)  # greedy, blind, and the sampled ones
    attempts = (first + again) * plan.rounds + measured
    return Work(
        attempts=round(attempts),
        continued=round(again * plan.rounds),
        written=attempts * attempt,
        read=read * (prompt + attempt) * plan.rounds,
        trained=examples * (prompt + attempt) * plan.epochs * plan.rounds,
    )
