"""Weights of four bits, on the CPU, with bitsandbytes itself: they answer, and adapters are trained beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sharpen.cli import RunOptions
from sharpen.errors import ModelError, Unsupported, UserError
from sharpen.examples import Imitate
from sharpen.models import load, loading
from sharpen.models.model import Read, Sampling, Write
from sharpen.models.settings import Loading
from sharpen.train import Train, trainer
from sharpen.types import Rollout
from sharpen.worlds import world

FOUR = Loading(quantize="4bit", device="cpu")


@pytest.fixture(scope="module")
def rounded(random_folder: Path) -> Any:
    return load(str(random_folder), FOUR)


@pytest.fixture(scope="module")
def examples(rounded: Any) -> list[Imitate]:
    tasks = world("digits").tasks("train", 4)
    parts = map(rounded.part, world("digits").seed_traces(tasks))
    return [Imitate(Rollout(f"k{t.id}", t, t, (part,), "stop", "hand")) for t, part in zip(tasks, parts, strict=True)]


def test_it_has_a_quarter_of_the_bits_and_reads_what_it_wrote(rounded: Any, random_model: Any) -> None:
    layer = rounded.decoder.layers[0].mlp.up_proj
    assert (type(layer).__name__, layer.weight.dtype) == ("Linear4bit", torch.uint8)
    assert layer.weight.numel() * 2 == random_model.decoder.layers[0].mlp.up_proj.weight.numel()
    assert not rounded.exact
    (task,) = world("digits").tasks("train", 1)
    (written,) = rounded.write([Write(rounded.prompt(task), Sampling(1.0, max_tokens=12), 3, (0,))])
    read = Read(rounded.prompt(task), written.part.ids)
    readings = [next(iter(model.read([read])))[1].logprobs for model in (rounded, random_model)]
    assert readings[0] == pytest.approx(written.part.logprobs, abs=1e-4)
    assert readings[1] != pytest.approx(written.part.logprobs, abs=1e-2)
    assert rounded.identity != random_model.identity


def test_adapters_are_trained_beside_rounded_weights_and_merged_into_those_of_the_folder(
    rounded: Any, random_model: Any, examples: list[Any], tmp_path: Path
) -> None:
    settings = Train(lr=2e-2, epochs=6, batch=4, lora=4, warmup=0.0)
    trained = trainer.train(rounded, examples, settings, tmp_path / "m", dict, 0)
    curve = [e["loss"] for e in json.loads((tmp_path / "m" / "training.json").read_text())["curve"] if "loss" in e]
    assert curve[-1] < curve[0] - 0.5
    assert trained.rounded
    full, beside = load(str(tmp_path / "m")), load(str(tmp_path / "m" / "adapter"))
    before, after, other = (dict(m.net.named_parameters()) for m in (random_model, full, beside))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model" in name and "proj" in name for name in changed)
    # Small steps from the weights as they lie in the folder: nothing of the rounding is left in them.
    low = [(after[name] - before[name]).float() for name in changed]
    assert all(int(torch.linalg.matrix_rank(step, rtol=1e-3)) <= 4 for step in low)
    assert all(torch.equal(after[name], other[name]) for name in after)
    reads = [Read(full.prompt(e.rollout.task), e.rollout.ids) for e in examples]
    nll = [-sum(sum(r.logprobs) for _, r in m.read(reads)) for m in (rounded, trained, full)]
    assert nll[1] < nll[0]
    assert nll[2] < nll[0]


def test_every_layer_of_the_decoder_gets_a_gradient(rounded: Any, examples: list[Any]) -> None:
    """Also with activations made anew: kernels without gradients would leave the first layers as they are."""
    for again in (False, True):
        model = rounded.again("float32")
        settings = Train(lora=2, gradient_checkpointing=again)
        net = trainer.prepare(model, settings)
        recipe = trainer.resolved(settings, model)
        units = trainer.units(examples[:1])
        (batch,) = trainer.lay_out(model, units, recipe, {})
        model.net.model(**batch.inputs, use_cache=False).last_hidden_state.square().sum().backward()
        grown = {n for n, p in net.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
        assert grown == {n for n, p in net.named_parameters() if p.requires_grad and "lora_B" in n}
        assert len(grown) == 7 * model.layers


def test_rounded_weights_themselves_are_not_trained(rounded: Any, examples: list[Any], tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"rounded weights, which cannot be trained; .* --train\.lora RANK"):
        trainer.train(rounded, examples, Train(), tmp_path / "m", dict, 0)
    with pytest.raises(UserError, match=r"--loading\.quantize 4bit cannot be used; give --train\.lora RANK"):
        RunOptions(loading=FOUR)
    assert RunOptions(loading=FOUR, train=Train(lora=8)).train.lora == 8


def test_a_folder_of_rounded_weights_answers_and_is_not_trained(
    rounded: Any, examples: list[Any], tmp_path: Path
) -> None:
    loading.write_whole(rounded.again("float32").net, rounded, tmp_path / "m")
    stored = load(str(tmp_path / "m"), Loading(device="cpu"))
    assert stored.rounded
    read = Read(rounded.prompt(examples[0].rollout.task), examples[0].rollout.ids)
    one, other = (next(iter(m.read([read])))[1].logprobs for m in (stored, rounded))
    assert one == pytest.approx(other, abs=1e-3)
    asked = {"base_model_name_or_path": str(tmp_path / "m"), "peft_type": "LORA"}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "adapter_config.json").write_text(json.dumps(asked))
    (tmp_path / "a" / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be merged into the rounded weights in"):
        load(str(tmp_path / "a"), Loading(device="cpu"))
    with pytest.raises(Unsupported, match="to which trained adapters cannot be added exactly; give the model that"):
        trainer.train(stored, examples, Train(lora=2), tmp_path / "t", dict, 0)


def test_what_cannot_be_rounded_is_refused(random_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="quantize '8bit' needs a CUDA device, not cpu"):
        load(str(random_folder), replace(FOUR, quantize="8bit"))
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"quantize '4bit' needs bitsandbytes: pip install 'sharpen\[quantize\]'"):
        load(str(random_folder), FOUR)
