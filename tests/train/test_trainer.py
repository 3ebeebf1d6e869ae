"""The trainer on a random model: what it changes, what it leaves alone, and that it goes on after a crash."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from sharpen import trackers
from sharpen.errors import ModelError, StoreError, TrainError
from sharpen.examples import Imitate, Prefer
from sharpen.models import load
from sharpen.models.model import Sampling, Write
from sharpen.train import Train, record, trainer
from sharpen.types import Part, Rollout
from sharpen.worlds import world

FAST = Train(lr=3e-3, epochs=3, batch=4, micro_batch=2)


@pytest.fixture(scope="module")
def examples(random_model: Any) -> list[Imitate]:
    """Correct traces of ten digits tasks, written by hand, as token ids."""
    tasks = world("digits").tasks("train", 10)
    texts = world("digits").seed_traces(tasks)
    made: list[Imitate] = []
    for task, text in zip(tasks, texts, strict=True):
        ids = (*random_model.render.tokenizer(text, add_special_tokens=False).input_ids, *random_model.render.stop_ids)
        made.append(Imitate(Rollout(f"k{task.id}", task, task, (Part(tuple(ids), text, "teacher"),), "stop", "hand")))
    return made


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in load(str(folder)).net.named_parameters()}


def test_training_learns_the_examples_and_leaves_tower_and_projector_alone(
    random_model: Any, examples: list[Any], tmp_path: Path
) -> None:
    trained = trainer.train(random_model, examples, FAST, tmp_path / "m", dict, 0)
    curve = [
        entry["loss"]
        for entry in json.loads((tmp_path / "m" / "training.json").read_text())["curve"]
        if "loss" in entry
    ]
    assert curve[-1] < curve[0] - 0.5
    before, after = weights(random_model.folder), weights(tmp_path / "m")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    frozen = {name for name in before if name.startswith(random_model.frozen)}
    assert frozen
    assert changed == set(before) - frozen
    assert trained.identity != random_model.identity
    assert not list(tmp_path.glob("*.work-*"))


def test_trackers_are_told_of_each_step_what_the_library_logs(
    random_model: Any, examples: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, dict[str, float]]] = []

    class Kept:
        package = "json"

        def __init__(self, line: trackers.Line) -> None:
            assert (line.name, line.group, line.first) == ("run-round-1", "run", 1)

        def log(self, figures: dict[str, float], step: int) -> None:
            told.append((step, figures))

        def close(self) -> None:
            told.append((0, {}))

    monkeypatch.setitem(trackers.KINDS, "kept", Kept)
    tracking = trackers.Tracking(["kept"], tmp_path / "run", "made", {})
    folder = record.place(tmp_path / "run", 1)
    trainer.train(random_model, examples, FAST, folder, dict, 0, tracking)
    curve = [entry for entry in record.read(folder)["curve"] if "loss" in entry]
    names = ("loss", "learning_rate", "grad_norm")
    assert told == [*((e["step"], {f"train/{n}": e[n] for n in names}) for e in curve), (0, {})]
    assert len(curve) == 9
    trainer.train(random_model, examples, FAST, folder, dict, 0, tracking)
    assert len(told) == 10  # what is loaded is not told again


def test_the_first_loss_is_the_mean_over_attempts_of_their_mean_token_nll(
    random_model: Any, examples: list[Any], tmp_path: Path
) -> None:
    """Against the readings of the same attempts: another route to the same number, accumulation included."""
    from sharpen.models.model import Read

    trainer.train(random_model, examples[:4], Train(lr=1e-3, epochs=1, batch=4, micro_batch=2), tmp_path / "m", dict, 0)
    (first, *_) = json.loads((tmp_path / "m" / "training.json").read_text())["curve"]
    reads = [Read(random_model.prompt(e.rollout.task), e.rollout.ids) for e in examples[:4]]
    nll = [-sum(r.logprobs) / len(r.logprobs) for _, r in random_model.read(reads)]
    assert first["loss"] == pytest.approx(sum(nll) / 4, abs=1e-4)


def test_attempts_weigh_the_same_when_the_last_step_is_not_full(
    random_model: Any, examples: list[Any], tmp_path: Path
) -> None:
    """Seven attempts, six a step, two at a time: the second step is one attempt, and one step of 1/7 epoch at rate 0
    must report the plain mean of six."""
    from sharpen.models.model import Read

    settings = Train(lr=1e-9, epochs=1, batch=6, micro_batch=4)  # 4 does not divide 6: the library would make it 4
    trainer.train(random_model, examples[:7], settings, tmp_path / "m", dict, 0)
    curve = [e for e in json.loads((tmp_path / "m" / "training.json").read_text())["curve"] if "loss" in e]
    assert len(curve) == 2
    reads = [Read(random_model.prompt(e.rollout.task), e.rollout.ids) for e in examples[:7]]
    nll = [-sum(r.logprobs) / len(r.logprobs) for _, r in sorted(random_model.read(reads), key=lambda pair: pair[0])]
    # The order is the seed's; the two losses are a mean of six and the remaining one.
    six, one = curve[0]["loss"], curve[1]["loss"]
    assert min(abs(one - value) for value in nll) < 1e-3
    assert 6 * six + one == pytest.approx(sum(nll), abs=1e-2)


class Crash(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt


def test_an_interrupted_training_goes_on_from_its_checkpoint_to_the_same_weights(
    random_model: Any, examples: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer.train(random_model, examples, FAST, tmp_path / "whole", dict, 0)
    steps = trainer.Steps
    monkeypatch.setattr(trainer, "Steps", Crash)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(random_model, examples, FAST, tmp_path / "cut", dict, 0)
    monkeypatch.setattr(trainer, "Steps", steps)
    (work,) = tmp_path.glob("cut.work-*")
    reached = max(int(p.name.split("-")[1]) for p in work.glob("checkpoint-*"))
    assert 0 < reached <= 5
    (work / "checkpoint-99").mkdir()  # half-written: no trainer_state.json
    again = trainer.train(random_model, examples, FAST, tmp_path / "cut", dict, 0)
    for name, weight in weights(whole.folder).items():
        torch.testing.assert_close(weight, weights(again.folder)[name], atol=1e-6, rtol=1e-5)


def test_a_finished_training_is_loaded_and_not_done_again(
    random_model: Any, examples: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trainer.train(random_model, examples[:2], FAST, tmp_path / "m", dict, 0)
    monkeypatch.setattr(trainer, "_train", lambda *_: pytest.fail("trained again"))
    assert trainer.train(random_model, examples[:2], FAST, tmp_path / "m", dict, 0).identity == first.identity
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        trainer.train(random_model, examples[:3], FAST, tmp_path / "m", dict, 0)


def test_a_trained_model_that_is_not_as_it_was_written_is_said_and_trained_anew(
    random_model: Any, examples: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, settings = tmp_path / "m", Train(lr=3e-3, epochs=1, batch=2)
    first = trainer.train(random_model, examples[:2], settings, whole, dict, 0).identity
    said = record.read(whole)
    assert list(record.changed(whole, said)) == []
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= said["files"].keys()
    recipe = {name: said[name] for name in ("start", "examples", "count", "settings", "seed")}
    assert trainer._is_done(whole, recipe)
    for file, damage, words in (
        ("model.safetensors", lambda data: data[:-8] + b"overwrit", "model.safetensors is not what training wrote"),
        ("training.json", lambda data: data[: len(data) // 2], "training.json is damaged"),
        ("training.json", lambda data: b"[]", "training.json is damaged"),
        ("tokenizer.json", lambda data: b"", "tokenizer.json is not what training wrote"),
        ("model.safetensors", lambda data: data[: len(data) // 2], "model.safetensors is not what training wrote"),
    ):
        damaged = tmp_path / "damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(whole, damaged)
        (damaged / file).write_bytes(damage((whole / file).read_bytes()))
        capsys.readouterr()
        assert not trainer._is_done(damaged, recipe)
        assert words in capsys.readouterr().err
    assert trainer.train(random_model, examples[:2], settings, damaged, dict, 0).identity == first


def test_only_a_disks_errors_are_said_to_be_ones(tmp_path: Path) -> None:
    for error, mine in (
        (OSError(28, "No space left on device"), True),
        (NotADirectoryError(20, "Not a directory"), True),
        (FileNotFoundError(2, "No such file"), False),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ):
        with pytest.raises(StoreError if mine else type(error)) as raised, trainer.disk_failures(tmp_path):
            raise error
        assert isinstance(raised.value, StoreError) == mine


def test_lora_trains_adapters_saves_them_and_merges(random_model: Any, examples: list[Any], tmp_path: Path) -> None:
    settings = Train(lr=1e-2, epochs=2, batch=4, lora=4)
    trained = trainer.train(random_model, examples, settings, tmp_path / "m", dict, 0)
    before, after = weights(random_model.folder), weights(tmp_path / "m")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model" in name and "proj" in name for name in changed)
    assert (tmp_path / "m" / "adapter" / "adapter_model.safetensors").exists()

    from peft import PeftModel

    adapted = PeftModel.from_pretrained(load(str(random_model.folder)).net, tmp_path / "m" / "adapter")
    request = Write(random_model.prompt(examples[0].rollout.task), Sampling(0.0, max_tokens=8), 0, (0,))
    merged = next(iter(trained.write([request]))).part.ids
    host = load(str(random_model.folder))
    host.net = adapted.merge_and_unload()
    assert next(iter(host.write([request]))).part.ids == merged


def test_the_seed_fixes_a_lora_training_from_its_first_weights_on(
    random_model: Any, examples: list[Any], tmp_path: Path
) -> None:
    settings = Train(lr=1e-2, epochs=1, batch=4, lora=4)
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        torch.manual_seed(len(folder.name) * 100 + seed)  # whatever ran before must not matter
        trainer.train(random_model, examples, settings, folder, dict, seed)
    one, two, other = (weights(folder) for folder in folders)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_half_copied_model_folder_is_written_anew(random_model: Any, examples: list[Any], tmp_path: Path) -> None:
    """Killed while the processor was copied: what lies in work/model is not trusted."""
    whole = trainer.train(random_model, examples[:2], FAST, tmp_path / "m", dict, 0)
    recipe = json.loads((tmp_path / "m" / "training.json").read_text())
    del recipe["curve"], recipe["seconds"], recipe["tokens"], recipe["files"]
    (tmp_path / "m" / "training.json").unlink()
    from sharpen.types import digest

    torn = tmp_path / f"m.work-{digest(recipe)[:8]}" / "model"
    torn.mkdir(parents=True)
    (torn / "tokenizer.json").write_text("{")
    assert trainer.train(random_model, examples[:2], FAST, tmp_path / "m", dict, 0).identity == whole.identity


def test_preference_uses_reference_logprobs_once(random_model: Any, examples: list[Any], tmp_path: Path) -> None:
    """At the start policy and reference agree, so the first loss is log 2."""
    from sharpen.models.model import Read

    a, b = examples[0].rollout, examples[1].rollout
    pair = Prefer(a, Rollout("rejected", a.task, a.task, b.parts, "stop", "hand"))
    calls: list[int] = []

    def reference() -> dict[str, tuple[float, ...]]:
        calls.append(1)
        rows = {"rejected": (a.task, b.ids), a.key: (a.task, a.ids)}
        reads = [Read(random_model.prompt(task), ids) for task, ids in rows.values()]
        found = dict(random_model.read(reads))
        return {key: found[i].logprobs for i, key in enumerate(rows)}

    trainer.train(random_model, [pair], Train(lr=1e-3, epochs=2, batch=1), tmp_path / "m", reference, 0)
    curve = [e["loss"] for e in json.loads((tmp_path / "m" / "training.json").read_text())["curve"] if "loss" in e]
    assert curve[0] == pytest.approx(0.6931, abs=1e-3)
    assert calls == [1]


def test_training_that_changes_nothing_is_an_error(random_model: Any, examples: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="left every weight"):
        trainer.train(random_model, examples[:1], Train(lr=0.0, epochs=1, batch=1), tmp_path / "m", dict, 0)


@pytest.mark.parametrize("loss", ["inf", "nan"])
def test_a_loss_that_is_not_finite_stops_training_and_names_the_attempts_of_its_batch(
    loss: str, random_model: Any, examples: list[Any], tmp_path: Path
) -> None:
    wild = [*examples[:5], replace(examples[5], weight=float(loss))]
    key, task = wild[5].rollout.key[:12], wild[5].rollout.task.id
    with pytest.raises(
        TrainError, match=rf"the loss is {loss} at step \d, in the batch of attempts .*{key} of task '{task}'"
    ):
        trainer.train(random_model, wild, Train(lr=1e-3, epochs=1, batch=2, micro_batch=2), tmp_path / "m", dict, 0)
    assert not (tmp_path / "m").exists()


def test_libraries_say_nothing_when_training_is_imported() -> None:
    code = "import sharpen.models.hf, sharpen.train.trainer"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
