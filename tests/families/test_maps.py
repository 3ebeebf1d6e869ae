"""Maps of attention over pictures: those of eager attention, and laid out where the features come from.

Where a feature comes from is found by changing a part of the picture, with attention inside the vision tower switched
off, so that a feature shows its own patch alone.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as pil
from transformers import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from sharpen.models import load
from sharpen.models.hf import Row
from sharpen.models.maps import Box, Grid, by_grid, in_square, square
from sharpen.models.model import IMAGE, Read
from sharpen.types import Image, Task
from sharpen.views import blind, question_first

from .test_conformance import ONE, PICTURES, THREE, WIDE, own_inputs
from .tiny import KINDS

CORNER: Box = (0.8, 0.0, 1.0, 0.2)
"""Right and above: a map that is turned over or on its side shows it elsewhere."""
RINGING = 0.25
"""Changes smaller than this share of the largest one are what resampling carries further."""
RESPONSE = tuple(range(40, 52))


def test_maps_equal_eager_attention_and_sum_to_the_share(model: Any) -> None:
    asked = {0: (3, 11), 1: (0,), 2: (), 3: (5,)}
    tasks = (ONE, THREE, question_first(ONE), blind(ONE))
    layers = (0, model.layers - 1)
    readings = dict(model.read([Read(model.prompt(t), RESPONSE, layers, maps=asked[i]) for i, t in enumerate(tasks)]))
    kernel = model.decoder.config._attn_implementation
    model.net.set_attn_implementation("eager")
    try:
        for i, task in enumerate(tasks):
            prompt = model.prompt(task)
            with torch.no_grad():
                out = model.net(**own_inputs(model, Row(prompt, RESPONSE)), output_attentions=True)
            image = np.frombuffer(prompt.spans, dtype=np.uint8) == IMAGE
            assert tuple(readings[i].maps) == (layers if asked[i] else ())
            for layer in readings[i].maps:
                assert tuple(readings[i].maps[layer]) == asked[i]
                rows = out.attentions[layer][0].mean(0)[len(image) :, : len(image)].numpy()
                for token, shares in readings[i].maps[layer].items():
                    np.testing.assert_allclose(np.array(shares), rows[token, image], atol=1e-5)
                    assert sum(shares) == pytest.approx(readings[i].attention[layer][token][1], abs=1e-5)
    finally:
        model.net.set_attn_implementation(kernel)


def features(model: Any, task: Task) -> np.ndarray[Any, Any]:
    """What the language model is given at the image tokens, one row each."""
    given: list[torch.Tensor] = []

    def keep(module: Any, args: Any, inputs: dict[str, Any]) -> None:
        given.append(inputs["inputs_embeds"])

    hook = model.decoder.register_forward_pre_hook(keep, with_kwargs=True)
    prompt = model.prompt(task)
    with torch.no_grad():
        model.net.model(**model.inputs([Row(prompt, ())]), use_cache=False)
    hook.remove()
    return given[0][0][np.frombuffer(prompt.spans, dtype=np.uint8) == IMAGE].numpy()


def changed(image: Image, box: Box) -> Image:
    """Turn a part of a picture over to its opposite."""
    with pil.open(io.BytesIO(image.read())) as opened:
        pixels = np.array(opened)
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    part = slice(round(top * height), round(bottom * height)), slice(round(left * width), round(right * width))
    pixels[part] = 255 - pixels[part]
    data = io.BytesIO()
    pil.fromarray(pixels).save(data, "PNG")
    return Image.of(data.getvalue())


def apart(a: Box, b: Box, margin: tuple[float, float]) -> bool:
    """Whether two parts of a picture have no point in common, with a margin for resampling."""
    wide, tall = margin
    return a[2] + wide < b[0] or b[2] + wide < a[0] or a[3] + tall < b[1] or b[3] + tall < a[1]


def shared(a: Box, b: Box) -> float:
    """Share of the first that lies in the second."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, tall) / ((a[2] - a[0]) * (a[3] - a[1]))


def blurred(grid: Grid) -> tuple[float, float]:
    """How far resampling to sixteen pixels carries most of a change."""
    left, top, right, bottom = grid.box or (0.0, 0.0, 0.0, 0.0)
    wide, tall = max(1.0, right - left), max(1.0, bottom - top)
    return min(0.6 / grid.columns, 0.29) * wide, min(0.6 / grid.rows, 0.29) * tall


def check_places(model: Any, images: Sequence[Image]) -> int:
    """Compare what changes with where the grids say that it is; return how many features were told both ways."""
    task = Task("t", "what is it ?", tuple(images))
    grids = model.family.grids(task.images)
    before = features(model, task)
    told = 0
    for number in range(len(images)):
        other = [changed(image, CORNER) if i == number else image for i, image in enumerate(images)]
        change = np.abs(features(model, replace(task, images=tuple(other))) - before).max(-1)
        moved = (change / max(change.max(), 1e-9)).tolist()
        for at, laid in enumerate(by_grid(moved, grids)):
            for grid, hits in laid:
                blur = blurred(grid)
                for box, hit in zip(grid.boxes(), hits, strict=False):
                    if at != number or apart(box, CORNER, blur):
                        assert hit < RINGING, (at, grid, box)
                        told += 1
                    elif shared(box, CORNER) > 0.3:
                        assert hit > 0, (at, grid, box)
                        told += 1
                assert grid.box or at == number or not any(hits)
    return told


def without_tower_attention(model: Any) -> Any:
    """Let every patch of the vision tower see itself alone."""
    for name, module in model.net.named_modules():
        if "Attention" in type(module).__name__ and not name.startswith("model.language_model"):
            for weight in module.parameters():
                weight.data.zero_()
    return model


def test_features_come_from_where_the_grids_say(folder: Any, kind: str) -> None:
    model = without_tower_attention(load(str(folder)))
    for task in (WIDE, THREE):
        told = check_places(model, task.images)
        assert told > 0 or kind == "aya_vision", task.id


def test_a_family_that_does_not_know_says_how_many(model: Any, kind: str) -> None:
    family = model.family
    known = any(grid.box for grids in family.grids(PICTURES) for grid in grids)
    assert known == (kind != "aya_vision")
    assert [sum(map(len, grids)) for grids in family.grids(PICTURES)] == [
        markup.count(family.image_tokens[0]) for markup in family.markup(PICTURES)
    ]


@pytest.mark.parametrize(
    "images",
    [
        CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 16, "width": 16}),
        CLIPImageProcessorPil(size={"height": 32, "width": 24}, crop_size={"height": 16, "width": 16}),
        LlavaImageProcessorPil(size={"height": 16, "width": 16}, crop_size={"height": 16, "width": 16}, do_pad=True),
    ],
    ids=["cropped", "cropped from one size", "padded"],
)
def test_what_the_processor_crops_or_pads_is_known(images: Any, tmp_path: Any) -> None:
    model = without_tower_attention(load(str(KINDS["llava"].save(tmp_path))))
    model.family._images = images
    for picture in PICTURES:
        assert check_places(model, [picture]) > 0


def test_shares_are_laid_out_by_hand() -> None:
    """Two rows of three over the left half: cells a sixth wide and half as high as the picture."""
    grid = Grid(2, 3, (0.0, 0.0, 0.5, 1.0))
    assert list(grid.boxes())[4] == pytest.approx((1 / 6, 0.5, 1 / 3, 1.0))
    assert in_square(20, 30) == pytest.approx((0.0, -0.25, 1.0, 1.25))
    shares = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    assert by_grid(shares, [[grid], [square(1)]]) == [[(grid, shares[:6])], [(square(1), (0.7,))]]
    with pytest.raises(ValueError, match="7 shares do not fit 6 image tokens"):
        by_grid(shares, [[grid]])
