"""Named ways to ask for an answer: each is an instruction that joins a task's system message.

A format changes what is asked, so it is part of a task's fingerprint, and its name is in the run's settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from .incoming import Incoming
from .types import Task

Format = Literal["as-is", "direct", "boxed", "think-answer", "see-think-answer"]

INSTRUCTIONS: dict[Format, str] = {
    "as-is": "",
    "direct": "Answer the question with a single word, number or option letter, and nothing else.",
    "boxed": "Reason step by step, then put the final answer in \\boxed{}.",
    "think-answer": (
        "First reason step by step between <think> and </think>, then give the final answer alone between <answer> "
        "and </answer>."
    ),
    "see-think-answer": (
        "First describe what the image shows and the question needs between <see> and </see>, then reason step by step "
        "between <think> and </think>, then give the final answer alone between <answer> and </answer>."
    ),
}
"""All wordings are ours. The grader finds an answer in a tag, in a box, and standing alone."""


def asked_in(tasks: Sequence[Task], name: Format) -> Sequence[Task]:
    """Return the tasks with the instruction of a format behind their own system messages; `as-is` changes nothing."""
    instruction = INSTRUCTIONS[name]
    if not instruction:
        return tasks
    if isinstance(tasks, Incoming):
        return tasks.then(partial(asked_in, name=name), name)
    return [replace(t, system=f"{t.system}\n\n{instruction}" if t.system else instruction) for t in tasks]
