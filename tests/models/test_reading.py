"""Responses to one prompt are read behind it in one line, and measure the same as alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sharpen.models.lines import share
from sharpen.models.model import Prompt, Read
from sharpen.types import Reading, Task
from sharpen.worlds import world


def test_responses_to_one_prompt_are_read_together_and_measure_as_alone(
    random_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = world("digits").tasks("train", 3)
    lengths = [(0, 7), (1, 3), (0, 20), (2, 5), (0, 1), (1, 12)]
    prompts = [random_model.prompt(t) for t in tasks]
    reads = [Read(prompts[t], tuple(range(5 + i, 5 + i + n)), (0, 2)) for i, (t, n) in enumerate(lengths)]
    shapes: list[tuple[int, ...]] = []
    hook = random_model.net.model.register_forward_pre_hook(
        lambda module, args, inputs: shapes.append(tuple(inputs["input_ids"].shape)), with_kwargs=True
    )
    together = dict(random_model.read(reads))
    hook.remove()
    assert sum(rows for rows, _ in shapes) == 3
    monkeypatch.setattr(random_model.family, "packs", False)
    apart = dict(random_model.read(reads))
    assert sorted(together) == sorted(apart) == list(range(6))
    for i in range(6):
        same(together[i], apart[i])


def same(one: Reading, other: Reading) -> None:
    assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    assert one.entropy == pytest.approx(other.entropy, abs=1e-4)
    assert (one.rank, one.top) == (other.rank, other.top)
    for layer in (0, 2):
        np.testing.assert_allclose(np.array(one.attention[layer]), np.array(other.attention[layer]), atol=1e-6)


def test_a_response_gets_a_line_of_its_own_where_that_is_less_work() -> None:
    """At width 10, attention costs as much as the rest from 60 tokens on: prompts of 100 are shared by 2 of 10 tokens
    and not by 2 of 500."""
    prompt = Prompt(Task("t", "what?"), (1,) * 100, bytes(100))
    short, long = ((2,) * 10,) * 2, ((2,) * 500,) * 2
    assert share([prompt] * 2, short, packs=True, width=10)[1] == [[0, 1]]
    assert share([prompt] * 2, long, packs=True, width=10)[1] == [[0], [1]]
    assert share([prompt] * 2, short, packs=False, width=10)[1] == [[0], [1]]
