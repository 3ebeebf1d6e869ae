# pyright: strict
"""The page of a comparison: the tables of the terminal, accuracy over the rounds, and the imbalance of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..comparison import Comparison, Line
from ..comparison_text import DASH, accuracy, by_round, cost, kinds, looking, notes, over_seeds
from .chart import Curve, charts
from .figures import figures, imbalance, imbalance_key
from .html import cell, document, heading, section, table, write_page
from .markup import Html, tag


def write_comparison(path: Path, command: str, found: Comparison, *more: Html) -> None:
    """Write the page to `path`, further sections at its end; UserError where it cannot be written."""
    write_page(path, comparison_page("sharpen compare", command, found, *more))


def comparison_page(title: str, command: str, found: Comparison, *more: Html) -> str:
    """Return the whole document."""
    return document(title, command, *comparison_sections(found), *more)


def comparison_sections(found: Comparison, of: str = "") -> list[Html]:
    """Return the sections of a comparison; `of` says in the headings what it is of, where there are several."""
    models = [found.base, *found.lines]
    lost = [tag("p", "Failed: ", tag("bdi", name), f": {why}") for name, why in found.failed]
    said = [tag("p", text) for text in notes(found).split("\n")]
    return [
        section(f"Accuracy{of}", tabled("Accuracy", accuracy(found)), *lost, *said),
        section(f"Differences over seeds{of}", tabled(f"Differences from {found.lines[0].name}", over_seeds(found))),
        section(f"Accuracy over the rounds{of}", curves(models), tabled("By round", by_round(found))),
        section(f"Kinds of question{of}", tabled("Greedy accuracy by kind of question", kinds(models))),
        section(f"Looking at the image{of}", tabled("Facts, and answers that change with the image", looking(found))),
        section(f"Data and cost{of}", tabled("All rounds together", cost(found))),
        section(f"Imbalance of the data{of}", figures(drawings(found.lines), imbalance_key())),
    ]


def tabled(caption: str, rows: Sequence[Sequence[str]]) -> Html:
    """Put the rows of a text table, the first of them its head, into a table of the page."""
    if len(rows) < 2:
        return tag("p", tag("bdi", caption), ": nothing was measured.")
    head, *body = rows
    return table(
        caption,
        [tag("tr", *map(heading, head))],
        [[heading(name, "row"), *(cell(text or DASH) for text in row)] for name, *row in body],
    )


def curves(models: Sequence[Line]) -> Html:
    """Draw greedy and sampled accuracy of every method over the rounds, each from the base model on."""
    panels = [
        (label, [Curve(line.name, list(enumerate(line.curve[label]))) for line in models[1:]])
        for label in ("greedy", "sampled")
    ]
    return charts(panels)


def drawings(lines: Sequence[Line]) -> list[Html]:
    """Draw the imbalance of every method's first and last round."""
    return [
        imbalance(f"{line.name}, round {at + 1}", line.rounds[at].before, line.rounds[at].after)
        for line in lines
        for at in sorted({0, len(line.rounds) - 1})
    ]
