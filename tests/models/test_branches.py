"""Prompts held once for many rows: attention is what each row with its own copy would see, and seats are not wasted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sharpen.models import branches
from sharpen.models.branches import Branches
from sharpen.models.model import Sampling, Write
from sharpen.models.prompts import Stretch
from sharpen.types import Task
from sharpen.worlds import world

HEADS, EACH, WIDTH = 2, 3, 4


def read(*lengths: int) -> list[Stretch]:
    """Prompts of these lengths, as a network of one layer has read them."""
    ends = torch.zeros(2)
    return [Stretch(*((some,) for some in torch.randn(2, HEADS, n, WIDTH)), *ends) for n in lengths]


def expected(seen: tuple[torch.Tensor, torch.Tensor], query: torch.Tensor) -> torch.Tensor:
    """Softmax attention of one row's queries (key heads, heads of each, width) to keys and values of its own."""
    keys, values = seen
    return torch.softmax(query @ keys.mT, -1) @ values


def test_rows_see_their_prompt_and_own_tokens_as_if_each_had_a_copy() -> None:
    """Prompts of 5, 3 and 4 tokens, rows in no order; then rows leave, and a prompt of 2 tokens enters."""
    torch.manual_seed(0)
    held = Branches(1)
    first, second = read(5, 3, 4), read(2)
    held.admit(first, np.array([2, 0, 0, 1, 0]))
    held.keep(np.array([4, 0, 2]))  # of prompts 0, 2, 0
    held.admit(second, np.array([0, 0]))
    told = [first[0], first[2], first[0], second[0], second[0]]
    query, (key, value) = torch.randn(5, HEADS, EACH, WIDTH), torch.randn(2, 5, HEADS, 3, WIDTH)
    own = torch.arange(3) >= torch.tensor([0, 1, 2, 2, 0])[:, None]
    found = held.look(0, query, key, value, held.sees(own))
    for row, prompt in enumerate(told):
        both = [
            torch.cat([of_prompt[0], mine[row][:, own[row]]], 1)
            for of_prompt, mine in ((prompt.keys, key), (prompt.values, value))
        ]
        torch.testing.assert_close(found[row], expected((both[0], both[1]), query[row]))
    assert held.longest == 5
    held.keep(np.array([3, 4]))
    assert (held.longest, len(held.lengths)) == (2, 1)  # no row goes on from the first three


@pytest.mark.parametrize(
    ("rows", "prompts", "seats"),
    [
        ([3, 3, 3], 3, 3),  # 3 x (3 + 5) = 24, with one seat each 9 x (1 + 5) = 54
        ([9, *[1] * 8], 17, 1),  # one seat: 17 x (1 + 5) = 102; nine seats: 9 x (9 + 5) = 126
        ([6, 3], 2, 6),  # 2 x (6 + 5) = 22, with three seats each 3 x (3 + 5) = 24
    ],
)
def test_a_prompt_with_far_more_rows_than_others_is_held_repeatedly(rows: list[int], prompts: int, seats: int) -> None:
    held = Branches(1)
    held.admit(read(*[2] * len(rows)), np.repeat(np.arange(len(rows)), rows))
    assert len(held.lengths) == prompts
    assert len(held.rows) == prompts * seats
    assert sorted(held.seat.tolist()) == sorted(set(held.seat.tolist()))
    assert held.rows[held.seat].tolist() == list(range(sum(rows)))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the prompts that rows look at, one for each layer and step."""
    found: list[tuple[int, ...]] = []
    plain = Branches.look

    def noted(held: Branches, layer: int, *args: Any) -> torch.Tensor:
        found.append(tuple(held.keys[layer].shape))
        return plain(held, layer, *args)

    monkeypatch.setattr(Branches, "look", noted)
    return found


def test_attempts_are_the_same_with_a_prompt_of_their_own(
    random_model: Any, monkeypatch: pytest.MonkeyPatch, looks: list[tuple[int, ...]]
) -> None:
    """Two tasks, one of them with four prefixes of different lengths, the shorter prompt with the longest prefix."""
    prompts = sorted((random_model.prompt(t) for t in mixed()), key=lambda p: len(p.ids))
    hot = Sampling(1.0, max_tokens=9)
    given = [(), (7,), (7, 8, 9), tuple(range(40, 60))]
    asked = [Write(prompts[0], hot, i, (0, 1), given=(some,)) for i, some in enumerate(given)]
    asked.append(Write(prompts[-1], hot, 9, tuple(range(5))))
    shared = {(w.request, w.attempt): w.part for w in random_model.write(asked)}
    # One pass reads both prompts; each is held once, or once for each of the lines that share found cheaper.
    assert looks
    assert looks[0][2] == len(prompts[-1].ids)
    seen = len(looks)
    monkeypatch.setitem(random_model.__dict__, "branches", False)
    for w in random_model.write(asked):
        part = shared[w.request, w.attempt]
        assert w.part.ids == part.ids
        np.testing.assert_allclose(w.part.logprobs or (), part.logprobs or (), atol=1e-4)
    assert len(looks) == seen


def mixed() -> list[Task]:
    return [*world("digits").tasks("train", 2), *world("shapes").tasks("train", 2)]


def test_a_model_whose_attention_is_its_own_keeps_prompts_in_rows(
    random_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, config = random_model.net.model, random_model.decoder.config
    assert branches.dispatches(net, config, random_model.layers)
    assert config._attn_implementation == "sdpa"
    assert not branches.dispatches(net, config, random_model.layers + 1)  # a layer that does not ask the library
    plain = branches.sdpa_attention_forward
    monkeypatch.setattr(branches, "sdpa_attention_forward", lambda *a, softcap=None, **k: plain(*a, **k))
    layer = random_model.decoder.layers[-1].self_attn
    forward = layer.forward
    monkeypatch.setattr(layer, "forward", lambda *a, **k: forward(*a, softcap=20.0, **k))
    assert not branches.dispatches(net, config, random_model.layers)
