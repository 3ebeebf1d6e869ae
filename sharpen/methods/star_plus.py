"""STaR+ (baseline of arXiv 2605.11931): STaR with K attempts per question instead of one.

As STaR (arXiv 2203.14465): right attempts are imitated, all of them; a question without one is asked again with
the answer shown, as often as `hinted` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from .star import Star


@dataclass(frozen=True)
class StarPlus(Star):
    """Settings of STaR+."""

    samples: int = 10  # K, §4.1 of VISTA
    temperature: float = 1.0  # §4.1 of VISTA
    hinted: int = 1  # ours: VISTA's comparison does not say
