"""Tiles counted from a picture's size are those that the image processor makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image as pil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

from sharpen.models import families, load

from .tiny import GRIDS, KINDS, SQUARE

SIZES = np.random.default_rng(0).integers(2, 200, (60, 2)).tolist()


@pytest.mark.parametrize("longest", [60, 64])
def test_rows_of_tiles(longest: int, tmp_path: Any) -> None:
    """Also where the longest side is no multiple of a tile."""
    images = Idefics3ImageProcessorPil(size={"longest_edge": longest}, max_image_size={"longest_edge": 16})
    parts = load(str(KINDS["idefics3"].save(tmp_path))).parts
    family: Any = families.find(replace(parts, images=images), sees=True)
    for width, height in SIZES:
        made = images(images=[[pil.new("RGB", (width, height))]], return_row_col_info=True)
        assert family._grid(height, width) == (made["rows"][0][0], made["cols"][0][0]), (width, height)


def test_tiles_of_a_lone_picture(tmp_path: Any) -> None:
    images = LlavaOnevisionImageProcessorPil(size=SQUARE, image_grid_pinpoints=GRIDS)
    family: Any = load(str(KINDS["llava_onevision"].save(tmp_path))).family
    for width, height in SIZES:
        made = images(images=[[pil.new("RGB", (width, height))]])
        rows, columns = family._grid(height, width)
        assert len(made["pixel_values"][0]) == 1 + rows * columns, (width, height)
