"""The page is read back with a parser: what is asserted is what a browser would find."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from sharpen.errors import UserError
from sharpen.report import markup
from sharpen.report.chart import Axes, Curve
from sharpen.report.html import MethodResult, Trace, write_report
from sharpen.statistics import Interval
from sharpen.types import Image, Task

VOID = {"meta", "img", "br"}
ATTACK = '</style></title><script>alert(1)</script><img src=x onerror=\'y\'>" onload="z" &amp;'
HOSTILE = f"{ATTACK} \u202eabc\x00\x1b\ud800"
SHOWN = f"{ATTACK} ⟨U+202E⟩abc␀␛⟨U+D800⟩"


@dataclass
class Node:
    name: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def all(self, name: str = "", class_: str = "") -> list[Node]:
        found: list[Node] = []
        for child in self.children:
            if isinstance(child, Node):
                classes = child.attributes.get("class", "").split()
                if name in ("", child.name) and (not class_ or class_ in classes):
                    found.append(child)
                found += child.all(name, class_)
        return found

    def one(self, name: str = "", class_: str = "") -> Node:
        (found,) = self.all(name, class_)
        return found


class Reader(HTMLParser):
    """Builds the tree and refuses what is not well nested."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [key for key, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice"
        node = Node(tag, {key: value or "" for key, value in attrs})
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(path: Path) -> Node:
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    (root,) = reader.open
    return root


def png(width: int = 16, height: int = 8, kind: str = "PNG") -> bytes:
    data = BytesIO()
    Pillow.new("RGB", (width, height), "red").save(data, kind)
    return data.getvalue()


def share(value: float | None, spread: float = 0.05, n: int = 200) -> dict[str, object]:
    if value is None:
        return {"value": None, "low": None, "high": None, "n": 0}
    return {"value": value, "low": value - spread, "high": value + spread, "n": n}


def measured(value: float | None) -> dict[str, object]:
    return {
        "accuracy": share(value),
        "sampled_accuracy": share(value),
        "pass_at": {"1": share(value), "8": share(value)},
        "majority_at": {"1": share(value), "8": share(value)},
        "blind_accuracy": share(0.25),
        "unknown": 0,
        "no_answer": 3,
        "by_kind": {"count": {"accuracy": share(value), "sampled_accuracy": share(value)}},
    }


def collected(number: int, value: float | None = 0.5, **changed: object) -> dict[str, object]:
    counts = {"tasks": 48, "attempts": 480, "correct": 120, "resumed": 900, "rescued": 77}
    rest = {"unsolved_before": 31, "unsolved_after": 19, "dropped": 23, "examples": 174, "tokens": 1234}
    spent = {"seconds": 61.25, "parts": {"train train": 50.0, "collect sample": 11.25}}
    events = {"dropped: vision-aware attention score below -0.5": 23}
    return {"round": number, **counts, **rest, **measured(value), **spent, "events": events, **changed}


def task(**changed: Any) -> Task:
    settings: dict[str, Any] = {"images": (Image.of(png()),), "answer": "seven"}
    return Task(**{"id": "shapes-1", "question": "How many circles?", **settings, **changed})


def method(*rounds: dict[str, object], base: dict[str, object] | None = None) -> MethodResult:
    return MethodResult("VISTA", measured(0.4) if base is None else base, rounds)


def report(path: Path, *traces: Trace, methods: list[MethodResult] | None = None, **changed: str) -> Node:
    words = {"title": "shapes", "command": "sharpen run --method vista", **changed}
    found = [method(collected(1))] if methods is None else methods
    write_report(path / "report.html", words["title"], words["command"], found, traces)
    return parse(path / "report.html")


def rows(table: Node) -> list[list[str]]:
    return [[c.text for c in row.children if isinstance(c, Node)] for row in table.one("tbody").all("tr")]


def columns(table: Node) -> list[str]:
    """The headings of a table of two heading rows, in the order of its cells."""
    first, second = table.one("thead").all("tr")
    names: list[str] = []
    below = iter(second.all("th"))
    for cell in first.all("th"):
        names += [next(below).text for _ in range(int(cell.attributes.get("colspan", 0)))] or [cell.text]
    return names


def rounds_table(root: Node) -> list[dict[str, str]]:
    table = root.all("table")[0]
    names = columns(table)
    return [dict(zip(names, row, strict=True)) for row in rows(table)]


# --- safe ----------------------------------------------------------------------------------------


def test_hostile_text_stays_text_wherever_it_comes_from(tmp_path: Path) -> None:
    asked = task(id=HOSTILE, question=HOSTILE, answer=HOSTILE, choices=(HOSTILE, "b"), places=(3,))
    trace = Trace(
        HOSTILE,
        asked,
        (HOSTILE, "b"),
        "wrong",
        critical=0,
        replaced=HOSTILE,
        attention=(0.1, 0.2),
        note=HOSTILE,
    )
    kind = {HOSTILE: {"accuracy": share(0.5)}}
    row = collected(1, by_kind=kind, events={HOSTILE: 1}, parts={HOSTILE: 2.0})
    done = MethodResult(HOSTILE, {**measured(0.4), "by_kind": kind}, [row])
    root = report(tmp_path, trace, methods=[done], title=HOSTILE, command=HOSTILE)

    assert root.all("script") == []
    assert len(root.all("style")) == 1
    assert [i.attributes["src"][:22] for i in root.all("img")] == ["data:image/png;base64,"]
    assert [k for n in root.all() for k in n.attributes if k.startswith("on")] == []
    shown = [root.one("h1"), root.one("code"), *root.one("head").all("title"), *root.all("bdi")]
    assert {n.text for n in shown} <= {SHOWN, f"{SHOWN}: none.", "shapes-1"}
    text = root.text
    # title, h1, command; three tables and the legend by method, a kind, an event, a part, and per trace
    # its title, task, answer, choice, token, replacement and note
    assert text.count(SHOWN) >= 3 + 4 + 3 + 7
    assert root.one(class_="tokens").all("span", "t")[0].text == SHOWN


def test_characters_that_hide_are_shown(tmp_path: Path) -> None:
    hidden = "a\u202eb\u2066c\u200bd\ufeffe\U000e0041f\x7fg\rh\ti\nj"
    root = report(tmp_path, Trace("kept", task(), (hidden,), "right"))
    assert root.one(class_="tokens").text == "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200B⟩d⟨U+FEFF⟩e⟨U+E0041⟩f␡g␍h\ti\nj"
    raw = (tmp_path / "report.html").read_bytes().decode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", raw)


def test_writing_from_right_to_left_keeps_its_direction(tmp_path: Path) -> None:
    root = report(tmp_path, Trace("kept", task(question="כמה עיגולים?"), ("שבע", " 7"), "right"))
    box = root.one(class_="tokens")
    assert (box.text, box.attributes["dir"]) == ("שבע 7", "auto")
    assert [d.attributes["dir"] for d in root.all("dd")] == ["auto"] * len(root.all("dd"))


def test_nothing_outside_the_file_is_named(tmp_path: Path) -> None:
    root = report(tmp_path, Trace("kept", task(question="see https://example.org/a.png"), ("a",), "right"))
    assert {n.name for n in root.all()} & {
        "link",
        "script",
        "iframe",
        "object",
        "embed",
        "base",
        "use",
    } == set()
    references = [
        value
        for node in root.all()
        for key, value in node.attributes.items()
        if key in {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href", "style"}
    ]
    assert len(references) == 1
    assert references[0].startswith("data:image/png;base64,")
    style = root.one("style").text
    assert not re.search(r"url\(|@import|https?:|//", style)


def test_the_policy_allows_this_style_and_data_images_only(tmp_path: Path) -> None:
    root = report(tmp_path)
    metas = root.one("head").all("meta")
    (policy,) = [m for m in metas if m.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert metas.index(policy) == 1  # after the charset, before whatever it guards
    style = b64encode(sha256(root.one("style").text.encode()).digest()).decode()
    rules = policy.attributes["content"].split("; ")
    assert rules[:3] == ["default-src 'none'", "img-src data:", f"style-src 'sha256-{style}'"]


# --- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_an_image_is_embedded_as_what_its_bytes_are(tmp_path: Path, kind: str) -> None:
    data = png(16, 8, kind)
    root = report(tmp_path, Trace("kept", task(images=(Image.of(data),)), ("a",), "right"))
    image = root.one("img")
    assert image.attributes["src"] == f"data:image/{kind.lower()};base64,{b64encode(data).decode()}"
    assert b64decode(image.attributes["src"].split(",")[1]) == data
    assert image.attributes["alt"] == "image 1 of the question"


def test_a_small_image_is_scaled_by_a_whole_number_without_smoothing(tmp_path: Path) -> None:
    images = (Image.of(png(48, 20)), Image.of(png(300, 200)))
    root = report(tmp_path, Trace("kept", task(images=images), ("a",), "right"))
    small, large = root.all("img")
    assert (small.attributes["width"], small.attributes["height"]) == ("240", "100")
    assert small.attributes["class"] == "small"
    assert (large.attributes["width"], large.attributes.get("class")) == ("300", None)
    assert re.search(r"img\.small \{[^}]*image-rendering: pixelated", root.one("style").text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<script>",
        b"BMW is a car of some make",
        b"%PDF-1.7",
    ],
)
def test_other_bytes_are_not_shown(tmp_path: Path, data: bytes) -> None:
    root = report(tmp_path, Trace("kept", task(images=(Image.of(data),)), ("a",), "right"))
    assert root.all("img") == []
    assert root.one(class_="images").text == "image not shown (type unknown)"


def test_an_image_that_is_gone_changed_or_too_large_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, changed = tmp_path / "gone.png", tmp_path / "changed.png"
    gone.write_bytes(png())
    changed.write_bytes(png())
    bomb = bytearray(png())
    bomb[16:24] = (60000).to_bytes(4) * 2
    monkeypatch.setattr(markup, "MAX_BYTES", 1000)
    large = png() + bytes(1000)
    images = tuple(Image.of(source) for source in (gone, changed, bytes(bomb), large))
    gone.unlink()
    changed.write_bytes(png(9, 9))
    root = report(tmp_path, Trace("kept", task(images=images), ("a",), "right"))
    assert [n.text for n in root.all(class_="missing")] == [
        "image not shown (the file cannot be read)",
        "image not shown (the file has changed since it was loaded)",
        "image not shown (60000 × 60000 pixels)",
        "image not shown (0.0 MB, more than 0)",
    ]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_an_image_cut_anywhere_is_shown_by_its_header_or_refused_with_a_reason(kind: str) -> None:
    data = png(16, 8, kind)
    made = [markup.picture(Image.of(data[:length]), "cut") for length in range(min(60, len(data)))]
    assert "<img" in markup.picture(Image.of(data), "whole")
    assert "<img" not in made[0]
    for html in made:
        assert ('src="data:image/' in html) != ("image not shown (" in html)


def test_places_of_images_are_told(tmp_path: Path) -> None:
    images = (Image.of(png()), Image.of(png(9, 9)))
    root = report(tmp_path, Trace("kept", task(question="Is a b?", images=images, places=(3, 5)), ("a",), "right"))
    assert root.all("dd")[0].text == "Is [image 1]a [image 2]b?"


# --- figures -------------------------------------------------------------------------------------


def test_a_round_shows_its_figures(tmp_path: Path) -> None:
    base, first = rounds_table(report(tmp_path))
    assert base["round"] == "0 (base)"
    assert base["greedy"] == "40.0%[35.0%, 45.0%]"
    assert {base[c] for c in ("attempts", "correct", "rescued", "dropped", "examples", "seconds")} == {"–"}
    assert base["tasks without a correct attempt"] == "– → –"
    assert first == {
        "round": "1",
        "attempts": "480",
        "correct": "25.0%",
        "tasks without a correct attempt": "31 → 19",
        "rescued": "77",
        "dropped": "23",
        "examples": "174",
        "greedy": "50.0%[45.0%, 55.0%]",
        "sampled": "50.0%[45.0%, 55.0%]",
        "pass@8": "50.0%[45.0%, 55.0%]",
        "majority": "50.0%[45.0%, 55.0%]",
        "blind": "25.0%[20.0%, 30.0%]",
        "no answer (wrong)": "3",
        "unknown verdicts": "0",
        "seconds": "61.2",
    }


def test_unknown_is_a_dash_and_never_zero(tmp_path: Path) -> None:
    nothing: dict[str, object] = {
        "round": 1,
        "attempts": 0,
        "correct": 0,
        "seconds": float("nan"),
        "accuracy": None,
    }
    empty = collected(2, None)
    base, first, second = rounds_table(report(tmp_path, methods=[method(nothing, empty, base={})]))
    assert set(base.values()) - {"0 (base)", "– → –"} == {"–"}
    assert (first["attempts"], first["correct"], first["seconds"], first["greedy"]) == ("0", "–", "–", "–")
    assert (second["greedy"], second["pass@8"], second["blind"]) == ("–", "–", "25.0%[20.0%, 30.0%]")


def test_a_true_zero_is_a_zero(tmp_path: Path) -> None:
    zero = {"value": 0.0, "low": 0.0, "high": 0.02, "n": 200}
    _, first = rounds_table(report(tmp_path, methods=[method(collected(1, accuracy=zero, rescued=0, correct=0))]))
    assert (first["greedy"], first["rescued"], first["correct"]) == ("0.0%[0.0%, 2.0%]", "0", "0.0%")


def test_a_value_without_an_interval_has_none(tmp_path: Path) -> None:
    alone = {"value": 0.5, "low": None, "high": None, "n": 1}
    root = report(tmp_path, methods=[method(collected(1, accuracy=alone))])
    assert rounds_table(root)[1]["greedy"] == "50.0%"


def test_kinds_compare_the_base_with_the_last_round(tmp_path: Path) -> None:
    old = {"count": {"accuracy": share(0.4)}, "gone": {"accuracy": share(0.1)}}
    new = {"count": {"accuracy": share(0.55)}, "new": {"accuracy": share(None)}}
    base = {**measured(0.4), "by_kind": old}
    root = report(tmp_path, methods=[method(collected(1), collected(2, by_kind=new), base=base)])
    table = root.all("table")[1]
    assert rows(table) == [
        ["count", "200", "40.0%[35.0%, 45.0%]", "55.0%[50.0%, 60.0%]", "+15.0", ""],
        ["gone", "200", "10.0%[5.0%, 15.0%]", "–", "–", ""],
        ["new", "–", "–", "–", "–", ""],
    ]
    assert [len(svg.all("rect")) for svg in table.all("svg")] == [2, 1, 0]
    assert float(table.all("rect")[1].attributes["width"]) == pytest.approx(120 * 0.55, abs=0.1)


def test_events_say_what_was_left_out_and_why(tmp_path: Path) -> None:
    first = collected(1, events={"dropped: below -0.5": 23})
    second = collected(2, events={"no critical token: all likely": 4, "dropped: below -0.5": 9})
    third = collected(3)
    del third["events"]
    root = report(tmp_path, methods=[method(first, second, third)])
    table = root.all("table")[2]
    assert [c.text for c in table.one("thead").all("th")] == ["what and why", "round 1", "round 2", "round 3"]
    assert rows(table) == [
        ["dropped: below -0.5", "23", "9", "–"],
        ["no critical token: all likely", "0", "4", "–"],
    ]


def test_a_run_without_anything_is_a_page(tmp_path: Path) -> None:
    root = report(tmp_path, methods=[])
    assert root.text.count("Nothing to show.") == 4
    root = report(tmp_path, methods=[method(base={})])
    assert "No accuracy was measured" in root.text


# --- curves --------------------------------------------------------------------------------------


def test_curves_stand_where_their_values_are(tmp_path: Path) -> None:
    found = [
        method(collected(1, 0.5), collected(2, 0.6)),
        MethodResult("ReST-EM", measured(0.4), [collected(1, 0.3)]),
    ]
    root = report(tmp_path, methods=found)
    greedy, sampled = root.all("svg", "chart")
    assert [f.text for f in root.all("figcaption")] == ["greedy", "sampled"]
    assert {"accuracy", "round", "base"} <= {t.text for t in greedy.all("text")}
    assert len(sampled.all("path", "mark")) == len(greedy.all("path", "whisker")) == 5
    assert [b.text for b in root.all("ul", "legend")[0].all("bdi")] == ["VISTA", "ReST-EM"]

    ticks = {t.text: float(t.attributes["y"]) for t in greedy.all("text") if t.text.endswith("%")}
    points = [p.split(",") for p in greedy.all("polyline")[0].attributes["points"].split()]
    heights = [float(y) for _, y in points]
    assert heights == pytest.approx([ticks["40%"], ticks["50%"], ticks["60%"]], abs=0.1)
    across = [float(x) for x, _ in points]
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.1)
    assert greedy.all("g")[0].all("title")[1].text == "VISTA, round 1: 50.0% [45.0%, 55.0%]"


def test_an_unknown_round_is_a_gap(tmp_path: Path) -> None:
    found = method(*(collected(i, value) for i, value in enumerate((0.5, None, None, 0.6, 0.7), 1)))
    greedy = report(tmp_path, methods=[found]).all("svg", "chart")[0]
    assert [len(p.attributes["points"].split()) for p in greedy.all("polyline")] == [2, 2]
    assert len(greedy.all("path", "mark")) == 4


@pytest.mark.parametrize("values", [(0.0,), (1.0,), (0.5, 0.5), (0.501, 0.502), (0.0, 1.0), (-0.1, 1.1)])
def test_axes_hold_all_that_is_drawn(values: tuple[float, ...]) -> None:
    curve = Curve("a", [(i, Interval(min(1, max(0, v)), v, v, 9)) for i, v in enumerate(values)])
    axes = Axes.around([[curve]])
    assert axes is not None
    assert 0 <= axes.low < axes.high <= 1.0 + 1e-9
    assert axes.low <= max(0, min(values)) <= min(1, max(values)) <= axes.high + 1e-9
    assert 1 <= round((axes.high - axes.low) / axes.step) <= 8


# --- traces --------------------------------------------------------------------------------------


def test_tokens_are_shaded_and_the_critical_one_is_marked(tmp_path: Path) -> None:
    tokens = ("There", " are", " six", " circles", ".", "")
    shares = (0.0, 0.1, 0.4, 0.2, float("nan"), 0.05)
    trace = Trace("failed", task(), tokens, "wrong", critical=2, replaced=" seven", attention=shares, score=-0.834)
    root = report(tmp_path, trace)
    box = root.one(class_="tokens")
    spans = box.all("span", "t")
    assert tuple(s.text for s in spans) == tokens
    assert [i for i, s in enumerate(spans) if "critical" in s.attributes["class"].split()] == [2]
    assert [s.attributes["class"] for s in spans] == ["t a0", "t a2", "t a9 critical", "t a4", "t", "t a1"]
    assert spans[1].attributes["title"] == "token 2 of 6, 10.0% on the image"
    assert spans[2].attributes["title"] == "critical token 3 of 6, 40.0% on the image"
    after = box.children[box.children.index(spans[2]) + 1]
    assert isinstance(after, Node)
    assert (after.name, after.text) == ("ins", "→  seven")
    assert root.one("article").one(class_="badge").text == "✗ wrong"
    facts = root.one("dl").text
    assert "-0.83 (z within the question)" in facts
    assert "mean 15.0%, least 0.0% (token 1), most 40.0% (token 3)" in facts


def test_the_prefix_is_marked_and_joined_tokens_are_the_response(tmp_path: Path) -> None:
    tokens = ("I", " see", " 7", ".\n", "<b>7</b>")
    trace = Trace("rescued", task(), tokens, "right", given=3, critical=2, replaced=" 7")
    root = report(tmp_path, trace)
    box = root.one(class_="tokens")
    prefix = box.one(class_="prefix")
    assert [s.text for s in prefix.all("span", "t")] == ["I", " see", " 7"]
    assert "".join(s.text for s in box.all("span", "t")) == "".join(tokens)
    assert box.one("ins").text == "← put here"  # the attempt after the change: its text is not told twice
    assert "attention on the image–" in root.one("dl").text
    legend = root.all("ul", "legend")[1].text
    assert "prefix" in legend
    assert "critical token" in legend
    assert "attention" not in legend


def test_the_scale_of_shades_is_one_for_all_traces(tmp_path: Path) -> None:
    pale = Trace("dropped", task(), ("a",), "right", attention=(0.1,))
    dark = Trace("kept", task(), ("a",), "unknown", attention=(0.3,))
    root = report(tmp_path, pale, dark)
    assert [b.all("span")[0].attributes["class"] for b in root.all(class_="tokens")] == ["t a3", "t a9"]
    assert " 30.0% " in root.all("ul", "legend")[1].text
    style = root.one("style").text
    assert all(f".a{i} {{" in style for i in range(1, 10))


def test_an_unlabelled_task_without_an_image(tmp_path: Path) -> None:
    root = report(tmp_path, Trace("kept", task(images=(), answer=None), (), "unknown"))
    assert root.one(class_="images").text == "no image"
    assert root.all("dd")[1].text == "–"
    assert root.one("article").one(class_="badge").text == "? unknown"


@pytest.mark.parametrize(
    "wrong",
    [{"given": 3}, {"critical": 2}, {"critical": -1}, {"attention": (0.1,)}, {"verdict": "maybe"}],
)
def test_a_trace_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    settings: dict[str, Any] = {
        "title": "kept",
        "task": task(),
        "tokens": ("a", "b"),
        "verdict": "right",
        **wrong,
    }
    with pytest.raises(ValueError, match="trace 'kept' of task 'shapes-1': 2 tokens"):
        Trace(**settings)


# --- the file ------------------------------------------------------------------------------------


def test_the_same_run_writes_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    for _ in range(2):
        write_report(path, "t", "c", [method(collected(1))], [Trace("kept", task(), ("a",), "right")])
        assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    first = path.read_bytes()
    write_report(path, "t", "c", [method(collected(1))], [Trace("kept", task(), ("a",), "right")])
    assert path.read_bytes() == first


def test_who_reads_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with path.open() as reader:
        write_report(path, "t", "c", [], [])
        assert reader.read() == "old"
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_failure_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"report\.html: No space left on device"):
        write_report(path, "t", "c", [], [])
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the report"):
        write_report(tmp_path / "file" / "report.html", "t", "c", [], [])
