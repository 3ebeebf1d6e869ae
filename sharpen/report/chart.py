# pyright: strict
"""Drawings of accuracies as inline SVG: curves over rounds, and pairs of bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor

from ..statistics import Interval
from .markup import Html, join, tag

WIDTH, HEIGHT = 440, 290
LEFT, RIGHT, TOP, BOTTOM = 52, 428, 12, 244  # the plot's edges within the drawing
COLOURS = 8  # classes c0 … c7 of report.css
MARKS = ("M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-5l4.6,8.4h-9.2z",
         "M0,-5.2l5.2,5.2l-5.2,5.2l-5.2,-5.2z", "M-4.6,-4.2h9.2l-4.6,8.4z")  # fmt: skip
BAR = 120  # a bar's full length


@dataclass(frozen=True)
class Curve:
    """One method's accuracy by round; a round whose value is None is a gap."""

    name: str
    points: Sequence[tuple[int, Interval]]


@dataclass(frozen=True)
class Axes:
    """Where a round and a share stand in the drawing."""

    rounds: int
    low: float
    high: float
    step: float

    @classmethod
    def around(cls, panels: Sequence[Sequence[Curve]]) -> Axes | None:
        """Return axes that hold every point and interval; None where there is no point."""
        points = [p for curves in panels for c in curves for p in c.points if p[1].value is not None]
        if not points:
            return None
        ends = [e for _, i in points for e in (i.value, i.low, i.high) if e is not None]
        low, high = max(0.0, min(ends)), min(1.0, max(ends))
        points_apart = next((s for s in (1, 2, 5, 10) if (high - low) * 100 <= 6 * s), 20)
        first, last = floor(100 * low / points_apart), ceil(100 * high / points_apart)
        if first == last:
            first, last = max(0, first - 1), last + (first == 0)
        step = points_apart / 100
        return cls(max(r for r, _ in points), first * step, last * step, step)

    def x(self, number: int) -> float:
        return LEFT + 24 + (RIGHT - LEFT - 48) * number / max(1, self.rounds)

    def y(self, share: float) -> float:
        inside = min(self.high, max(self.low, share))
        return BOTTOM - (BOTTOM - TOP) * (inside - self.low) / (self.high - self.low)


def panel(title: str, curves: Sequence[Curve], axes: Axes) -> Html:
    """Draw one accuracy of every method over the rounds."""
    drawn = [draw(curve, i, len(curves), axes) for i, curve in enumerate(curves)]
    svg = tag(
        "svg",
        tag("title", f"{title} by round, with 95 % intervals; the tables give the numbers"),
        *frame(axes),
        *drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
    )
    return tag("figure", tag("figcaption", title), svg)


def frame(axes: Axes) -> Iterator[Html]:
    """Draw the grid and the axes with their labels."""
    for i in range(round((axes.high - axes.low) / axes.step) + 1):
        share = axes.low + i * axes.step
        y = f"{axes.y(share):.1f}"
        yield tag("path", d=f"M{LEFT},{y}H{RIGHT}", class_="grid")
        yield tag("text", f"{share:.0%}", x=LEFT - 6, y=y, dy="0.32em", text_anchor="end")
    every = ceil((axes.rounds + 1) / 12)
    for number in range(0, axes.rounds + 1, every):
        x = f"{axes.x(number):.1f}"
        yield tag("text", "base" if number == 0 else str(number), x=x, y=BOTTOM + 18, text_anchor="middle")
    yield tag("path", d=f"M{LEFT},{TOP}V{BOTTOM}H{RIGHT}", class_="axis")
    middle = (TOP + BOTTOM) / 2
    yield tag("text", "round", x=(LEFT + RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle")
    yield tag("text", "accuracy", x=12, y=middle, text_anchor="middle", transform=f"rotate(-90 12 {middle})")


def draw(curve: Curve, index: int, many: int, axes: Axes) -> Html:
    """Draw one curve; curves stand a little beside each other, so that their intervals can be told apart."""
    aside = (index - (many - 1) / 2) * min(7, 30 / many)
    places = [(axes.x(number) + aside, number, interval) for number, interval in curve.points]
    lines: list[Html] = []
    for known, run in groupby(places, key=lambda p: p[2].value is not None):
        stretch = [f"{x:.1f},{axes.y(i.value or 0):.1f}" for x, _, i in run]
        if known and len(stretch) > 1:
            lines.append(tag("polyline", points=" ".join(stretch), class_="line"))
    marks = [mark(curve.name, index, x, number, i, axes) for x, number, i in places if i.value is not None]
    return tag("g", *lines, *marks, class_=f"c{index % COLOURS}")


def mark(name: str, index: int, x: float, number: int, interval: Interval, axes: Axes) -> Html:
    """Draw a point with its interval bar and, for the pointer, its numbers."""
    bar = Html("")
    if interval.low is not None and interval.high is not None:
        low, high = axes.y(interval.low), axes.y(interval.high)
        caps = f"M{x - 3:.1f},{low:.1f}h6M{x - 3:.1f},{high:.1f}h6"
        bar = tag("path", d=f"M{x:.1f},{low:.1f}V{high:.1f}{caps}", class_="whisker")
    where = f"translate({x:.1f} {axes.y(interval.value or 0):.1f})"
    point = tag("path", d=MARKS[index % len(MARKS)], transform=where, class_="mark")
    label = f"{name}, {'base' if number == 0 else f'round {number}'}: {percent(interval)} {between(interval)}"
    return tag("g", tag("title", label), bar, point)


def legend(names: Sequence[str]) -> Html:
    """Say which mark is which method."""
    items: list[Html] = []
    for index, name in enumerate(names):
        line = tag("path", d="M0,0H28", class_="line")
        point = tag("path", d=MARKS[index % len(MARKS)], transform="translate(14 0)", class_="mark")
        colour = f"key c{index % COLOURS}"
        place = {"viewBox": "0 -8 28 16", "width": 28, "height": 16}
        key = tag("svg", line, point, class_=colour, aria_hidden="true", **place)
        items.append(tag("li", key, " ", tag("bdi", name)))
    return tag("ul", *items, class_="legend")


def bars(before: Interval, after: Interval) -> Html:
    """Draw two shares above each other, with their intervals; the numbers stand beside it as text."""
    drawn = [tag("path", d=f"M0.5,0V26M{BAR + 0.5},0V26", class_="grid")]
    for y, kind, interval in ((3, "before", before), (14, "after", after)):
        if interval.value is None:
            continue
        drawn.append(tag("rect", x=0.5, y=y, width=f"{BAR * interval.value:.1f}", height=9, class_=kind))
        if interval.low is not None and interval.high is not None:
            low, high = (0.5 + BAR * min(1, max(0, end)) for end in (interval.low, interval.high))
            drawn.append(tag("path", d=f"M{low:.1f},{y + 4.5}H{high:.1f}", class_="whisker"))
    place = {"viewBox": f"0 0 {BAR + 1} 26", "width": BAR + 1, "height": 26}
    return tag("svg", *drawn, class_="bars", aria_hidden="true", **place)


def percent(interval: Interval) -> str:
    """Write the value as percent, a dash where it is unknown."""
    return "–" if interval.value is None else f"{interval.value:.1%}"


def between(interval: Interval) -> str:
    """Write the bounds as percent; empty where there are none."""
    if interval.value is None or interval.low is None or interval.high is None:
        return ""
    return f"[{interval.low:.1%}, {interval.high:.1%}]"


def charts(panels: Sequence[tuple[str, Sequence[Curve]]]) -> Html:
    """Draw panels side by side on the same axes, with one legend."""
    axes = Axes.around([curves for _, curves in panels])
    if axes is None:
        return tag("p", "No accuracy was measured: the run had no test tasks, or every verdict is unknown.")
    drawn = [panel(title, curves, axes) for title, curves in panels]
    names = [curve.name for curve in panels[0][1]]
    return join(tag("div", *drawn, class_="panels"), legend(names))
