"""Layouts of a training step: each prompt once, little padding, and the same loss and gradients as the plain route."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from support import make_task

from sharpen.examples import Imitate, Prefer
from sharpen.models.hf import Row
from sharpen.models.lines import PASS, Line, Size, packed, places, split
from sharpen.models.model import Prompt
from sharpen.train import Train
from sharpen.train.batch import Unit, collate, rows_of, units
from sharpen.train.layout import passes
from sharpen.train.trainer import ExampleTrainer, prepare, resolved
from sharpen.types import Part, Rollout, Task
from sharpen.worlds import world
from sharpen.worlds.corpus import WORLDS


def attempt(key: str, task: Task, ids: range) -> Rollout:
    return Rollout(key, task, task, (Part(tuple(ids), ""),), "stop", "m")


@pytest.fixture
def examples() -> list[Any]:
    """Four attempts at one task, a pair at another, and one at a third, of different lengths."""
    a, b, c = world("digits").tasks("train", 3)
    pair = Prefer(attempt("b1", b, range(5, 14)), attempt("b2", b, range(8, 40)))
    imitated = [Imitate(attempt(f"a{n}", a, range(5, 9 + 7 * n))) for n in range(4)]
    return [*imitated, pair, Imitate(pair.chosen, weight=0.5), Imitate(attempt("c", c, range(6, 26)))]


def gradients(model: Any, examples: list[Any], packs: bool, most: int) -> tuple[float, list[torch.Tensor], int]:
    """Loss, gradients and positions computed of one step laid out so."""
    some = units(examples)
    reference = {r.key: (-6.0,) * len(r.ids) for u in some for r in u.rollouts}
    runner = ExampleTrainer.__new__(ExampleTrainer)
    runner.settings, runner.subject = Train(), model
    model.net.zero_grad()
    total = positions = 0
    for bundles in passes(some, rows_of(model, some), packs=packs, most=most, width=128):
        batch = collate(model, bundles, reference)
        positions += batch.inputs["input_ids"].numel()
        value = runner._loss(batch) * len(batch.units) / len(some)  # pyright: ignore[reportPrivateUsage]
        value.backward()
        total += value.item()
    return total, [p.grad.clone() for p in model.net.parameters() if p.grad is not None], positions


def test_shared_prompts_and_any_split_give_the_plain_loss_and_gradients(
    random_folder: Any, examples: list[Any]
) -> None:
    from sharpen.models import load

    model = load(str(random_folder))
    prepare(model, resolved(Train(), model))
    model.net.eval()
    plain, expected, wide = gradients(model, examples, packs=False, most=1)
    for packs, most in ((True, 16), (True, 2), (False, 16)):
        value, found, positions = gradients(model, examples, packs, most)
        assert value == pytest.approx(plain, abs=1e-5)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
        if packs and most == 16:
            assert positions < 0.75 * wide  # 3 prompts of 50 instead of 7


def test_at_most_a_tenth_of_what_a_step_computes_is_padding(random_model: Any) -> None:
    """Steps of 16 of 320 attempts at 64 digits tasks, in the styles of such attempts; padded to one width each, more.

    Pictures do not matter to lengths, and are left out.
    """
    place, stream, some = WORLDS["digits"], Random(0), list[Unit]()
    rows: dict[str, Row] = {}
    for n, task in enumerate(place.tasks("train", 64)):
        for a in range(5):
            truth = place.ask(stream.choice(place.kinds), stream)
            said = random_model.part(place.write(truth, stream.choice(("careful", "slipping", "blind")), stream))
            rollout = Rollout(f"{n}-{a}", task, task, (said,), "stop", "m")
            some.append(Unit((Imitate(rollout),)))
            rows[rollout.key] = Row(random_model.prompt(task), rollout.ids)
    stream.shuffle(some)
    plain = tokens = positions = 0
    for at in range(0, len(some), 16):
        step = some[at : at + 16]
        lengths = [len(rows[u.rollouts[0].key]) for u in step]
        plain += max(lengths) * 16 - sum(lengths)
        for bundles in passes(step, rows, packs=True, most=16, width=random_model.width):
            lines = [line for b in bundles for line in b.lines]
            positions += packed(lines)["input_ids"].numel()
            tokens += sum(line.length for line in lines)
    assert 0 < (positions - tokens) / positions <= 0.10
    assert plain / (plain + sum(map(len, rows.values()))) > 0.11


def test_attempts_behind_one_prompt_do_not_see_each_other() -> None:
    """Prompt 1 2, responses 3 4 and 5: token 5 stands at position 2 and sees the prompt and itself alone."""
    line = Line(Prompt(make_task(), (1, 2), b"\0\0"), ((3, 4), (5,)))
    short = Line(Prompt(make_task(), (7,), b"\0"), ((8,),))
    made = packed([line, short])
    assert made["input_ids"].tolist() == [[1, 2, 3, 4, 5], [7, 8, 0, 0, 0]]
    assert made["position_ids"].tolist() == [[0, 1, 2, 3, 2], [0, 1, 0, 0, 0]]
    assert made["attention_mask"][0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    assert made["attention_mask"][1, 0, 1].tolist() == [True, True, False, False, False]
    assert list(places([line, short])) == [(0, 1, 2), (0, 1, 4), (1, 0, 1)]
    assert "attention_mask" not in packed([short])


def test_passes_are_cut_where_a_pass_costs_less_than_the_padding() -> None:
    """Rows of 10, 10 and 500: together 1,500 positions, apart 520 and one more pass."""
    cut, total = split([Size(1, 10), Size(1, 500), Size(1, 10)], most=16, budget=10**6, width=10**9)
    assert [sorted(some) for some in cut] == [[0, 2], [1]]
    assert total == pytest.approx(2 * PASS + 20 + 500)
    cut, _ = split([Size(1, 100), Size(1, 110)], most=16, budget=10**6, width=10**9)
    assert len(cut) == 1
    assert len(split([Size(1, 100)] * 5, most=2, budget=10**6, width=10**9)[0]) == 3
    assert len(split([Size(1, 100)] * 4, most=9, budget=200, width=10**9)[0]) == 2


def test_a_long_line_is_not_made_where_attention_would_cost_more_than_the_prompts() -> None:
    """Ten responses of 2,000 behind a prompt of 50: one line of 20,050 is dearer than ten of 2,050 at width 128."""
    task = replace(make_task(), images=())
    some = [Unit((Imitate(attempt(f"k{n}", task, range(2000))),)) for n in range(10)]
    rows = {u.rollouts[0].key: Row(Prompt(task, (1,) * 50, bytes(50)), u.rollouts[0].ids) for u in some}
    assert all(len(b.lines) == 1 for part in passes(some, rows, packs=True, most=16, width=128) for b in part)
    lines = [line for part in passes(some, rows, packs=True, most=16, width=128) for b in part for line in b.lines]
    assert len(lines) == 10
    few = {key: Row(Prompt(task, (1,) * 500, bytes(500)), row.response[:20]) for key, row in rows.items()}
    (part,) = passes(some, few, packs=True, most=16, width=128)
    assert [len(line.responses) for b in part for line in b.lines] == [10]
