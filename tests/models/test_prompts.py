"""Prompts that were read are kept: as many as there is room for, the latest ones, and only for the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sharpen.models import prompts
from sharpen.models.model import Prompt, Sampling, Write
from sharpen.models.prompts import Prompts
from sharpen.worlds import world


@pytest.fixture
def four(random_model: Any) -> list[Prompt]:
    return [random_model.prompt(t) for t in world("digits").tasks("train", 4)]


@pytest.fixture
def reads(random_model: Any) -> Any:
    """How many rows each pass of the network had."""
    found: list[int] = []

    def note(module: Any, args: Any, inputs: dict[str, Any]) -> None:
        found.append(len(inputs["input_ids"]))

    hook = random_model.net.model.register_forward_pre_hook(note, with_kwargs=True)
    yield found
    hook.remove()


@torch.inference_mode()
def test_each_prompt_is_read_once_while_there_is_room(
    random_model: Any, four: list[Prompt], reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Prompts(random_model)
    first = kept.read([four[0], four[1], four[0]])
    assert first[0] is first[2]
    assert len(first[1]) == len(four[1].ids)
    assert sum(reads) == 2
    assert kept.read(four[:2]) == [first[0], first[1]]
    assert sum(reads) == 2
    monkeypatch.setattr(prompts, "CPU_KEPT_BYTES", 2 * max(s.nbytes for s in first))
    kept.read([four[1], four[2]])  # room for two: the one asked for the longest time ago leaves
    kept.read([four[1]])
    assert sum(reads) == 3
    kept.read([four[0]])
    assert sum(reads) == 4


@torch.inference_mode()
def test_a_kept_prompt_holds_no_more_than_it_counts(random_model: Any, four: list[Prompt]) -> None:
    """Four prompts are read in one pass; a view of its tensors would hold all four for one."""
    for stretch in Prompts(random_model).read(four):
        held = [tensor.untyped_storage().nbytes() for tensor in (*stretch.keys, *stretch.values)]
        assert sum(held) == stretch.nbytes
        assert stretch.state.untyped_storage().nbytes() == stretch.state.nbytes


def test_the_latest_are_kept_as_bytes_and_the_size_of_a_portion_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "PORTION", 3)
    kept = {"a": 5, "b": 3, "c": 1, "d": 2}
    prompts.leave_room(kept, 100, lambda nbytes: nbytes)
    assert list(kept) == ["b", "c", "d"]
    prompts.leave_room(kept, 3, lambda nbytes: nbytes)
    assert list(kept) == ["c", "d"]
    prompts.leave_room(kept, 3, lambda nbytes: nbytes, coming=2)
    assert list(kept) == ["d"]


@torch.inference_mode()
def test_what_other_weights_made_of_a_prompt_is_not_used(
    random_model: Any, four: list[Prompt], reads: list[int]
) -> None:
    kept = Prompts(random_model)
    (before,) = kept.read(four[:1])
    bias = random_model.decoder.layers[0].input_layernorm.weight
    with torch.inference_mode(False), torch.no_grad():
        bias.mul_(2)
        (after,) = kept.read(four[:1])
        bias.div_(2)
    assert len(reads) == 2
    assert not torch.allclose(before.state, after.state)


@torch.inference_mode()
def test_what_is_given_has_the_keys_and_the_end_of_one_long_reading(random_model: Any, four: list[Prompt]) -> None:
    """Three prefixes behind two prompts, two of them in one line, against each prompt and prefix read as one."""
    given = [((5, 6, 7), (8,)), (), ((9, 10),), ((11,),)]
    of = [four[0], four[0], four[1], four[0]]
    asked = [Write(p, Sampling(), 0, (0,), given=some) for p, some in zip(of, given, strict=True)]
    kept = Prompts(random_model)
    whole = kept.whole(asked)
    for found, (plain,), some in zip(kept.go_on(asked, kept.read(of)), whole, given, strict=True):
        assert len(found) == (2 if some else 1)
        for layer in range(random_model.layers):
            keys = torch.cat([s.keys[layer] for s in found], 1)
            torch.testing.assert_close(keys, plain.keys[layer], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[-1].state, plain.state, atol=1e-4, rtol=1e-4)
        assert torch.equal(found[-1].position, plain.position)
