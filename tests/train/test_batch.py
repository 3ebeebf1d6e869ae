"""From examples to loss on a random model: weights, masks, pairs and advantages by hand-worked numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from support import make_task

from sharpen.examples import Imitate, Prefer, Reinforce
from sharpen.train import Train
from sharpen.train.batch import Batch, Unit, advantages, collate, rows_of, units
from sharpen.train.layout import passes
from sharpen.train.objectives import loss
from sharpen.types import Part, Rollout
from sharpen.verbs import rollouts_of


def rollout(key: str, *parts: Part) -> Rollout:
    return Rollout(key, make_task(), make_task(), parts, "stop", "m")


def part(n: int, by: Any = "model", logprob: float | None = None) -> Part:
    return Part(tuple(range(5, 5 + n)), "x" * n, by, None if logprob is None else (logprob,) * n)


def filled(model: Any, examples: list[Any], values: list[list[float]], reference: Any = None) -> Batch:
    """A batch whose log-probs are given: one list per attempt, one value per response token."""
    (batch,) = step(model, examples, reference or {}, packs=False)
    batch.logprobs = torch.full(batch.mask.shape, 7.0)
    for row, rollout in zip(values, rollouts_of(examples), strict=True):
        batch.logprobs[batch.row[rollout.key], : len(row)] = torch.tensor(row)
    return batch


def step(model: Any, examples: list[Any], reference: Any, packs: bool, most: int = 16) -> list[Batch]:
    """The forward passes of one step."""
    some = units(examples)
    parts = passes(some, rows_of(model, some), packs=packs, most=most, width=128)
    return [collate(model, bundles, reference) for bundles in parts]


def test_every_attempt_weighs_the_same_whatever_its_length(random_model: Any) -> None:
    """Two tokens of NLL 1 and 3 have mean 2, eight of NLL 1 have mean 1: (2 + 1) / 2 = 1.5; by token it were 1.2."""
    examples = [Imitate(rollout("short", part(2))), Imitate(rollout("long", part(8)))]
    batch = filled(random_model, examples, [[-1.0, -3.0], [-1.0] * 8])
    assert loss(batch, Train()).item() == pytest.approx(1.5)


def test_weights_scale_an_example(random_model: Any) -> None:
    examples = [Imitate(rollout("a", part(2)), weight=0.5), Imitate(rollout("b", part(2)))]
    batch = filled(random_model, examples, [[-2.0, -2.0], [-1.0, -1.0]])
    assert loss(batch, Train()).item() == pytest.approx((0.5 * 2 + 1) / 2)


def test_only_what_the_model_or_a_teacher_wrote_is_trained(random_model: Any) -> None:
    """NLL 1 and 3 count; the forced and the tool's tokens do not, however unlikely."""
    parts = (part(1), part(2, "forced"), part(1, "teacher"), part(3, "tool"))
    batch = filled(random_model, [Imitate(rollout("a", *parts))], [[-1.0, -90.0, -90.0, -3.0, -90.0, -90.0, -90.0]])
    assert batch.mask.sum() == 2
    assert loss(batch, Train()).item() == pytest.approx(2.0)


def test_a_prefix_that_the_model_wrote_earlier_is_trained_whole(random_model: Any) -> None:
    resumed = replace(rollout("a", part(2), part(1), part(3)), given=2, parent="p")
    batch = filled(random_model, [Imitate(resumed)], [[-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]])
    assert loss(batch, Train()).item() == pytest.approx(3.5)


def test_prefer_is_dpo_against_the_starting_model_and_joins_imitate_on_the_same_attempt(random_model: Any) -> None:
    """Sums -2 and -6 against -3 and -5: margin 2, β 0.1: -log σ(0.2) = 0.5981; with α 0.5 of NLL 1: 1.0981."""
    chosen, rejected = rollout("c", part(2)), rollout("r", part(3))
    reference = {"c": (-1.5, -1.5), "r": (-2.0, -2.0, -1.0)}
    pair: list[Any] = [Prefer(chosen, rejected)]
    values = [[-1.0, -1.0], [-2.0, -2.0, -2.0]]
    assert loss(filled(random_model, pair, values, reference), Train()).item() == pytest.approx(0.59814, abs=1e-4)
    both = [*pair, Imitate(chosen, weight=0.5)]
    assert len(units(both)) == 1
    assert loss(filled(random_model, both, values, reference), Train()).item() == pytest.approx(1.09814, abs=1e-4)


def test_reinforce_moves_with_the_advantage_and_clips(random_model: Any) -> None:
    """Ratios e^0.5 = 1.649, clipped to 1.2, with advantage 2: -2.4; and e^-0.1 = .905 with advantage -1: +.905."""
    up = Reinforce(rollout("up", part(2, logprob=-1.0)), 2.0)
    down = Reinforce(rollout("down", part(1, logprob=-1.0)), -1.0)
    batch = filled(random_model, [up, down], [[-0.5, -0.5], [-1.1]])
    assert loss(batch, Train()).item() == pytest.approx((-2.4 + 0.904837) / 2, abs=1e-5)


def test_one_advantage_per_part_of_the_model(random_model: Any) -> None:
    parts = (part(2, logprob=-1.0), part(1, "tool"), part(1, logprob=-1.0))
    example = Reinforce(rollout("a", *parts), (1.0, -3.0))
    batch = filled(random_model, [example], [[-1.0, -1.0, -9.0, -1.0]])
    assert advantages(batch, [example])[0].tolist() == [1.0, 1.0, 0.0, -3.0]
    assert loss(batch, Train()).item() == pytest.approx(-(1 + 1 - 3) / 3)
    with pytest.raises(ValueError, match="has 2 parts by the model and 1 advantages"):
        advantages(batch, [replace(example, advantage=(1.0,))])


def test_unknown_sampling_logprobs_are_taken_from_the_starting_model(random_model: Any) -> None:
    example = Reinforce(rollout("a", part(1), part(1, logprob=-1.0)), 1.0)
    (batch,) = step(random_model, [example], {"a": (-2.0, -5.0)}, packs=True)
    assert batch.old[0].tolist() == [-2.0, -1.0]


def test_an_example_may_bring_its_own_objective(random_model: Any) -> None:
    @dataclass(frozen=True)
    class Longest:
        rollout: Rollout

        @staticmethod
        def objective(examples: list[Any], batch: Batch, settings: Train) -> torch.Tensor:
            return torch.tensor([float(len(e.rollout.ids)) for e in examples])

    batch = Batch([Unit((Longest(rollout("a", part(4))),))], {}, {}, 0, *[torch.zeros(1, 1)] * 5)
    assert loss(batch, Train()).item() == 4.0
