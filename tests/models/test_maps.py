"""Maps by hand: products of the chosen queries alone, what a reading with them is stored under and packed as."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import torch

from sharpen.models.model import IMAGE, QUESTION, SYSTEM, Prompt, Read
from sharpen.models.shares import Capture, over_image
from sharpen.packing import pack_reading, unpack_reading
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Reading, Task
from sharpen.worlds import world

PROMPT = Prompt(Task("t", "what?"), (1, 2, 3), bytes((SYSTEM, IMAGE, QUESTION)))


def capture(*mapped: tuple[int, list[int]]) -> Capture:
    """Two rows of system, two image tokens, question and response."""
    spans = torch.tensor([[SYSTEM, IMAGE, IMAGE, QUESTION, 255]] * 2)
    return Capture(frozenset({0}), spans, 4, mapped)


def by_hand() -> tuple[torch.Tensor, torch.Tensor]:
    """Two heads that share a key of width 1: with query 1 the scores are the logs of 1, 2, 4, 1 and 8; with 0 equal."""
    key = torch.tensor([1.0, 2.0, 4.0, 1.0, 8.0]).log().reshape(1, 1, 5, 1).repeat(2, 1, 1, 1)
    query = torch.zeros(2, 2, 5, 1)
    query[0, 0, 4] = 1.0
    return query, key


def test_heads_are_averaged_and_scores_scaled() -> None:
    """Position 4 sees all: head 0 gives 2/16 and 4/16 to the image, head 1 a fifth each: .1625 and .225."""
    query, key = by_hand()
    (found,) = over_image(query, key, None, 1.0, capture((0, [4])))
    torch.testing.assert_close(found, torch.tensor([[0.1625, 0.225]]))
    (found,) = over_image(query * 2, key, None, 0.5, capture((0, [4])))
    torch.testing.assert_close(found, torch.tensor([[0.1625, 0.225]]))


def test_what_comes_later_is_not_seen() -> None:
    """Position 3 sees four tokens alike; position 1 sees two, the second image token not at all."""
    query, key = by_hand()
    found = list(over_image(query, key, None, 1.0, capture((1, [3, 1]), (0, []), (0, [2]))))
    torch.testing.assert_close(found[0], torch.tensor([[0.25, 0.25], [0.5, 0.0]]))
    assert found[1].shape == (0, 2)
    torch.testing.assert_close(found[2], torch.tensor([[1 / 3, 1 / 3]]))


@pytest.mark.parametrize("added", [False, True])
def test_a_mask_rules_whatever_kind_it_is(added: bool) -> None:
    """Position 4 may see tokens 1 and 4 alone: head 0 gives 2/10 to the first image token, head 1 a half."""
    query, key = by_hand()
    mask = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    mask[..., 4, [1, 4]] = True
    given = torch.where(mask, 0.0, -torch.inf) if added else mask
    (found,) = over_image(query, key, given, 1.0, capture((0, [4])))
    torch.testing.assert_close(found, torch.tensor([[0.35, 0.0]]))


def test_many_positions_are_mapped_in_pieces_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key = by_hand()
    (whole,) = over_image(query, key, None, 1.0, capture((0, [4, 3, 2])))
    monkeypatch.setattr("sharpen.models.shares.ROWS", 2)
    (pieces,) = over_image(query, key, None, 1.0, capture((0, [4, 3, 2])))
    torch.testing.assert_close(pieces, whole)


def test_maps_of_a_line_are_those_of_each_response_alone(random_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three responses behind one prompt in one row, each with other tokens mapped."""
    prompt = random_model.prompt(world("digits").tasks("train", 1)[0])
    reads = [Read(prompt, tuple(range(5, 12)), (1, 3), maps=maps) for maps in ((6, 0), (), (3,))]
    together = dict(random_model.read(reads))
    monkeypatch.setattr(random_model.family, "packs", False)
    apart = dict(random_model.read(reads))
    for i, read in enumerate(reads):
        for layer in read.layers if read.maps else ():
            assert tuple(together[i].maps[layer]) == read.maps
            for token, shares in together[i].maps[layer].items():
                assert shares == pytest.approx(apart[i].maps[layer][token], abs=1e-6)
                assert sum(shares) == pytest.approx(together[i].attention[layer][token][1], abs=1e-6)
    assert (together[1].maps, apart[1].maps) == ({}, {})


@pytest.mark.parametrize(("layers", "maps"), [((), (0,)), ((1,), (2,)), ((1,), (-1,))])
def test_maps_without_a_layer_or_beyond_the_response_are_refused(layers: Any, maps: Any) -> None:
    with pytest.raises(ValueError, match="of a response of 2; give tokens within it and at least one layer"):
        Read(PROMPT, (4, 5), layers, maps=maps)


def test_a_reading_with_maps_is_another_one_and_one_without_keeps_its_key() -> None:
    """The key of one without was computed before there were maps."""
    plain, mapped = Read(PROMPT, (4, 5), (1,)), Read(PROMPT, (4, 5), (1,), maps=(1,))
    assert plain.key("model") == "1bb8d84776a96a2abf94bc3c1f7fcae1797db4e9f6b8e49b997dccb81c46cf2c"
    assert len({plain.key("model"), mapped.key("model"), Read(PROMPT, (4, 5), (1,), maps=(0,)).key("model")}) == 3


def test_a_packed_reading_comes_back_with_its_maps() -> None:
    shares = {2: ((0.5, 0.25, 0.125),) * 2, 3: ((0.25, 0.5, 0.125),) * 2}
    maps = {2: {1: (0.125, 0.125), 0: (0.25, 0.0)}, 3: {1: (0.5, 0.0), 0: (0.25, 0.25)}}
    reading = Reading((-0.5, -1.0), (0.5, 0.25), (0, 3), ((7,), (8,)), shares, maps)
    assert unpack_reading(pack_reading(reading)) == reading
    bare = Reading(reading.logprobs, reading.entropy, reading.rank, reading.top, shares)
    assert unpack_reading(pack_reading(bare)) == bare
    assert b"maps" not in zlib.decompress(pack_reading(bare))


def test_a_run_records_maps_beside_the_reading_without(random_model: Any, store: Store) -> None:
    store.begin("collect", 1)
    run = Run({"policy": random_model}, store, round=1)
    tasks = store.add_tasks(world("digits").tasks("train", 1))
    rollouts = run.sample(tasks, 2, max_tokens=5)[0].rollouts
    plain = run.read(rollouts, layers=(2,))
    mapped = run.read(rollouts, layers=(2,), maps=[(0,), (1, 0)])
    assert [tuple(reading.maps[2]) for reading in mapped] == [(0,), (1, 0)]
    assert [reading.maps for reading in plain] == [{}, {}]
    again = Run({"policy": random_model}, store, round=1).read(rollouts, layers=(2,), maps=[(0,), (1, 0)])
    assert again[1].maps[2][1] == pytest.approx(mapped[1].maps[2][1])
    with pytest.raises(ValueError, match="zip"):
        run.read(rollouts, layers=(2,), maps=[(0,)])
