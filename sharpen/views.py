"""What a model is shown instead of the task; each is a plain function, so that its name can be recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from .types import Image, Task, digest


def question_first(task: Task) -> Task:
    """Show the text before the images (the calibration order of VISTA, arXiv 2605.11931, prefix resampling)."""
    return replace(task, places=(len(task.question),) * len(task.images))


def blind(task: Task) -> Task:
    """Show the question without its images: what can be answered from the text alone."""
    return replace(task, images=(), places=())


def told_answer(task: Task) -> Task:
    """Show the gold answer after the question (the rationalisation of STaR, arXiv 2203.14465 §3.2; wording ours).

    Raises ValueError for a task without one.
    """
    if task.answer is None:
        raise ValueError(f"task {task.id!r} has no answer to be told; leave out unlabelled tasks")
    return replace(task, question=f"{task.question}\nThe correct answer is {task.answer}.")


def asked(task: Task) -> Task:
    """Show the task itself, whatever an attempt at it was shown when it was sampled."""
    return task


@dataclass(frozen=True)
class Swapped:
    """Show another task's images with the question; a task that is not in `others` cannot be shown so."""

    __name__: ClassVar[str] = "swapped"  # as a function's, to be recorded
    others: Mapping[str, tuple[Image, ...]] = field(repr=False)

    @classmethod
    def among(cls, tasks: Sequence[Task]) -> Swapped:
        """Pair each task with another one by a hash of its id: the next in that order with as many, other images.

        A task without images, or with no such partner, is left out.
        """
        order = sorted((t for t in tasks if t.images), key=lambda t: digest("swap", t.id))
        others: dict[str, tuple[Image, ...]] = {}
        for at, task in enumerate(order):
            for other in (*order[at + 1 :], *order[:at]):
                if len(other.images) == len(task.images) and other.images != task.images:
                    others[task.id] = other.images
                    break
        return cls(others)

    def __call__(self, task: Task) -> Task:
        return replace(task, images=self.others[task.id])
