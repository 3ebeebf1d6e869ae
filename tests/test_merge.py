"""An adapter and its base as one folder, which is kept only where it answers alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from sharpen import cli
from sharpen.errors import ModelError, UserError
from sharpen.merge import Merged, merge
from sharpen.models import load
from sharpen.models.model import Sampling, Write
from sharpen.models.settings import Loading
from sharpen.worlds import world

TASKS = world("digits").tasks("test", 2)


def adapter_of(base: Path, folder: Path, seed: int = 0, size: float = 0.3) -> Path:
    """What peft writes of random adapters on a model, as another program would have trained them."""
    torch.manual_seed(seed)
    config = LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "up_proj"], lora_dropout=0.5)
    model = get_peft_model(load(str(base)).net, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name and "language_model" in name:
                weight.normal_(std=size)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(random_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter_of(random_folder, tmp_path_factory.mktemp("merge") / "adapter")


def greedy(name: Path, **how: Any) -> tuple[int, ...]:
    model = load(str(name), **how)
    (written,) = model.write([Write(model.prompt(TASKS[0]), Sampling(0.0, max_tokens=8), 0, (0,))])
    return written.part.ids


def test_the_whole_model_answers_as_the_adapter_beside_its_base(
    adapter: Path, random_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "whole"
    said = ["merge", str(adapter), "--out", str(out), "--tasks", "digits:2", "--max-tokens", "8", "--json"]
    assert cli.run(said) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["dtype"], done["asked"], done["likeliest"]) == ("float32", 2, done["tokens"])
    assert 0 < done["change"] < 1e-3  # another way to the same numbers
    assert greedy(out) == greedy(adapter) != greedy(random_folder)
    assert [p.name for p in tmp_path.iterdir()] == ["whole"]
    assert cli.run(said) == 2
    assert "is there already" in capsys.readouterr().err


def test_it_keeps_the_number_format_of_the_base(random_folder: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(random_folder, half)
    load(str(random_folder), dtype="bfloat16").net.save_pretrained(half)
    done = merge(str(adapter_of(half, tmp_path / "adapter", size=0.02)), tmp_path / "whole", TASKS, Loading(), 4)
    assert done.dtype == "bfloat16"
    assert {w.dtype for w in load_file(tmp_path / "whole" / "model.safetensors").values()} == {torch.bfloat16}


def without_adapter(net: Any, start: Any, folder: Path, write: Callable[..., None]) -> None:
    write(load(str(start.folder)).net, start, folder)


def with_other_end(net: Any, start: Any, folder: Path, write: Callable[..., None]) -> None:
    write(net, start, folder)
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": 5}))


@pytest.mark.parametrize(
    ("damaged", "told"),
    [(without_adapter, "does not answer as the adapter"), (with_other_end, "is asked otherwise or stops at other")],
)
def test_what_answers_otherwise_is_not_kept(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: Any, told: str
) -> None:
    from sharpen.models import loading

    write = loading.write_whole
    monkeypatch.setattr(loading, "write_whole", lambda *given: damaged(*given, write))
    with pytest.raises(ModelError, match=told):
        merge(str(adapter), tmp_path / "whole", TASKS, Loading(), 8)
    assert list(tmp_path.iterdir()) == []


def test_half_precision_may_round_a_tenth_of_the_tokens_and_no_end_of_turn() -> None:
    good = Merged("bfloat16", 4, 20, 18, 0.4, 1, 4)
    assert good.alike(exact=False)
    assert not good.alike(exact=True)
    for worse in ({"likeliest": 17}, {"ended": 0}, {"tokens": 0, "likeliest": 0}):
        assert not replace(good, **worse).alike(exact=False)
    single = Merged("float32", 4, 20, 20, 1e-4, 3, 3)
    assert single.alike(exact=True)
    assert not replace(single, ended=2).alike(exact=True)


def test_a_whole_model_is_not_merged(random_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a whole model already"):
        merge(str(random_folder), tmp_path / "whole", TASKS, Loading(), 4)


def test_an_adapter_of_an_adapter_is_added_to_both(adapter: Path, tmp_path: Path) -> None:
    merge(str(adapter), tmp_path / "one", TASKS, Loading(), 4)
    second = adapter_of(tmp_path / "one", tmp_path / "second", seed=1)
    of_whole = greedy(second)
    said = json.loads((second / "adapter_config.json").read_text())
    (second / "adapter_config.json").write_text(json.dumps(said | {"base_model_name_or_path": str(adapter)}))
    assert greedy(second) == of_whole != greedy(adapter)
    merge(str(second), tmp_path / "both", TASKS, Loading(), 4)
    assert greedy(tmp_path / "both") == of_whole
    (second / "adapter_config.json").write_text(json.dumps(said | {"base_model_name_or_path": str(second)}))
    with pytest.raises(ModelError, match="names itself as its base model"):
        load(str(second))


def test_an_adapter_whose_tensors_have_other_names_is_refused(adapter: Path, tmp_path: Path) -> None:
    """As those saved before the library renamed its layers: peft warns and adds nothing."""
    old = tmp_path / "old"
    shutil.copytree(adapter, old)
    file = old / "adapter_model.safetensors"
    save_file({n.replace("language_model.layers", "layers"): t for n, t in load_file(file).items()}, file)
    with pytest.raises(ModelError, match="its tensors have other names than the layers"):
        load(str(old))


def test_a_tokenizer_and_a_template_beside_an_adapter_are_its_own(
    adapter: Path, random_folder: Path, tmp_path: Path
) -> None:
    """Trainers save them there; what was learnt with another template is asked with it."""
    own = tmp_path / "own"
    shutil.copytree(adapter, own)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(random_folder / name, own / name)
    plain = load(str(own)).prompt(TASKS[0]).ids
    assert plain == load(str(adapter)).prompt(TASKS[0]).ids  # the base's template, where there is no other
    (own / "chat_template.jinja").write_text("so " + (random_folder / "chat_template.jinja").read_text())
    asked = load(str(own)).prompt(TASKS[0]).ids
    assert asked != plain
    merge(str(own), tmp_path / "whole", TASKS, Loading(), 4)
    assert load(str(tmp_path / "whole")).prompt(TASKS[0]).ids == asked


def test_fewer_bits_take_whole_weights(adapter: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be merged into weights rounded to 4bit; .* sharpen merge"):
        load(str(adapter), Loading(quantize="4bit", device="cpu"))
