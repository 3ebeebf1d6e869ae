"""R3V (arXiv 2411.00855): learn from right attempts, from mending a wrong one, and from choosing among several.

Each round, from the model of the round before, with L = L_SFT + L_REF + L_SEL, starting from the base model again:
1. Sample K attempts per question; y+ are those verified as right, y- those verified as wrong.
2. L_SFT: imitate y+, and the seed traces where there are any.
3. Self-refine, L_REF: asked with the question and a y-, write y+.
4. Self-select, L_SEL: asked with the question and N candidates of both kinds, write the right answer.

Both are tasks of their own, made from the question: their ids begin with its id. As the authors' code does, a
question gives one y+, one (y-, y+) and up to two sets of candidates, of 1 and of N - 1 right ones, here drawn by
address. It also keeps the attempts of earlier rounds; here a round has its own. The wordings are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from ..examples import Imitate
from ..scorers.correct import correct
from ..steps import Sampled, at_least, limited, seed_traces
from ..types import Group, Part, Rollout, Task, digest
from ..verbs import imitate, merge, right, wrong

if TYPE_CHECKING:
    from ..run import Run

REFINE = "Say whether this solution is right, and write a right one."
SELECT = "Which solution is right? Write its answer alone."


@dataclass(frozen=True)
class R3v(Sampled):
    """Settings of R3V."""

    samples: int = 3  # K of the authors' code; 10 in VISTA's comparison
    most: int | None = 1  # right attempts imitated a question, as the authors' code; None is all
    candidates: int = 3  # N of self-select
    traces: bool = True  # whether the seed traces are imitated, too: as the paper; methods that only sample see none

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "most")
        at_least(self, 2, "candidates")

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Imitate]:
        """Return the examples of all three losses, each weighing the same."""
        groups = self.attempts(run, tasks)
        rights, wrongs = right(groups, correct), wrong(groups, correct)
        asked: list[tuple[Task, Part | str]] = []
        for good, bad in zip(rights, wrongs, strict=True):
            if good.rollouts and bad.rollouts:
                asked += [self.refine(run, good, bad), *self.select(run, good, bad)]
            elif good.rollouts:
                run.note("no reflection", "no wrong attempt to set beside the right ones", task=good.task)
        traces = seed_traces(run, tasks) if self.traces else []
        learnt = merge(traces, limited(run, rights, self.most))
        return imitate([*learnt, *run.given(asked)])

    def refine(self, run: Run, good: Group, bad: Group) -> tuple[Task, Part]:
        """Pose the mending of a wrong attempt; the response is a right one, its ids as they were sampled."""
        draw = Random(digest("r3v refine", run.seed, run.round, good.task.id))
        flawed, target = draw.choice(bad.rollouts), draw.choice(good.rollouts)
        text = "".join(part.text for part in target.parts)
        return posed(good.task, "refine", [flawed], REFINE), Part(target.ids, text, "teacher")

    def select(self, run: Run, good: Group, bad: Group) -> list[tuple[Task, str]]:
        """Pose the choice among candidates, one right or all but one, as far as there are enough of each kind."""
        made: list[tuple[Task, str]] = []
        for n in sorted({1, self.candidates - 1}):
            if len(good.rollouts) >= n and len(bad.rollouts) >= self.candidates - n:
                draw = Random(digest("r3v select", run.seed, run.round, good.task.id, n))
                shown = [*draw.sample(good.rollouts, n), *draw.sample(bad.rollouts, self.candidates - n)]
                draw.shuffle(shown)
                task = posed(good.task, f"select-{n}", shown, SELECT)
                made.append((task, f"<answer>{good.task.answer}</answer>"))
        return made


def posed(task: Task, kind: str, shown: Sequence[Rollout], instruction: str) -> Task:
    """Return a task that shows attempts at another one after its question; the image stays where it is."""
    name = f"{task.id}/{kind}-{digest([r.key for r in shown])[:8]}"
    solutions = [f"Solution {i}:\n{r.text}" for i, r in enumerate(shown, 1)]
    return replace(task, id=name, question="\n".join([task.question, *solutions, instruction]))
