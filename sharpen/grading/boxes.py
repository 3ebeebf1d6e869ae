# pyright: strict
"""Boxes in a picture: every x1 y1 x2 y2 that a text states, and the overlap of two of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

Box = tuple[float, float, float, float]

# digits that belong to a name (x1, x_{2}, bbox_2d, "box 1:") are no coordinates
_NUMBER = re.compile(
    r"(?<![\w.])(?<!_\{)[-+\u2212]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:[eE][-+]?\d{1,2})?(?![\w}])"
)
_GROUP = re.compile(r"\[[^\[\](){}]*\]|\([^\[\](){}]*\)|\{[^\[\](){}]*\}")
_LABELLED = re.compile(
    r"(?<![A-Za-z])[\"']?([A-Za-z]+_?\{?[12]?\}?)[\"']?\s*[:=]\s*([-+\u2212]?\d{1,15}(?:\.\d{1,15})?)(?![\w.]*\d)"
)
_RUN = re.compile(rf"{_NUMBER.pattern}(?:[\s,;]+{_NUMBER.pattern})*")
_LABELS = {
    **{name: name for name in ("x1", "y1", "x2", "y2")},
    **{"xmin": "x1", "ymin": "y1", "xmax": "x2", "ymax": "y2", "left": "x1", "top": "y1", "right": "x2"},
    **{"bottom": "y2", "x": "x1", "y": "y1", "w": "w", "h": "h", "width": "w", "height": "h"},
}


def boxes(text: str) -> list[Box]:
    """Every different box that a text states: by labels, in brackets, as two corners, or as four bare numbers."""
    found = _labelled(text)
    if not found:
        groups = [[float(n.replace("\u2212", "-")) for n in _NUMBER.findall(m[0])] for m in _GROUP.finditer(text)]
        found = [_box(g) for g in groups if len(g) == 4]
        corners = [g for g in groups if len(g) == 2]
        if not found and len(corners) > 1:
            found = [_box([*a, *b]) for a, b in zip(corners[::2], corners[1::2], strict=False)]
        if not groups or not any(groups):
            runs = [[float(n.replace("\u2212", "-")) for n in _NUMBER.findall(m[0])] for m in _RUN.finditer(text)]
            found = [_box(run) for run in runs if len(run) == 4]
    return list(dict.fromkeys(found))


def _box(numbers: Sequence[float]) -> Box:
    a, b, c, d = numbers
    return a, b, c, d


def _labelled(text: str) -> list[Box]:
    """Boxes whose numbers have names, in any order; width and height count from the corner."""
    found: list[Box] = []
    sides: dict[str, float] = {}
    for match in _LABELLED.finditer(text):
        label = _LABELS.get(re.sub(r"[_{}]", "", match[1]).casefold())
        if label is None:
            continue
        sides = {label: float(match[2].replace("\u2212", "-"))} | ({} if label in sides else sides)
        x, y = sides.get("x1"), sides.get("y1")
        if x is None or y is None or len(sides) != 4:
            continue
        if sides.keys() == {"x1", "y1", "x2", "y2"}:
            found.append((x, y, sides["x2"], sides["y2"]))
        elif sides.keys() == {"x1", "y1", "w", "h"}:
            found.append((x, y, x + sides["w"], y + sides["h"]))
    return found


def ordered(box: Box) -> Box:
    """The box by its upper left and lower right corner, whichever two opposite ones are given."""
    a, b, c, d = box
    return min(a, c), min(b, d), max(a, c), max(b, d)


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x1 y1 x2 y2."""
    wide, high = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = [max(0.0, c[2] - c[0]) * max(0.0, c[3] - c[1]) for c in (a, b)]
    union = sum(areas) - wide * high
    return wide * high / union if union > 0 else 0.0
