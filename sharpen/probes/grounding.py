"""Grounding: are the stated facts true of the image, and does the answer change when the image does?

Each task is asked greedily three times with the same question: with its image, with another task's image,
and with none. An answer counts as changed where the two texts differ but for case; where one of
the two gives no answer, too. In a world whose truth is known, every statement about the picture is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..statistics import Interval, proportion, rate, span
from ..types import Group, Task
from ..verbs import each
from ..views import Swapped, blind

if TYPE_CHECKING:
    from ..run import Run

FACTS, SWAPPED, WITHHELD = "facts", "swapped", "withheld"


@dataclass(frozen=True)
class Grounding:
    """Shares over tasks; `left_out` counts the tasks that are in no share, by reason."""

    facts: Interval
    """Share of the stated facts that are true, of tasks that state any: the mean over tasks of each one's share."""
    swapped: Interval
    """Share of answers that change with another task's image."""
    withheld: Interval
    """Share of answers that change without an image."""
    left_out: Mapping[str, int]
    per_task: Mapping[str, Mapping[str, float]] = field(repr=False)

    @classmethod
    def of(cls, per_task: Mapping[str, Mapping[str, float]], left_out: Mapping[str, int]) -> Grounding:
        """Sum up the tasks' values."""
        swapped, withheld = (
            proportion(round(sum(per_task[name].values())), len(per_task[name])) for name in (SWAPPED, WITHHELD)
        )
        return cls(rate(list(per_task[FACTS].values())), swapped, withheld, left_out, per_task)

    def as_dict(self) -> dict[str, object]:
        """Return the figures for JSON, without the per-task ones."""
        shares = {FACTS: self.facts, SWAPPED: self.swapped, WITHHELD: self.withheld}
        return {**{name: i.as_dict() for name, i in shares.items()}, "left_out": dict(self.left_out)}

    def table(self) -> str:
        """Return one line a share."""
        lines = [
            f"stated facts that are true:              {span(self.facts)} of {self.facts.n}",
            f"answers that change, another image:      {span(self.swapped)} of {self.swapped.n}",
            f"answers that change, image withheld:     {span(self.withheld)} of {self.withheld.n}",
        ]
        return "\n".join([*lines, *(f"{n} tasks left out: {why}" for why, n in self.left_out.items())])


def measure(run: Run, tasks: Sequence[Task]) -> Grounding:
    """Ask each task with its image, with another one's and with none, and compare what is said."""
    swap = Swapped.among(tasks)
    per_task: dict[str, dict[str, float]] = {FACTS: {}, SWAPPED: {}, WITHHELD: {}}
    left_out: dict[str, int] = {}
    for part, some in run.portions(tasks):
        # Own first and withheld third, as `evaluate` asks: in its scope and round, these attempts are there already.
        own = part.sample(some, 1, temperature=0.0)
        paired = [t for t in some if t.id in swap.others]
        other = part.sample(paired, 1, view=swap, temperature=0.0)
        without = part.sample([t for t in some if t.images], 1, view=blind, temperature=0.0)
        said, facts = answers(part, own), fact_shares(own)
        for name, groups in ((SWAPPED, other), (WITHHELD, without)):
            found = answers(part, groups)
            per_task[name] |= {t: float(said[t] != answer) for t, answer in found.items() if t in said}
        per_task[FACTS] |= facts
        reasons = (
            ("no image", len([t for t in some if not t.images])),
            ("no other image to show", len([t for t in some if t.images and t.id not in swap.others])),
            ("prompt too long", len(some) - len(said)),
            ("no fact stated", len([t for t in some if known_truth(t) and t.id in said and t.id not in facts])),
        )
        for why, count in reasons:
            if count:
                left_out[why] = left_out.get(why, 0) + count
    return Grounding.of(per_task, left_out)


def answers(run: Run, groups: Sequence[Group]) -> dict[str, str | None]:
    """Return each task's answer as it was taken from the text, None where it gives none; asked tasks only."""
    verdicts = iter(run.judge(each(groups)))
    return {g.task.id: next(verdicts).answer for g in groups for _ in g.rollouts}


def fact_shares(groups: Sequence[Group]) -> dict[str, float]:
    """Return the share of true facts of each task that states any; worlds whose truth is known only."""
    found: dict[str, float] = {}
    for group in groups:
        share = true_share(group.task, group.rollouts[0].text) if group.rollouts else None
        if share is not None:
            found[group.task.id] = share
    return found


def true_share(task: Task, text: str) -> float | None:
    """Return the share of a text's facts that are true of the image; None where it states none that can be checked."""
    from ..worlds import world  # late: it brings numpy, and `import sharpen` is to be light

    facts = world(str(task.meta["world"])).facts(task, text) if known_truth(task) else []
    return sum(f.true for f in facts) / len(facts) if facts else None


def known_truth(task: Task) -> bool:
    """Whether the task comes from a world that can say what is true of its picture."""
    from ..worlds import NAMES

    return task.meta.get("world") in NAMES and "grid" in task.meta
