# pyright: strict
"""Drawings of a comparison as inline SVG: tasks by their number of attempts, and a curve over layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from .chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from .markup import Html, join, tag

MOST_BARS = 24
"""Counts from here on share the last pair of bars."""


def imbalance(title: str, before: Sequence[float] | None, after: Sequence[float]) -> Html:
    """Draw how many tasks have 0, 1, 2, … correct attempts, and beside it how many have so many training examples."""
    counts = [gathered(before or ()), gathered(after)]
    columns = max(map(len, counts))
    most = max(max(some, default=0.0) for some in counts) or 1.0
    wide = (RIGHT - LEFT) / columns
    bars: list[Html] = []
    for side, (kind, word, some) in enumerate(zip(("before", "after"), NAMES, counts, strict=True)):
        for number, tasks in enumerate(some):
            height = (BOTTOM - TOP) * tasks / most
            x = LEFT + wide * (number + 0.08 + 0.42 * side)
            label = tag("title", f"{tasks:.3g} tasks with {counted(number, columns)} {word}")
            place = {"x": f"{x:.1f}", "y": f"{BOTTOM - height:.1f}", "width": f"{0.42 * wide:.1f}"}
            bars.append(tag("rect", label, height=f"{height:.1f}", class_=kind, **place))
    every = ceil(columns / 12)
    labels = [
        tag("text", counted(n, columns), x=f"{LEFT + wide * (n + 0.5):.1f}", y=BOTTOM + 18, text_anchor="middle")
        for n in range(0, columns, every)
    ]
    drawn = [*ruler(most), *bars, *labels, *axes("attempts or examples of a task", "tasks")]
    return figure(title, f"{title}: tasks by number of correct attempts and of training examples", drawn)


NAMES = ("correct attempts", "training examples")


def imbalance_key() -> Html:
    """Say which bar is which."""
    items = [
        tag("li", tag("svg", tag("rect", width=16, height=12, class_=kind), aria_hidden="true", **SWATCH), f" {word}")
        for kind, word in zip(("before", "after"), NAMES, strict=True)
    ]
    return tag("ul", *items, class_="legend")


SWATCH = {"viewBox": "0 0 16 12", "width": 16, "height": 12}


def layer_curve(title: str, curve: Sequence[float | None], best: int | None) -> Html:
    """Draw the AUROC of each layer's image share; half is chance, the best layer has a mark."""
    known = [(layer, area) for layer, area in enumerate(curve) if area is not None]
    step = (RIGHT - LEFT - 48) / max(1, len(curve) - 1)
    places = [(LEFT + 24 + step * layer, BOTTOM - (BOTTOM - TOP) * area, layer, area) for layer, area in known]
    line = tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places), class_="line")
    marks = [
        tag(
            "circle",
            tag("title", f"layer {layer}: {area:.3f}{', the best' if layer == best else ''}"),
            **{"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": 6 if layer == best else 3},
            class_="mark",
        )
        for x, y, layer, area in places
    ]
    every = ceil(len(curve) / 12)
    labels = [
        tag("text", str(n), x=f"{LEFT + 24 + step * n:.1f}", y=BOTTOM + 18, text_anchor="middle")
        for n in range(0, len(curve), every)
    ]
    drawn = [*ruler(1.0, "{:.1f}"), tag("g", line, *marks, class_="c0"), *labels, *axes("layer", "AUROC")]
    return figure(title, f"{title}: AUROC of the image's share of attention by layer", drawn)


def figure(title: str, told: str, drawn: Sequence[Html]) -> Html:
    """Put a drawing under its title."""
    svg = tag("svg", tag("title", told), *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="chart")
    return tag("figure", tag("figcaption", title), svg)


def figures(drawn: Sequence[Html], *legend: Html) -> Html:
    """Put figures side by side."""
    return join(tag("div", *drawn, class_="panels"), *legend)


def ruler(most: float, write: str = "{:.3g}") -> Iterator[Html]:
    """Draw five lines from 0 to `most` with their values."""
    for i in range(5):
        y = f"{BOTTOM - (BOTTOM - TOP) * i / 4:.1f}"
        yield tag("path", d=f"M{LEFT},{y}H{RIGHT}", class_="grid")
        yield tag("text", write.format(most * i / 4), x=LEFT - 6, y=y, dy="0.32em", text_anchor="end")


def axes(across: str, up: str) -> Iterator[Html]:
    """Draw the axes with their names."""
    middle = (TOP + BOTTOM) / 2
    yield tag("path", d=f"M{LEFT},{TOP}V{BOTTOM}H{RIGHT}", class_="axis")
    yield tag("text", across, x=(LEFT + RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle")
    yield tag("text", up, x=12, y=middle, text_anchor="middle", transform=f"rotate(-90 12 {middle})")


def gathered(counts: Sequence[float]) -> list[float]:
    """Return counts with those that have no bars of their own put together in the last."""
    return [*counts[: MOST_BARS - 1], sum(counts[MOST_BARS - 1 :])] if len(counts) > MOST_BARS else list(counts)


def counted(number: int, columns: int) -> str:
    """Name a pair of bars."""
    return f"{number}+" if number == MOST_BARS - 1 and columns == MOST_BARS else str(number)
