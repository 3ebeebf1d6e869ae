"""The canary finds what is silent elsewhere: images not shown, a cache that misleads, turns that never end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from support import PIXEL, Wrapped, make_reading, make_task

from sharpen import canary
from sharpen.errors import ModelError
from sharpen.models import load
from sharpen.models.model import Prompt
from sharpen.models.scripted import Scripted
from sharpen.types import Image, Reading, Task
from sharpen.worlds import world

OTHER = replace(make_task("other"), images=(Image.of(PIXEL + b"\0"),))
TASKS = [make_task(), OTHER]


def sees(task: Task, text: str) -> Reading:
    """Log-probs that depend on the picture."""
    value = -1.0 if task.images[0] == OTHER.images[0] else -3.0
    return replace(make_reading(text), logprobs=(value,) * (len(text) + 1))


def test_a_model_that_sees_and_whose_cache_is_true_passes_with_figures() -> None:
    found = canary.check(Scripted(lambda asked: "seven", sees), TASKS)
    assert found == canary.Canary(image_effect=2.0, agreement=1.0, tokens=24)


def test_a_model_that_is_blind_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"does not see its images: .* task 't' with that of 'other', 'other' with that of 't'\)"
    ):
        canary.check(Scripted(lambda asked: "seven", lambda task, text: make_reading(text)), TASKS)


def test_log_probs_that_are_no_numbers_are_no_effect() -> None:
    def measure(task: Task, text: str) -> Reading:
        return replace(sees(task, text), logprobs=(float("nan"),) * (len(text) + 1))

    with pytest.raises(ModelError, match="does not see its images"):
        canary.check(Scripted(lambda asked: "seven", measure), TASKS)


def test_without_two_different_images_nothing_is_claimed() -> None:
    found = canary.check(Scripted(lambda asked: "seven", sees), [make_task()])
    assert found.image_effect is None


def test_every_task_tried_must_see_its_own_image() -> None:
    """Its picture is lost in one of two tasks: the mean over both would hide that."""

    def measure(task: Task, text: str) -> Reading:
        return make_reading(text) if task.id == "other" else sees(task, text)

    with pytest.raises(ModelError, match=r"the picture of task 'other' with that of 't'\); check"):
        canary.check(Scripted(lambda asked: "seven", measure), TASKS)


def doubtful(near: float, wrong: str = "other") -> Callable[[Task, str], Reading]:
    """A plain pass that finds "*" likelier than the third letter, by `near` nats, in one of the tasks."""

    def measure(task: Task, text: str) -> Reading:
        found = sees(task, text)
        if task.id != wrong:
            return found
        logprobs = [p + near * (text[i : i + 1] == "*") for i, p in enumerate(found.logprobs)]
        return replace(found, rank=make_reading(text, [0, 0, 2]).rank, logprobs=tuple(logprobs))

    return measure


@pytest.mark.parametrize("near", [0.002, 0.5, float("nan")])
def test_in_single_precision_one_token_that_a_plain_pass_would_not_write_is_refused(near: float) -> None:
    with pytest.raises(
        ModelError, match=r"of 24 greedy tokens only 22 are .* \(in task 'other' not token 2\), .* another attention"
    ):
        canary.check(Scripted(lambda asked: "seven", doubtful(near)), TASKS)


def test_a_tie_is_known_by_reading_the_likeliest_token_in_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    found = canary.check(Scripted(lambda asked: "seven", doubtful(0.0005)), TASKS)
    assert (found.agreement, found.ties) == (1.0, 2)
    assert "100.0% of 24 greedy tokens agree with a plain pass (2 as a tie)" in capsys.readouterr().err


def test_in_half_precision_nine_in_ten_must_agree() -> None:
    """22 of 24 are 92 %, 20 of 24 are 83 %."""
    half = replace(Scripted(lambda asked: "seven", doubtful(0.5)), exact=False)
    assert canary.check(half, TASKS) == canary.Canary(2.0, 22 / 24, 24)
    both = replace(half, measure=lambda task, text: doubtful(0.5, task.id)(task, text))
    with pytest.raises(
        ModelError, match=r"only 20 .*in task 'other' not token 2, in task 't' not token 2\), .* dtype or"
    ):
        canary.check(both, TASKS)


def test_training_that_breaks_the_end_of_turn_is_an_error_and_a_parent_without_one_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ends = Scripted(lambda asked: "7", name="parent", max_tokens=4)
    never = Scripted(lambda asked: "7777777", name="trained", max_tokens=4)
    canary.stops(ends, never, TASKS)
    with pytest.raises(
        ModelError, match="trained ends none of 2 greedy answers within 4 tokens, where its parent ends 2"
    ):
        canary.stops(never, ends, TASKS)
    canary.stops(never, never, TASKS)
    assert "neither trained nor its parent ends" in capsys.readouterr().err


class Blindfolded(Wrapped):
    """A model behind a renderer that loses the pictures: every task gets the first one's."""

    def __init__(self, inner: Any, tasks: Sequence[Task]) -> None:
        super().__init__(inner)
        self.tasks = tasks

    def prompt(self, task: Task) -> Prompt:
        return self.inner.prompt(replace(task, images=self.tasks[0].images))


def test_the_tiny_model_passes_and_fails_blindfolded() -> None:
    model, tasks = load("tiny"), world("digits").tasks("train", 6)
    found = canary.check(model, tasks)
    assert found.agreement == 1
    assert found.image_effect is not None
    assert found.image_effect > 0.001
    with pytest.raises(ModelError, match="does not see its images"):
        canary.check(Blindfolded(model, tasks), tasks)
