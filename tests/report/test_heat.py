"""Where a token looks, drawn over its picture: opacities, places and words by hand, and nothing that escapes."""

from __future__ import annotations

import random
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from sharpen.models.maps import Grid, nowhere, square
from sharpen.report.attempt import Trace
from sharpen.report.heat import Look
from sharpen.types import Image

from .test_html import Node, png, report, task

ROW = Grid(1, 4)


def shown(path: Path, *looks: Look, **changed: Any) -> Node:
    return report(path, Trace("kept", task(**changed), ("<b>", "two"), "right", looks=looks))


def rects(figure: Node) -> list[tuple[str, str]]:
    return [(r.attributes["x"], r.attributes["fill-opacity"]) for r in figure.all("rect")]


def test_the_part_looked_at_most_is_darkest_and_the_faintest_are_left_out(tmp_path: Path) -> None:
    """Of .2, .1, .001 and .05 the first is drawn at .75, the others in proportion, the third not: it is below 2 %."""
    figure = shown(tmp_path, Look(1, [[(ROW, (0.2, 0.1, 0.001, 0.05))]])).one(class_="looks").one("figure")
    assert rects(figure) == [("0.00", "0.75"), ("25.00", "0.38"), ("75.00", "0.19")]
    assert {(r.attributes["y"], r.attributes["width"], r.attributes["height"]) for r in figure.all("rect")} == {
        ("0.00", "25.00", "100.00")
    }
    said = figure.one("figcaption").text
    assert "two token 2: 35.1% of the attention is on the 4 tokens of the image" in said
    assert "most for its size 12% from the left, 50% from the top; 20.0% there" in said
    assert "known place" not in said


def test_a_tile_counts_by_its_size(tmp_path: Path) -> None:
    """The same share on a quarter of the picture is four times as dark as on the whole."""
    tile = square(1, (0.5, 0.0, 1.0, 0.5))
    figure = shown(tmp_path, Look(0, [[(tile, (0.1,)), (square(1), (0.1,))]])).one(class_="looks")
    assert rects(figure) == [("50.00", "0.75"), ("0.00", "0.19")]
    assert "75% from the left, 25% from the top" in figure.text


def test_what_has_no_known_place_is_said_and_not_drawn(tmp_path: Path) -> None:
    look = Look(0, [[(ROW, (0.1, 0.0, 0.0, 0.0)), (nowhere(2), (0.1, 0.05))]])
    root = shown(tmp_path, look)
    assert len(rects(root.one(class_="looks"))) == 1
    assert "15.0% on tokens without a known place in the picture" in root.one(class_="looks").text
    none = shown(tmp_path, Look(0, [[(nowhere(2), (0.1, 0.05))]])).one(class_="looks").text
    assert "15.0% of the attention is on the 2 tokens of the image; 15.0% on tokens without a known place" in none


def test_each_picture_has_its_own_map_and_text_stays_text(tmp_path: Path) -> None:
    pictures = (Image.of(png()), Image.of(png(8, 8)))
    look = Look(0, [[(ROW, (0.1,) * 4)], [(square(1), (0.3,))]])
    figures = shown(tmp_path, look, images=pictures).all("figure")
    captions = [f.one("figcaption").text for f in figures if f.all("figcaption") and f.all(class_="look")]
    assert [" of image 1" in captions[0], " of image 2" in captions[1]] == [True, True]
    assert all(text.startswith("<b>") for text in captions)


def test_nothing_is_drawn_over_a_picture_that_cannot_be_shown(tmp_path: Path) -> None:
    root = shown(tmp_path, Look(0, [[(ROW, (0.1,) * 4)]]), images=(Image.of(b"text"),))
    assert rects(root.one(class_="looks")) == []
    assert "image not shown" in root.one(class_="look").text


def test_a_look_beyond_the_response_is_refused() -> None:
    with pytest.raises(ValueError, match="indices within them"):
        Trace("kept", task(), ("a",), "right", looks=(Look(1, []),))


def test_a_large_picture_is_small_under_its_maps_and_whole_beside_the_question(tmp_path: Path) -> None:
    """The page holds one copy a map: 20 of them take no more than the picture itself."""
    noise = BytesIO()
    PIL.Image.frombytes("RGB", (900, 600), random.Random(0).randbytes(900 * 600 * 3)).save(noise, "PNG")
    maps = [Look(0, [[(ROW, (0.1,) * 4)]])] * 20
    page = tmp_path / "large"
    page.mkdir()
    root = shown(page, *maps, images=(Image.of(noise.getvalue()),))
    sources = [node.attributes["src"] for node in root.one(class_="looks").all("img")]
    assert len(sources) == 20
    small = PIL.Image.open(BytesIO(b64decode(sources[0].partition(",")[2])))
    assert small.size == (384, 256)
    assert sum(map(len, sources)) < 2 * len(noise.getvalue())
    plain = shown(tmp_path, Look(0, [[(ROW, (0.1,) * 4)]]), images=(Image.of(png()),))
    assert b64decode(plain.one(class_="looks").all("img")[0].attributes["src"].partition(",")[2]) == png()
