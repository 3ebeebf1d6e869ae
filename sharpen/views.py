"""What a model is shown instead of the task; each is a plain function, so that its name can be recorded."""

from __future__ import annotations

from dataclasses import replace

from .types import Task


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
