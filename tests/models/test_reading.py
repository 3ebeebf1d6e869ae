"""Responses to one prompt are read behind it in one line, and measure the same as alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from sharpen.errors import ModelError
from sharpen.models import reading
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


@pytest.fixture
def reads(random_model: Any) -> list[Read]:
    """Of three prompts two responses each, which one line holds, and of the last a long one."""
    prompts = [random_model.prompt(t) for t in world("digits").tasks("train", 3)]
    return [Read(prompts[i // 2], tuple(range(5, 15 + i + 40 * (i == 5))), (0, 2)) for i in range(6)]


@pytest.mark.parametrize(("fits", "left"), [("one line", 4), ("one response", 6), ("nothing", 0)])
def test_out_of_memory_halves_a_pass_and_each_reading_comes_once(
    random_model: Any, reads: list[Read], capsys: pytest.CaptureFixture[str], fits: str, left: int
) -> None:
    """The line with the long response is read first, then two lines in one pass; what shares a prompt is read apart
    before an attempt is said not to fit."""
    whole = dict(random_model.read(reads))
    alone = [len(r.prompt.ids) + len(r.ids) for r in reads]
    line = alone[4] + len(reads[5].ids)
    room = {"one line": line, "one response": max(alone), "nothing": min(alone) - 1}[fits]

    def tight(module: Any, args: Any, inputs: dict[str, Any]) -> None:
        if inputs["input_ids"].numel() > room:
            raise torch.OutOfMemoryError

    hook = random_model.net.model.register_forward_pre_hook(tight, with_kwargs=True)
    try:
        if fits == "nothing":
            with pytest.raises(ModelError, match="no memory to read one attempt"):
                list(random_model.read(reads))
            return
        found = list(random_model.read(reads))
    finally:
        hook.remove()
    assert sorted(i for i, _ in found) == list(range(6))
    for i, one in found:
        same(one, whole[i])
    assert f"ran out of memory; {left} readings go on, at most" in capsys.readouterr().err


def test_readings_that_came_before_memory_ran_out_do_not_come_again(
    random_model: Any, reads: list[Read], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []

    def cut(*given: Any) -> Iterator[Reading]:
        passes.append(len(given[1]))
        for n, found in enumerate(measure(*given)):
            if len(passes) == 1 and n == 1:
                raise MemoryError
            yield found

    measure, whole = reading.measure, dict(random_model.read(reads))
    monkeypatch.setattr(reading, "measure", cut)
    found = list(random_model.read(reads))
    assert sorted(i for i, _ in found) == list(range(6))
    for i, one in found:
        same(one, whole[i])
    assert len(passes) > 1


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
