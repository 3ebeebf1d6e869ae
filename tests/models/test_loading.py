"""From a name to a model: adapters, kernels, revisions, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import GPT2Config

from sharpen.cli import RunOptions
from sharpen.errors import ModelError, Unsupported, UserError
from sharpen.models import load
from sharpen.models.hf import HF
from sharpen.models.loading import write_whole
from sharpen.models.model import Read, Sampling, Write
from sharpen.models.settings import Loading
from sharpen.train import Train
from sharpen.train.trainer import require_trainable
from sharpen.worlds import world


def test_pickled_weights_are_not_loaded(random_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(random_folder, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save({}, tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"m holds only pytorch_model\.bin, .* \*\.safetensors"):
        load(str(tmp_path / "m"))
    (tmp_path / "m" / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match="m holds no weights"):
        load(str(tmp_path / "m"))


def test_a_model_that_is_nowhere_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"there is no folder '/no/such/dir'; give 'tiny', a folder or a hub id"):
        load("/no/such/dir")

    def unreachable(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("outgoing traffic has been disabled")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    told = r"'no/net': no such folder is here, and the hub could not be reached \(no network, .* give the folder$"
    with pytest.raises(ModelError, match=told):
        load("no/net")

    def full(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.snapshot_download", full)
    with pytest.raises(ModelError, match=r"could not be fetched from the hub \(OSError: .*No space left on device"):
        load("no/space")


def test_code_in_a_folder_does_not_run_unless_asked(random_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(random_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match="m cannot be loaded"):
        load(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_model_without_sdpa_falls_back_to_eager_and_says_so(
    random_model: Any, random_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(random_model.net), "_supports_sdpa", False)
    model = load(str(random_folder))
    assert model.describe()["attention"] == "eager"
    assert "no sdpa attention for this model; eager is used" in capsys.readouterr().err
    with pytest.raises(ModelError, match="does not run with attention 'sdpa'"):
        load(str(random_folder), Loading(attention="sdpa"))


def test_eager_attention_writes_and_reads_the_same(random_folder: Path) -> None:
    """Several attempts at a task, and prefixes of it: none sees another, whichever kernel is asked for."""
    models = [load(str(random_folder), Loading(attention=kernel)) for kernel in ("sdpa", "eager")]
    tasks = world("digits").tasks("train", 2)
    given = ((), ((5, 6, 7),), ((9, 8),))
    found: list[dict[tuple[int, int], tuple[int, ...]]] = []
    readings: list[list[float]] = []
    for model in models:
        prompts = [model.prompt(t) for t in tasks]
        limit = Sampling(1.0, max_tokens=8)
        asked = [Write(p, limit, i, (0, 1), given=g) for p in prompts for i, g in enumerate(given)]
        found.append({(w.request, w.attempt): w.part.ids for w in model.write(asked)})
        reads = [Read(prompts[0], found[0][i, 0], (1,)) for i in range(3)]
        numbers = dict(model.read(reads))
        readings.append([x for i in range(3) for x in (*numbers[i].logprobs, *numbers[i].attention[1][0])])
    assert models[1].describe()["attention"] == "eager"
    assert found[0] == found[1]
    assert readings[1] == pytest.approx(readings[0], abs=1e-4)


def test_a_kernel_that_is_not_there_is_refused_by_name(random_folder: Path) -> None:
    with pytest.raises(ModelError, match="does not run with attention 'flash_attention_2'"):
        load(str(random_folder), Loading(attention="flash_attention_2"))


@pytest.mark.parametrize("device", ["mps", "gpu", "cudas:1"])
def test_a_kind_of_device_that_is_not_known_is_refused_by_name(device: str) -> None:
    with pytest.raises(UserError, match=f"--loading.device {device} cannot be used; give cpu, cuda or cuda:N"):
        Loading(device=device)


def test_a_model_that_training_cannot_have_where_it_is_put_is_refused_before_it_is_loaded() -> None:
    """The library's trainer moves the weights to the first GPU, while batches would go to where they were."""
    for device in ("", "cpu", "cuda", "cuda:0"):
        Loading(device=device).require_trainable()
    second, spread = Loading(device="cuda:1"), Loading(device_map="auto")
    for wrong, advice in (
        (second, "give CUDA_VISIBLE_DEVICES=1 before the command"),
        (spread, "training takes one GPU"),
    ):
        placed: Any = SimpleNamespace(loading=wrong)
        with pytest.raises(UserError, match=advice):
            RunOptions("tiny", loading=wrong)
        with pytest.raises(UserError, match=advice):
            require_trainable(placed, Train())


def test_a_device_and_a_device_map_exclude_each_other() -> None:
    with pytest.raises(UserError, match="--device-map auto cannot be used; give either a device or a device map"):
        Loading(device="cpu", device_map="auto")


def test_attention_that_the_library_does_not_dispatch_cannot_be_measured(
    random_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharpen.models.shares.NAME", "eager")  # a model that looks up no function of ours
    (task,) = world("digits").tasks("train", 1)
    with pytest.raises(Unsupported, match=r"attention of layers \[2\] cannot be measured"):
        list(random_model.read([Read(random_model.prompt(task), (5, 6), (2,))]))


def test_an_adapter_needs_safetensors_and_a_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors"):
        load(str(tmp_path))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="does not name its base model"):
        load(str(tmp_path))


def test_the_manifest_names_commit_kernel_and_how_it_was_loaded(random_folder: Path, tmp_path: Path) -> None:
    commit = tmp_path / "snapshots" / "0f1e2d"  # as a hub's cache has it
    shutil.copytree(random_folder, commit)
    said = load(str(commit), Loading(dtype="bfloat16")).describe()
    assert (said["revision"], said["dtype"], said["attention"]) == ("0f1e2d", "bfloat16", "sdpa")
    assert said["loading"]["trust_remote_code"] is False
    plain = load(str(random_folder)).describe()
    assert (plain["revision"], plain["folder"]) == (None, str(random_folder.resolve()))


def test_identity_follows_what_changes_answers(random_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(random_folder, folder)
    template = folder / "chat_template.jinja"
    template.write_text("{% if enable_thinking is defined %}{% endif %}" + template.read_text())
    settings = [Loading(), Loading(dtype="bfloat16"), Loading(thinking=True), Loading(thinking=False)]
    settings += [Loading(max_side=32), Loading(attention="eager")]
    identities = [load(str(folder), s).identity for s in settings]
    assert len(set(identities)) == 5
    assert identities[0] == identities[-1]


def test_responses_share_a_prompt_only_where_the_model_takes_a_mask_of_ours(
    random_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert random_model.packs
    config = random_model.decoder.config
    with monkeypatch.context() as patch:
        patch.setattr(config, "_attn_implementation", "flash_attention_2")
        assert not random_model.packs
    monkeypatch.setattr(config, "layer_types", ["full_attention", "sliding_attention"])
    assert not random_model.packs


def test_logits_that_the_library_would_change_further_are_refused(
    random_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = HF.head
    monkeypatch.setattr(HF, "head", lambda self, hidden: head(self, hidden) / 8)
    with pytest.raises(ModelError, match="changes its logits after the output layer"):
        load(str(random_folder))


def test_a_network_of_another_make_is_refused_by_name(tmp_path: Path) -> None:
    from families.tiny import CHAT, Kind

    small = {"n_embd": 16, "n_layer": 1, "n_head": 2}
    kind = Kind(CHAT, lambda id_of, text: GPT2Config(vocab_size=text["vocab_size"], **small), seeing=False)
    with pytest.raises(ModelError, match="GPT2LMHeadModel has no part called `model`"):
        load(str(kind.save(tmp_path)))


def test_a_device_map_is_followed(random_folder: Path, random_model: Any) -> None:
    (task,) = world("digits").tasks("train", 1)
    mapped = load(str(random_folder), Loading(device_map="cpu"))
    request = Write(mapped.prompt(task), Sampling(0.0, max_tokens=4), 0, (0,))
    assert [w.part.ids for w in mapped.write([request])] == [w.part.ids for w in random_model.write([request])]


def test_a_network_whose_head_scales_its_logits_is_read_as_it_answers(random_model: Any) -> None:
    hidden = torch.randn(2, random_model.decoder.config.hidden_size)
    plain = random_model.head(hidden)
    random_model.decoder.config.final_logit_softcapping = 2.0
    try:
        capped = random_model.head(hidden)
    finally:
        del random_model.decoder.config.final_logit_softcapping
    finite = plain.isfinite()
    torch.testing.assert_close(capped[finite], 2 * torch.tanh(plain[finite] / 2))


# --- layouts of folders as hubs have them --------------------------------------------------------


def greedy(model: Any) -> tuple[int, ...]:
    (task,) = world("digits").tasks("train", 1)
    (written,) = model.write([Write(model.prompt(task), Sampling(0.0, max_tokens=6), 0, (0,))])
    return written.part.ids


def test_weights_in_several_files_are_one_model_and_a_trained_one_has_no_stale_index(
    random_model: Any, random_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(random_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    load(str(random_folder)).net.save_pretrained(folder, max_shard_size="1MB")
    (folder / "pytorch_model.bin.index.json").write_text("{}")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    sharded = load(str(folder))
    assert greedy(sharded) == greedy(random_model)
    write_whole(sharded.net, sharded, tmp_path / "whole")
    assert not list((tmp_path / "whole").glob("*.index.json"))
    assert greedy(load(str(tmp_path / "whole"))) == greedy(random_model)


def test_any_of_several_end_tokens_ends_an_answer(random_model: Any, random_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(random_folder, tmp_path / "m")
    file = tmp_path / "m" / "generation_config.json"
    first, own = greedy(random_model)[0], random_model.render.tokenizer.eos_token_id
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": [own, first]}))
    model = load(str(tmp_path / "m"))
    assert model.stop_ids == {own, first}
    assert greedy(model) == (first,)


def test_the_template_is_found_wherever_a_folder_keeps_it(
    random_model: Any, random_folder: Path, tmp_path: Path
) -> None:
    """In a file of its own, in two kinds of JSON, or with the tokenizer."""
    template = (random_folder / "chat_template.jinja").read_text()
    (task,) = world("digits").tasks("train", 1)
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        folder = tmp_path / name.removesuffix(".json")
        shutil.copytree(random_folder, folder, ignore=shutil.ignore_patterns("chat_template.jinja"))
        held = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
        (folder / name).write_text(json.dumps(held | {"chat_template": template}))
        assert load(str(folder)).prompt(task).ids == random_model.prompt(task).ids, name


def test_image_settings_are_read_from_either_file(random_model: Any, random_folder: Path, tmp_path: Path) -> None:
    """Newer folders have them inside the processor's file, older ones in a file of their own."""
    folder = tmp_path / "m"
    shutil.copytree(random_folder, folder)
    whole = json.loads((folder / "processor_config.json").read_text())
    inner = whole.pop("image_processor")
    (folder / "processor_config.json").write_text(json.dumps(whole))
    (folder / "preprocessor_config.json").write_text(json.dumps(inner))
    assert greedy(load(str(folder))) == greedy(random_model)


def test_asked_for_code_runs_and_goes_along_with_what_is_trained(random_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(random_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    kind = config["architectures"][0]
    config |= {"auto_map": {"AutoModelForImageTextToText": "mine.Mine"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"from transformers import {kind}\n\n\nclass Mine({kind}):\n    pass\n")
    trusted = Loading(trust_remote_code=True)
    assert type(load(str(folder)).net).__name__ == kind
    model = load(str(folder), trusted)
    before = model.identity
    assert type(model.net).__name__ == "Mine"
    write_whole(model.net, model, tmp_path / "whole")
    assert type(load(str(tmp_path / "whole"), trusted).net).__name__ == "Mine"
    (folder / "mine.py").write_text((folder / "mine.py").read_text() + "\n# other\n")
    assert load(str(folder), trusted).identity != before  # other code, other answers
