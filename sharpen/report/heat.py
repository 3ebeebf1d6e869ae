# pyright: strict
"""Where a token looks: its attention drawn over the pictures, and said in words for those who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from ..data.images import decode
from ..errors import TaskError
from ..models.maps import Box, Grid
from ..types import Image
from .markup import Html, picture, tag

DARKEST = 0.75  # opacity of the part that is looked at most: ours
FAINTEST = 0.02  # what is paler cannot be seen and is not drawn: ours
MAP_BYTES = 50_000
MAP_SIDE = 384  # a larger picture is shrunk to this many pixels under a map, since a page draws it many times: ours

Laid = Sequence[tuple[Grid, Sequence[float]]]


@dataclass(frozen=True)
class Look:
    """Attention of one token of a response, counted from 0, laid out over each picture by `models.maps.by_grid`."""

    token: int
    pictures: Sequence[Laid]


def looks(found: Sequence[Look], tokens: Sequence[str], images: Sequence[Image]) -> list[Html]:
    """Show the looks side by side, in the order of the response; nothing where there are none."""
    under = [shrunk(image) for image in images] if found else []
    drawn = [
        figure(look, tokens, number, laid, image)
        for look in sorted(found, key=lambda look: look.token)
        for number, (laid, image) in enumerate(zip(look.pictures, under, strict=True), 1)
    ]
    return [tag("div", *drawn, class_="looks")] if drawn else []


def shrunk(image: Image) -> Image:
    """Return a picture of few bytes as it is, another one smaller; what is no picture is told where it is shown."""
    try:
        if len(image.read()) <= MAP_BYTES:
            return image
        small = BytesIO()
        decode(image, MAP_SIDE).save(small, "JPEG", quality=85)
    except (OSError, TaskError):
        return image
    return Image.of(small.getvalue())


def figure(look: Look, tokens: Sequence[str], number: int, laid: Laid, image: Image) -> Html:
    """Draw one token's look over one picture; the darkest part is the one with most attention for its size."""
    placed = parts(laid)
    most = max((density for _, _, density in placed), default=0.0)
    drawn = [square(box, DARKEST * density / most) for box, _, density in placed if density > FAINTEST * most]
    shown = picture(image, f"image {number}")
    over = tag("svg", *drawn, viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true")
    total = sum(share for _, shares in laid for share in shares)
    known = sum(share for _, share, _ in placed)
    of = f" of image {number}" if len(look.pictures) > 1 else ""
    words = [f"{total:.1%} of the attention is on the {sum(len(g) for g, _ in laid)} tokens{of or ' of the image'}"]
    if placed and most > 0:
        (left, top, right, bottom), share, _ = max(placed, key=lambda part: part[2])
        words.append(f"most for its size {(left + right) / 2:.0%} from the left, {(top + bottom) / 2:.0%} from the top")
        words.append(f"{share:.1%} there")
    if known < total:
        words.append(f"{total - known:.1%} on tokens without a known place in the picture")
    said = tag("figcaption", tag("bdi", tokens[look.token]), f" token {look.token + 1}: ", "; ".join(words))
    return tag("figure", tag("div", shown, over if shown.startswith("<img") else "", class_="look"), said)


def parts(laid: Laid) -> list[tuple[Box, float, float]]:
    """Return the parts of the picture that image tokens show, each with its attention and that for its size."""
    return [
        (box, share, share / ((box[2] - box[0]) * (box[3] - box[1])))
        for grid, shares in laid
        for box, share in zip(grid.boxes(), shares, strict=grid.box is not None)
    ]


def square(box: Box, opacity: float) -> Html:
    """Cover a part of the picture, in hundredths of its sides."""
    left, top, right, bottom = (100 * side for side in box)
    size = {"width": f"{right - left:.2f}", "height": f"{bottom - top:.2f}"}
    return tag("rect", x=f"{left:.2f}", y=f"{top:.2f}", **size, fill_opacity=f"{opacity:.2f}")
