# pyright: strict
"""The report of a run: one HTML file without scripts that needs nothing from outside and keeps no secret.

What is unknown is shown as a dash and never as zero. The same run writes the same bytes.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import cast

from ..errors import UserError
from ..statistics import Interval
from .attempt import UNKNOWN, Trace, attempts
from .chart import Curve, bars, between, charts, percent
from .markup import Html, join, tag

__all__ = ["MethodResult", "Trace", "write_report"]

Row = Mapping[str, object]

NOTHING_ELSE = "base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class MethodResult:
    """What a method brought: `Evaluation.as_dict()` of the base model and `Round.as_dict()` of each round."""

    name: str
    base: Mapping[str, object]
    rounds: Sequence[Mapping[str, object]]


def write_report(
    path: Path, title: str, command: str, methods: Sequence[MethodResult], traces: Sequence[Trace]
) -> None:
    """Write the report to `path`; `command` is the command line that made the run.

    Raises UserError where the file cannot be written.
    """
    write_page(path, page(title, command, methods, traces))


def write_page(path: Path, text: str) -> None:
    """Write a page in one step: a reader finds the old file or the whole new one."""
    data = text.encode()
    waiting = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with waiting.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            waiting.replace(path)
        finally:
            waiting.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write the report {path}: {error.strerror}; give another place") from error


def page(title: str, command: str, methods: Sequence[MethodResult], traces: Sequence[Trace]) -> str:
    """Return the whole document of a run."""
    return document(
        title,
        command,
        section("Rounds", *map(rounds, methods)),
        section("Accuracy over the rounds", curves(methods)),
        section("Kinds of question", *map(kinds, methods)),
        section("Traces", *attempts(traces)),
        section("What was left out, and where the time went", *map(ledger, methods)),
    )


def document(title: str, command: str, *sections: Html) -> str:
    """Return a whole document made of sections, with its style inside and nothing let in from outside."""
    css = files("sharpen.report").joinpath("report.css").read_text("utf-8")
    style = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; {NOTHING_ELSE}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(css)),
    )
    body = tag(
        "main",
        tag("h1", title, dir="auto"),
        tag("p", "Made by"),
        tag("pre", tag("code", command), tabindex=0),
        *sections,
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def section(title: str, *content: Html) -> Html:
    """Put content under a heading."""
    return tag("section", tag("h2", title), *(content or (tag("p", "Nothing to show."),)))


# --- reading figures -----------------------------------------------------------------------------


def number(value: object) -> float | None:
    """Return a finite number, or None for anything else."""
    return value if isinstance(value, int | float) and isfinite(value) else None


def row_of(value: object) -> Row:
    """Return a mapping, an empty one for anything else."""
    return cast("Row", value) if isinstance(value, Mapping) else {}


def interval(row: Row, *keys: str) -> Interval:
    """Return the interval under these keys, one of unknowns where there is none."""
    for key in keys:
        row = row_of(row.get(key))
    found = [number(row.get(key)) for key in ("value", "low", "high")]
    return Interval(*found, n=int(number(row.get("n")) or 0))


def count(row: Row, key: str) -> str:
    """Write a count."""
    value = number(row.get(key))
    return UNKNOWN if value is None else f"{value:,.0f}"


def stages(method: MethodResult) -> list[tuple[int, Row]]:
    """Return the base as round 0, then the rounds."""
    rounds = [(int(number(row.get("round")) or at), row) for at, row in enumerate(method.rounds, 1)]
    return [(0, method.base), *rounds]


# --- tables --------------------------------------------------------------------------------------


def table(caption: str, head: Sequence[Html], body: Sequence[Sequence[Html]]) -> Html:
    """Put rows in a table that scrolls on a narrow screen; the first cell of a row is its heading."""
    rows = [tag("tr", *row) for row in body]
    inner = tag("table", tag("caption", caption), tag("thead", *head), tag("tbody", *rows))
    return tag("div", inner, class_="scroll", role="region", tabindex=0, aria_label=caption)


def heading(text: str, scope: str = "col", **attributes: object) -> Html:
    """Write a heading cell."""
    return tag("th", text, scope=scope, **attributes)


def cell(text: str) -> Html:
    """Write a cell of numbers."""
    return tag("td", text, class_="num")


def measured(value: Interval) -> Html:
    """Write a share with its interval below."""
    of = f"over {value.n:,} tasks" if value.value is not None else None
    bounds = between(value)
    return tag("td", percent(value), *([tag("small", bounds)] if bounds else []), class_="num", title=of)


def share(row: Row) -> str:
    """Write the share of first attempts that are correct."""
    correct, attempts = number(row.get("correct")), number(row.get("attempts"))
    return UNKNOWN if correct is None or not attempts else f"{correct / attempts:.1%}"


def seconds(value: object) -> str:
    """Write a duration."""
    found = number(value)
    return UNKNOWN if found is None else f"{found:,.1f}" if found < 100 else f"{found:,.0f}"


def unsolved(row: Row) -> str:
    """Write how many tasks had no correct attempt before and after repair."""
    return f"{count(row, 'unsolved_before')} → {count(row, 'unsolved_after')}"


def counted(key: str) -> Callable[[Row], Html]:
    """Make the column of a count."""
    return lambda row: cell(count(row, key))


def rounds(method: MethodResult) -> Html:
    """Tell each round's collection and what its model measures; the base model is round 0."""
    found = stages(method)
    ks = {int(k) for _, row in found for k in row_of(row.get("pass_at")) if k.isdecimal()}
    k = str(max(ks, default="k"))
    groups: dict[str, dict[str, Callable[[Row], Html]]] = {
        "collected": {
            "attempts": counted("attempts"),
            "correct": lambda row: cell(share(row)),
            "tasks without a correct attempt": lambda row: cell(unsolved(row)),
            "rescued": counted("rescued"),
            "dropped": counted("dropped"),
            "examples": counted("examples"),
        },
        "accuracy on the test tasks, with 95 % interval": {
            "greedy": lambda row: measured(interval(row, "accuracy")),
            "sampled": lambda row: measured(interval(row, "sampled_accuracy")),
            f"pass@{k}": lambda row: measured(interval(row, "pass_at", k)),
            "majority": lambda row: measured(interval(row, "majority_at", k)),
            "blind": lambda row: measured(interval(row, "blind_accuracy")),
        },
    }
    alone: dict[str, Callable[[Row], Html]] = {
        "no answer (wrong)": counted("no_answer"),
        "unknown verdicts": counted("unknown"),
        "seconds": lambda row: cell(seconds(row.get("seconds"))),
    }
    top = [heading(name, "colgroup", colspan=len(columns)) for name, columns in groups.items()]
    columns = {name: write for group in groups.values() for name, write in group.items()}
    head = [
        tag("tr", heading("round", rowspan=2), *top, *(heading(name, rowspan=2) for name in alone)),
        tag("tr", *(heading(name) for name in columns)),
    ]
    columns |= alone
    body = [
        [heading("0 (base)" if at == 0 else str(at), "row"), *(write(row) for write in columns.values())]
        for at, row in found
    ]
    return table(method.name, head, body)


def curves(methods: Sequence[MethodResult]) -> Html:
    """Draw greedy and sampled accuracy of every method."""
    if not methods:
        return tag("p", "Nothing to show.")
    panels = [
        (label, [Curve(m.name, [(at, interval(row, key)) for at, row in stages(m)]) for m in methods])
        for label, key in (("greedy", "accuracy"), ("sampled", "sampled_accuracy"))
    ]
    return charts(panels)


def kinds(method: MethodResult) -> Html:
    """Compare the base and the last round by kind of question, greedily."""
    last, ended = stages(method)[-1]
    before, after = row_of(method.base.get("by_kind")), row_of(ended.get("by_kind"))
    body: list[list[Html]] = []
    for kind in dict.fromkeys([*before, *after]):
        a, b = interval(row_of(before.get(kind)), "accuracy"), interval(row_of(after.get(kind)), "accuracy")
        change = UNKNOWN if a.value is None or b.value is None else f"{100 * (b.value - a.value):+.1f}"
        tasks = f"{max(a.n, b.n):,}" if a.n or b.n else UNKNOWN
        drawn = tag("td", bars(a, b))
        body.append([heading(kind, "row"), cell(tasks), measured(a), measured(b), cell(change), drawn])
    if not body:
        return tag("p", tag("bdi", method.name), ": no kinds were measured.")
    names = ("kind", "tasks", "base", f"round {last}", "difference, points", "base above, last round below")
    return table(f"{method.name}: greedy accuracy", [tag("tr", *map(heading, names))], body)


def ledger(method: MethodResult) -> Html:
    """Tell per round what was left out and why, and the seconds of each part of the work."""
    found = stages(method)[1:]
    left_out = matrix(f"{method.name}: what was left out, or noted", "events", found, absent="0")
    return join(left_out, matrix(f"{method.name}: seconds", "parts", found, absent=UNKNOWN))


def matrix(caption: str, key: str, found: Sequence[tuple[int, Row]], absent: str) -> Html:
    """Put the entries of one mapping per round side by side; a round without the mapping is unknown."""
    names = list(dict.fromkeys(name for _, row in found for name in row_of(row.get(key))))
    if not names:
        known = found and all(isinstance(row.get(key), Mapping) for _, row in found)
        return tag("p", tag("bdi", caption), ": ", "none." if known else UNKNOWN)

    def entry(row: Row, name: str) -> str:
        if not isinstance(row.get(key), Mapping):
            return UNKNOWN
        values = row_of(row.get(key))
        if name not in values:
            return absent
        return seconds(values[name]) if key == "parts" else count(values, name)

    head = [
        tag(
            "tr",
            heading("part" if key == "parts" else "what and why"),
            *(heading(f"round {at}") for at, _ in found),
        )
    ]
    body = [[heading(name, "row"), *(cell(entry(row, name)) for _, row in found)] for name in names]
    return table(caption, head, body)
