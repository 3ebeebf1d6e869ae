"""The transformers backend on a random LLaVA: what it writes and reads equals the plain route."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from sharpen.models import prompts
from sharpen.models.draws import draw, keep_likeliest, streams, uniforms
from sharpen.models.hf import Row
from sharpen.models.model import Read, Sampling, Write
from sharpen.types import Task
from sharpen.views import blind, question_first
from sharpen.worlds import world

HOT = Sampling(1.0, max_tokens=24)


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    """Prompts of different lengths: digits and shapes, in both orders and without the image."""
    made = [*world("digits").tasks("train", 4), *world("shapes").tasks("train", 4)]
    return [*made[:3], question_first(made[3]), *made[4:7], blind(made[7])]


def write(
    model: Any, tasks: list[Task], sampling: Sampling, attempts: tuple[int, ...] = (0, 1, 2)
) -> dict[tuple[int, int], Any]:
    requests = [Write(model.prompt(t), sampling, 100 + i, attempts) for i, t in enumerate(tasks)]
    return {(w.request, w.attempt): w for w in model.write(requests)}


def test_every_attempt_is_written_once_and_its_draws_do_not_depend_on_the_batch(
    random_model: Any, tasks: list[Task]
) -> None:
    together = write(random_model, tasks, HOT)
    assert sorted(together) == [(i, a) for i in range(len(tasks)) for a in range(3)]
    for i, task in enumerate(tasks):
        (alone,) = random_model.write([Write(random_model.prompt(task), HOT, 100 + i, (1,))])
        assert alone.part.ids == together[i, 1].part.ids
    assert together[0, 0].part.ids != together[0, 1].part.ids


def test_readings_equal_the_plain_forward(random_model: Any, tasks: list[Task]) -> None:
    ids = tuple(range(5, 25))
    readings = dict(random_model.read([Read(random_model.prompt(t), ids, top=3) for t in tasks]))
    for i, task in enumerate(tasks):
        prompt = random_model.prompt(task)
        with torch.no_grad():
            logits = (
                random_model.net(**random_model.inputs([Row(prompt, ids)])).logits[0, len(prompt.ids) - 1 : -1].float()
            )
        logits[:, list(random_model.render.banned)] = -torch.inf
        logprobs = logits.log_softmax(-1)
        own = logprobs[torch.arange(len(ids)), torch.tensor(ids)]
        entropy = -(logprobs.exp() * logprobs).nan_to_num().sum(-1)
        assert readings[i].logprobs == pytest.approx(own.tolist(), abs=1e-4)
        assert readings[i].entropy == pytest.approx(entropy.tolist(), abs=1e-4)
        order = logprobs.argsort(-1, descending=True)
        assert readings[i].top == tuple(map(tuple, order[:, :3].tolist()))
        assert readings[i].rank == tuple((row == t).nonzero().item() for row, t in zip(order, ids, strict=True))


def test_pictures_of_a_portion_are_kept_as_tensors_the_latest_ones(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "PORTION", 2)
    random_model._pixels.clear()
    asked = [random_model.prompt(t) for t in tasks[:3]]
    first, second, third = ((t.images[0].sha256,) for t in tasks[:3])
    whole = random_model.pixels(asked)["pixel_values"]
    assert len(whole) == 3  # those in use are there, however many
    assert list(random_model._pixels) == [second, third]
    random_model.pixels([asked[1]])
    again = random_model.pixels([asked[0]])["pixel_values"]
    assert list(random_model._pixels) == [second, first]
    assert torch.equal(again, whole[:1])


def test_attention_shares_equal_the_eager_route(random_model: Any, tasks: list[Task]) -> None:
    lengths = [3, 17, 30, 9, 1, 22, 5, 12]
    reads = [
        Read(random_model.prompt(t), tuple(range(4, 4 + n)), (0, 2, 3)) for t, n in zip(tasks, lengths, strict=True)
    ]
    readings = dict(random_model.read(reads))
    net = random_model.net
    net.set_attn_implementation("eager")
    try:
        for i, read in enumerate(reads):
            with torch.no_grad():
                out = net(**random_model.inputs([Row(read.prompt, read.ids)]), output_attentions=True)
            spans = np.frombuffer(read.prompt.spans, dtype=np.uint8)
            for layer in (0, 2, 3):
                rows = out.attentions[layer][0].mean(0)[len(read.prompt.ids) :, : len(read.prompt.ids)].numpy()
                expected = np.stack([rows[:, spans == code].sum(-1) for code in range(3)], -1)
                np.testing.assert_allclose(np.array(readings[i].attention[layer]), expected, atol=1e-5)
    finally:
        net.set_attn_implementation("sdpa")


def test_long_responses_are_read_in_pieces_alike(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Read(random_model.prompt(tasks[0]), tuple(range(4, 44)), (2,))
    ((_, whole),) = random_model.read([read])
    monkeypatch.setattr("sharpen.models.reading.LOGITS", 5000)
    ((_, pieces),) = random_model.read([read])
    np.testing.assert_allclose(pieces.attention[2], whole.attention[2], atol=1e-6)
    assert pieces.logprobs == pytest.approx(whole.logprobs, abs=1e-5)


def test_first_tokens_are_drawn_as_often_as_the_model_says(random_model: Any, tasks: list[Task]) -> None:
    """Chi-square of 4,000 draws against the softmax, ids with an expected count under 5 pooled."""
    prompt = random_model.prompt(tasks[0])
    one = Sampling(1.0, max_tokens=1)
    drawn = [w.part.ids[0] for w in random_model.write([Write(prompt, one, s, tuple(range(200))) for s in range(20)])]
    with torch.no_grad():
        logits = random_model.net(**random_model.inputs([Row(prompt, ())])).logits[0, -1].double()
    logits[list(random_model.render.banned)] = -torch.inf
    expected = logits.softmax(-1).numpy() * len(drawn)
    observed = np.bincount(drawn, minlength=len(expected))
    small = expected < 5
    f_obs = [*observed[~small], observed[small].sum()]
    f_exp = [*expected[~small], expected[small].sum()]
    assert stats.chisquare(f_obs, f_exp).pvalue > 1e-3


def test_uniforms_are_uniform_and_differ_by_address_and_step() -> None:
    of = streams([(seed, attempt) for seed in range(50) for attempt in range(20)])
    values = np.concatenate([uniforms(of, step) for step in range(20)])
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    assert len(np.unique(values)) == len(values)
    assert (uniforms(of[:3], 4) == uniforms(of, 4)[:3]).all()


def test_draw_inverts_the_distribution_and_never_takes_what_is_impossible() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.0, 0.5, 0.3, 0.0]]))
    at = {
        u: draw(logits, np.array([u]), Sampling(1.0)).item() for u in (0.0, 0.19, 0.21, 0.69, 0.71, np.nextafter(1, 0))
    }
    assert list(at.values()) == [0, 0, 2, 2, 3, 3]
    assert draw(logits, np.array([0.99]), Sampling(0.0)).item() == 2


def test_top_k_and_top_p_keep_the_likeliest() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.4, 0.2, 0.3]]))
    kept = lambda sampling: keep_likeliest(logits, sampling)[0].isfinite().tolist()  # noqa: E731
    assert kept(Sampling(top_k=2)) == [False, True, False, True]
    assert kept(Sampling(top_p=0.65)) == [False, True, False, True]
    assert kept(Sampling(top_p=0.75)) == [False, True, True, True]


def test_identity_follows_the_weights_and_not_the_name(random_model: Any, random_folder: Any, tmp_path: Any) -> None:
    import shutil

    from sharpen.models import load

    shutil.copytree(random_folder, tmp_path / "copy")
    assert load(str(tmp_path / "copy")).identity == random_model.identity
    other = load(str(tmp_path / "copy"))
    with torch.no_grad():
        next(other.net.parameters()).add_(1e-2)
    other.net.save_pretrained(tmp_path / "copy")
    assert load(str(tmp_path / "copy")).identity != random_model.identity
