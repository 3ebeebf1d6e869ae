"""VISTA (arXiv 2605.11931): repair failed attempts from their good prefix, drop lucky guesses by attention.

Each round, from the model of the round before:
1. Sample K attempts per question and verify them.
2. Prefix resampling of each attempt not verified as correct: read it with the instruction before the
   image; the critical token is the first that is not among the k likeliest; keep what stands before it,
   put the likeliest token in its place, and sample J continuations from there with the original prompt.
3. Vision-aware attention score of each correct attempt: the image's share of a middle layer's attention,
   as a z-score within the question. Drop what lies below τ.
4. Imitate the rest, each attempt weighing the same, starting from the base model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import require
from ..examples import Imitate
from ..scorers.attention import ImageShare
from ..scorers.correct import correct
from ..types import Prefix, Rollout, Task
from ..verbs import ZScore, cut, each, first_unexpected, imitate, merge, right, where, zscore
from ..views import question_first

if TYPE_CHECKING:
    from ..run import Run


@dataclass(frozen=True)
class Vista:
    """Settings of VISTA-SFT."""

    samples: int = 10  # K, §4.1
    resamples: int = 3  # J, prefix resampling
    top: int = 5  # k, critical token
    threshold: float = -0.5  # τ, vision-aware attention score
    layer: int | None = None  # a middle layer; ⌊L/2⌋ when None: ours
    temperature: float = 1.0  # §4.1
    max_tokens: int | None = None  # 2,048 in the paper; None takes the model's own
    start: Literal["base", "last"] = "base"  # restart every round, §4.1

    def __post_init__(self) -> None:
        for name in ("samples", "resamples", "top"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        require(self.temperature >= 0, "temperature", self.temperature, "0 (greedy) or more")
        require(self.max_tokens is None or self.max_tokens >= 1, "max-tokens", self.max_tokens, "1 or more")

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return one example per correct attempt that looked at the image."""
        share = ImageShare(run.layer(self.layer))
        heat, limit = self.temperature, self.max_tokens
        groups = run.score(run.sample(tasks, self.samples, temperature=heat, max_tokens=limit), correct)

        prefixes = self.prefixes(run, each(where(groups, lambda r: r[correct] != 1)))
        rescued = run.score(run.resume(prefixes, self.resamples, temperature=heat, max_tokens=limit), correct)

        seeing = zscore(run.score(right(merge(groups, rescued), correct), share), share)
        kept = where(seeing, lambda r: (z := r[ZScore(share)]) is None or z >= self.threshold)
        run.drop(seeing, kept, f"vision-aware attention score below {self.threshold}")
        return imitate(kept)

    def prefixes(self, run: Run, failed: Sequence[Rollout]) -> list[Prefix]:
        """Cut each failed attempt at its critical token and put the likeliest token there."""
        found: list[Prefix] = []
        for rollout, reading in zip(failed, run.read(failed, view=question_first, top=self.top), strict=True):
            at = first_unexpected(reading, self.top)
            if at is None:
                run.note("no critical token", f"all tokens among the {self.top} likeliest", rollout)
            else:
                found.append(cut(rollout, at, then=reading.top[at][:1]))
        return found
