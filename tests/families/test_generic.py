"""The generic family: what it takes, and what it refuses by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sharpen.errors import ModelError
from sharpen.models import families, load
from sharpen.models.families.generic import Generic

from .tiny import KINDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS["aya_vision"].save(tmp_path_factory.mktemp("generic") / "aya")


def test_a_model_without_a_file_is_of_the_generic_family(folder: Path) -> None:
    assert isinstance(load(str(folder)).family, Generic)


def test_a_processor_that_cannot_be_constructed_is_named_with_the_families_that_are_there(folder: Path) -> None:
    parts = load(str(folder)).parts
    (folder / "processor_config.json").rename(folder / "away.json")
    try:
        broken = families.Parts(folder.parent, parts.config, parts.tokenizer, parts.images)
        with pytest.raises(ModelError, match=r"'aya_vision' have no family file, and their processor .* qwen2_5_vl"):
            families.find(broken, sees=True)
    finally:
        (folder / "away.json").rename(folder / "processor_config.json")


def test_positions_with_axes_are_not_guessed(folder: Path, tmp_path: Path) -> None:
    parts = load(str(folder)).parts
    parts.config.text_config.rope_parameters = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    with pytest.raises(ModelError, match="its positions depend on the images"):
        families.find(parts, sees=True)


def test_tensors_that_do_not_stack_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family: Any = load(str(folder)).family
    sizes = iter([4, 6])

    def uneven(picture: object) -> dict[str, Any]:
        return {"input_ids": torch.tensor([[1]]), "pixel_values": torch.zeros(1, 3, 4, next(sizes))}

    monkeypatch.setattr(family, "_call", uneven)
    with pytest.raises(ModelError, match="pictures of different sizes make pixel_values of different shapes"):
        family.processed([None, None])


def test_neither_a_vision_language_nor_a_language_model_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit", "architectures": ["ViTModel"]}))
    with pytest.raises(ModelError, match="'vit' are neither image-text-to-text nor causal language models"):
        load(str(tmp_path))
