"""Named formats: what is added, where, and that it is recorded."""

from __future__ import annotations

from typing import get_args

from support import make_task

from sharpen.answers import Grader
from sharpen.prompts import INSTRUCTIONS, Format, asked_in


def test_each_named_format_has_its_instruction() -> None:
    assert set(INSTRUCTIONS) == set(get_args(Format))
    assert len(set(INSTRUCTIONS.values())) == len(INSTRUCTIONS)


def test_an_instruction_stands_behind_the_task_s_own_and_makes_it_another_task() -> None:
    task = make_task()
    (asked,) = asked_in([task], "boxed")
    assert asked.system == f"look.\n\n{INSTRUCTIONS['boxed']}"
    assert asked.fingerprint != task.fingerprint
    assert asked_in([task], "as-is") == [task]


def test_the_grader_finds_an_answer_given_as_each_format_asks() -> None:
    answers = {
        "direct": "7",
        "boxed": "there are 3 and 4, so \\boxed{7}",
        "think-answer": "<think>3 and 4</think><answer>7</answer>",
        "see-think-answer": "<see>3 cups, 4 cups</see><think>3 and 4</think><answer>7</answer>",
    }
    assert {*answers, "as-is"} == set(INSTRUCTIONS)
    verdicts = Grader().grade_all([(text, make_task()) for text in answers.values()])
    assert [v.outcome for v in verdicts] == ["right"] * 4
