"""Run by `test_other_device.py`: the same work on the CPU and on `other:0`, a device that takes no CPU tensors.

Where the code asks for the kind of its device, what is no CPU is a GPU: its shares, rows and budgets are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from families.tiny import KINDS
from other_device import DeviceError, Devices, There

from sharpen.examples import Example, Imitate, Prefer
from sharpen.models import hf, load, loading, memory, slots
from sharpen.models.hf import HF
from sharpen.models.model import Read, Sampling, Write
from sharpen.models.settings import Loading
from sharpen.train import Train, record, trainer
from sharpen.types import Part, Rollout, Task
from sharpen.worlds import world

Pair = tuple[HF, HF]
HOT = Sampling(1.0, max_tokens=12)
TASKS = [*world("digits").tasks("train", 2), *world("shapes").tasks("train", 1)]
FREE, RESERVED, ALLOCATED, TOTAL = 2**30, 3 * 2**20, 2**20, 2**31


@pytest.fixture(autouse=True, scope="module")
def devices() -> Iterator[None]:
    with Devices(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sharpen.models.settings.DEVICES", ("", "cpu", "other"))
        patch.setattr(torch.cuda, "mem_get_info", lambda device: (FREE, TOTAL))
        patch.setattr(torch.cuda, "memory_reserved", lambda device: RESERVED)
        patch.setattr(torch.cuda, "memory_allocated", lambda device: ALLOCATED)
        patch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=TOTAL))
        patch.setattr(torch.__future__, "get_swap_module_params_on_conversion", lambda: True)  # tied weights stay tied
        yield


@pytest.fixture(scope="module", params=["tiny", "qwen2_5_vl", "gemma3"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """One model on the other device and on the CPU: the packaged one, a family that packs, one that does not."""
    name = request.param
    folder = name if name == "tiny" else str(KINDS[name].save(tmp_path_factory.mktemp("families") / name))
    there, here = (load(folder, Loading(device=device, dtype="float32")) for device in ("other:0", "cpu"))
    assert {p.device for p in there.net.parameters()} == {torch.device("other:0")}
    return there, here


def requests(model: HF, sampling: Sampling, given: tuple[tuple[int, ...], ...] = ()) -> list[Write]:
    prompts = [model.prompt(task) for task in TASKS]
    return [Write(p, sampling, i, (0, 1, 2), given=given) for i, p in enumerate(prompts)]


def written(model: HF, asked: list[Write]) -> dict[tuple[int, int], Any]:
    found = {(w.request, w.attempt): w for w in model.write(asked)}
    assert len(found) == sum(len(a.attempts) for a in asked)
    return found


def same_text(pair: Pair, asked: list[Write]) -> dict[tuple[int, int], Any]:
    there, here = (written(model, asked) for model in pair)
    for at, w in there.items():
        assert (w.part.ids, w.finish, w.given_texts) == (here[at].part.ids, here[at].finish, here[at].given_texts)
        assert w.part.logprobs == pytest.approx(here[at].part.logprobs, abs=1e-4)
    return there


# --- the device itself ---------------------------------------------------------------------------


def test_the_device_takes_what_cuda_takes_and_refuses_what_it_refuses() -> None:
    here = torch.arange(6.0).view(2, 3)
    there, index = here.to("other:0"), torch.tensor([1, 0])
    for fine in (
        lambda: there + torch.tensor(1.0),  # a number
        lambda: there[index] + there[torch.tensor([True, False])],
        lambda: there.copy_(here),
        lambda: torch.where(there > 2, there, torch.tensor(0.0)),
    ):
        assert fine().device == torch.device("other:0")
    for wrong in (
        lambda: there + here,
        lambda: there + there.to("other:1"),
        lambda: here + there.sum(),  # a number of a device beside a CPU tensor
        lambda: here[index.to("other:0")],
        lambda: torch.cat([torch.empty(0), there]),
        lambda: there.index_select(0, index),
        lambda: there.gather(1, index[:, None]),
        lambda: there.masked_fill(here > 2, 0.0),
        lambda: torch.where(here > 2, there, there),
        lambda: there @ here.T,
        lambda: torch.nn.functional.embedding(index, there),
    ):
        with pytest.raises(DeviceError):
            wrong()
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()


def test_a_write_through_a_view_shows_in_what_it_is_a_view_of() -> None:
    base = torch.zeros(2, 3, device="other:1")
    base[:, 1:][torch.tensor([1])] = 5.0
    base.view(-1)[0] = 7.0
    assert base.tolist() == [[7.0, 0.0, 0.0], [0.0, 5.0, 5.0]]
    assert isinstance(base, There)
    assert base.device == torch.device("other:1")


# --- sampling and reading ------------------------------------------------------------------------


def test_attempts_are_those_of_the_cpu_also_where_rows_are_few(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    there, _ = pair
    asked = requests(there, HOT)
    whole = same_text(pair, asked)
    assert not there.branches
    monkeypatch.setattr(hf, "GPU_ROWS", 4)
    monkeypatch.setattr(slots, "ROOM", 3)
    assert there._rows(asked) == 4
    assert {at: w.part.ids for at, w in written(there, asked).items()} == {at: w.part.ids for at, w in whole.items()}


def test_resumed_prefixes_and_every_setting_of_sampling_do_as_on_the_cpu(pair: Pair) -> None:
    there, here = pair
    first = written(here, requests(here, HOT))[0, 0].part
    every = Sampling(0.8, 0.95, 30, 12, min_p=0.01, repetition_penalty=1.2, stop=(first.text[-2:],))
    same_text(pair, requests(there, every, given=(first.ids[:2], first.ids[2:5])))
    same_text(pair, requests(there, Sampling(0.0, max_tokens=6)))


def test_readings_with_shares_and_maps_are_those_of_the_cpu(pair: Pair) -> None:
    there, here = pair
    ids = [w.part.ids for _, w in sorted(written(here, requests(here, HOT)).items())]
    prompts = [here.prompt(TASKS[i // 3]) for i in range(len(ids))]
    layers = (0, there.layers - 1)
    reads = [
        Read(p, some, layers, 3, maps=(0, len(some) - 1)[: len(some)]) for p, some in zip(prompts, ids, strict=True)
    ]
    found, wanted = (dict(model.read(reads)) for model in pair)
    assert sorted(found) == list(range(len(reads)))
    for i, reading in found.items():
        assert reading.logprobs == pytest.approx(wanted[i].logprobs, abs=1e-4)
        assert reading.entropy == pytest.approx(wanted[i].entropy, abs=1e-4)
        for layer in layers:
            flat = [share for token in reading.attention[layer] for share in token]
            assert flat == pytest.approx([s for token in wanted[i].attention[layer] for s in token], abs=1e-5)
            for token, shares in reading.maps[layer].items():
                assert shares == pytest.approx(wanted[i].maps[layer][token], abs=1e-5)


def test_read_prompts_stay_on_the_device_and_leave_when_weights_change(pair: Pair) -> None:
    there, _ = pair
    prompts = [there.prompt(task) for task in TASKS[:2]]
    if not there.packs:
        return
    for model in pair:
        model.read_prompts.forget()
    found, wanted = (model.read_prompts.read(prompts) for model in pair)
    for stretch, same in zip(found, wanted, strict=True):
        torch.testing.assert_close(stretch.keys[-1].cpu(), same.keys[-1], atol=1e-5, rtol=1e-4)
        assert stretch.keys[-1].device == stretch.position.device == torch.device("other:0")
    kept = dict(there.read_prompts.kept)
    there.read_prompts.read(prompts)
    assert all(there.read_prompts.kept[key] is stretch for key, stretch in kept.items())
    with torch.no_grad():
        next(there.net.parameters()).add_(0.0)
    there.read_prompts.read(prompts)
    assert not any(there.read_prompts.kept[key] is stretch for key, stretch in kept.items())


def spread(net: Any) -> dict[str, str]:
    """Return where each module lies when only the first layer fits: those behind it and what follows them elsewhere."""
    decoder = net.get_decoder()
    path = next(name for name, module in net.named_modules() if module is decoder)
    second = {f"{path}.norm", *(f"{path}.layers.{n}" for n in range(1, len(decoder.layers)))}
    found: dict[str, str] = {}
    for name, _ in net.named_modules():
        around = not name or f"{path}.layers.".startswith(f"{name}.")
        if not around and not any(name.startswith(f"{above}.") for above in found):
            found[name] = f"other:{int(name in second)}"
    return found


def test_a_model_whose_layers_lie_on_two_devices_answers_as_on_one(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded as by `device-map`: the library brings each layer what it is called with, and nothing else."""
    _, here = pair
    load_net, places = loading._net, spread(here.net)
    monkeypatch.setattr(loading, "_net", lambda *args: load_net(*args[:3], {**args[3], "device_map": places}))
    split = load(str(here.folder), Loading(device_map="auto", dtype="float32"))
    assert {str(p.device) for p in split.net.parameters()} == {"other:0", "other:1"}
    assert (str(split.device), str(split.decoder.norm.weight.device)) == ("other:0", "other:1")
    monkeypatch.setattr(hf, "GPU_ROWS", 4)
    test_resumed_prefixes_and_every_setting_of_sampling_do_as_on_the_cpu((split, here))
    test_readings_with_shares_and_maps_are_those_of_the_cpu((split, here))


def test_the_budget_counts_what_torch_holds_unused(pair: Pair) -> None:
    there, _ = pair
    assert memory.for_cache(there.device) == (2**30 + 2 * 2**20) // 2


# --- training ------------------------------------------------------------------------------------


def rollout(model: HF, task: Task, text: str) -> Rollout:
    ids = (*model.render.tokenizer(text, add_special_tokens=False).input_ids, *model.stop_ids)
    return Rollout(f"{text} {task.id}", task, task, (Part(tuple(ids), text, "teacher"),), "stop", "hand")


def examples(model: HF, kind: str) -> list[Example]:
    good, bad = ([rollout(model, task, text) for task in TASKS[:3]] for text in ("so 3 cups", "7 of them"))
    return [Imitate(r) for r in good] if kind == "SFT" else [Prefer(a, b) for a, b in zip(good, bad, strict=True)]


def known(model: HF, some: list[Example]) -> dict[str, tuple[float, ...]]:
    rollouts = [r for e in some for r in e.rollouts]
    found = dict(model.read([Read(model.prompt(r.task), r.ids) for r in rollouts]))
    return {r.key: found[i].logprobs for i, r in enumerate(rollouts)}


@pytest.mark.parametrize("lora", [0, 2])
@pytest.mark.parametrize("kind", ["SFT", "DPO"])
def test_training_comes_to_the_losses_and_weights_of_the_cpu(
    pair: Pair, kind: str, lora: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps, of which the second has what the first one's gradients did; autocast, which is on, casts nothing here.

    Adapters are trained beside weights in half precision on a GPU; here in single, to compare.
    """
    again = HF.again
    monkeypatch.setattr(HF, "again", lambda model, dtype, folder=None: again(model, "float32", folder))
    monkeypatch.setattr("transformers.training_args.is_torch_bf16_gpu_available", lambda: True)
    settings = Train(lr=1e-3, epochs=1, batch=2, lora=lora, warmup=0.0)
    curves: list[list[float]] = []
    trained: list[HF] = []
    for model, device in zip(pair, ("other:0", "cpu"), strict=True):
        monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", device)  # read where the library sees no GPU
        some = examples(model, kind)
        folder = tmp_path / device
        trained.append(trainer.train(model, some, settings, folder, lambda m=model, e=some: known(m, e), 0))
        curves.append([entry["loss"] for entry in record.read(folder)["curve"] if "loss" in entry])
    assert len(curves[0]) == 2
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)
    for after, wanted in zip(trained[0].net.parameters(), trained[1].net.parameters(), strict=True):
        torch.testing.assert_close(after.detach().cpu(), wanted.detach(), atol=1e-4, rtol=1e-3)
