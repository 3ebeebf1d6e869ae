"""Cards: what `show` prints, made again to the byte, and nothing of the data can be more than text on them."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from support import make_task

from sharpen import cli
from sharpen.data.contamination import Overlap
from sharpen.improve import improve
from sharpen.ledger.check import faults
from sharpen.methods.rest_em import RestEm
from sharpen.models.scripted import Scripted
from sharpen.report.cards import CARD, MARK
from sharpen.report.markdown import code, plain, table
from sharpen.train import record

HOSTILE = [
    "<script>alert(1)</script>",
    "![x](http://evil.example/p.png) [a](javascript:b) <https://evil.example>",
    "a | b\n\n# head\n---\n- item `code` ``two`` *em* __strong__ ~~gone~~ \\| \\",
    "&lt;b&gt; &amp; $x$ $$y$$ @someone #1 www.evil.example https://evil.example",
    "\x1b[31m red \u202e turned \u2028 line",
]
MANIFEST = {
    "command": "sharpen run rest_em --tasks 'a`b```c' --out run",
    "method": "RestEm",
    "settings": {"model": "owner/base", "tasks": "hub:owner/data@train", "test": "chartqa", "seed": 0, "lr": None},
    "model_settings": {"revision": "0123abc", "image_processor": "Pil"},
    "packages": {"torch": "2.13.0"},
}


def learn(start: Any, examples: Any, settings: Any, folder: Path, *rest: Any) -> Any:
    """A trainer that leaves a folder as training does, once."""
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(folder.name.encode())
        said = {"start": "s", "examples": "e", "count": len(examples), "settings": {"lr": 0.1}, "seed": 0}
        curve = [{"loss": 0.5}, {"loss": 0.25}, {"train_runtime": 1.0}]
        record.write(folder, {**said, "curve": curve, "seconds": 1.5, "tokens": 1200, "padding": 0})
    return start


def run(folder: Path, rounds: int = 2, measured: bool = True, **more: Any) -> Path:
    model = Scripted(lambda asked: f"<answer>{7 + asked.attempt % 2}</answer>")
    test = [replace(make_task("u"), meta={"kind": HOSTILE[1]})] if measured else []
    gone, both = [(text, f"row {text}") for text in HOSTILE], [Overlap("t", "u", "the same picture", 1.0)]
    options = {"manifest": MANIFEST, "left_out": gone, "contaminated": both, **more}
    improve(
        RestEm(samples=2),
        model,
        [make_task("t")],
        rounds=rounds,
        out=folder,
        test=test,
        samples=2,
        trainer=learn,
        **options,
    )
    return folder


def cards(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob(CARD)}


def cells(text: str) -> list[list[str]]:
    """The rows of all tables of a page, as a reader of the rendered page sees them."""

    class Reader(HTMLParser):
        inside = False

        def __init__(self) -> None:
            super().__init__()
            self.rows: list[list[str]] = []

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag == "tr":
                self.rows.append([])
            self.inside = tag in ("td", "th") or self.inside
            if tag in ("td", "th"):
                self.rows[-1].append("")

        def handle_endtag(self, tag: str) -> None:
            self.inside = self.inside and tag not in ("td", "th")

        def handle_data(self, data: str) -> None:
            if self.inside:
                self.rows[-1][-1] += data

    reader = Reader()
    reader.feed(rendered(text))
    return reader.rows


def rendered(text: str) -> str:
    if text.startswith("---\n"):  # metadata, which the Hub takes off
        text = text.split("---\n", 2)[2]
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("cards") / "run")


def test_the_run_card_has_the_figures_that_show_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["show", str(folder)])
    printed = [line.split() for line in capsys.readouterr().out.splitlines() if line.lstrip().startswith("run  ")]
    on_card = cells((folder / CARD).read_text())
    at = on_card.index(["round", "attempts", "correct", "none right", "rescued", "dropped", "examples", "greedy",
                        "sampled", "blind"])  # fmt: skip
    assert [" ".join(row).split() for row in on_card[at + 1 : at + 4]] == [
        line[1:] for line in printed if line[1] in "012"
    ]
    assert on_card[at + 2] == ["1", "2", "1 (50%)", "0 > 0 of 1", "0", "0", "1", "100.0% [20.7%, 100.0%]",
                               "50.0%", "100.0% [20.7%, 100.0%]"]  # fmt: skip
    assert ["5", "row …"] not in on_card  # each reason has its own words
    assert ["1", "1", "0.5", "0.25", "1.5", "1,200"] in on_card
    text = (folder / CARD).read_text()
    assert "````sh\nsharpen run rest_em --tasks 'a`b```c' --out run\n````" in text
    assert "**1 tasks learnt from are measured on, too:**" in text


def test_a_model_card_says_what_the_hub_reads(folder: Path) -> None:
    place = record.place(folder, 2)
    data = ModelCard.load(place / CARD).data.to_dict()
    assert data == {
        "base_model": "owner/base",
        "base_model_relation": "finetune",
        "datasets": ["owner/data", "HuggingFaceM4/ChartQA"],
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["sharpen", "restem", "self-improvement"],
    }
    on_card = cells(place.joinpath(CARD).read_text())
    assert ["", "base model", "round 2"] in on_card
    assert ["round 2, model.safetensors", record.read(place)["files"]["model.safetensors"]] in on_card
    assert not any(row[0].startswith("round 1") for row in on_card)


def test_cards_are_no_fault_and_are_made_again_to_the_byte(folder: Path, tmp_path: Path) -> None:
    assert list(faults(folder)) == []
    before = cards(folder)
    assert sorted(before) == ["README.md", "models/round-1/README.md", "models/round-2/README.md"]
    for name in before:
        (folder / name).unlink()
    assert list(faults(folder)) == []  # a folder of before there were cards
    run(folder)
    assert cards(folder) == before
    assert not list(folder.rglob("*.partial"))


def test_what_the_data_says_is_text(folder: Path) -> None:
    for text in cards(folder).values():
        page = rendered(text)
        assert page.count("<!--") == 1
        for mark in ("<script", "<a ", "<img", "<em", "<del", "<h4", "<ul", "<b>"):
            assert mark not in page
        assert "\x1b" not in text
        assert "\u202e" not in text
    (row,) = [row for row in cells((folder / CARD).read_text()) if row[:1] == [HOSTILE[1]]]
    assert row == [HOSTILE[1], *["100.0% [20.7%, 100.0%]; 50.0%"] * 3]


@pytest.mark.parametrize("text", HOSTILE[:2] + HOSTILE[3:4])
def test_a_cell_shows_what_was_put_into_it(text: str) -> None:
    assert cells(table(("a", "b"), [(text, text)])) == [["a", "b"], [text, text]]
    assert "://" not in plain(text)  # which GitHub makes links of
    assert "www." not in plain(text)


def test_no_text_leaves_its_block_of_code() -> None:
    assert rendered(code("a\n```\n# b\n````")) == "<pre><code>a\n```\n# b\n````\n</code></pre>\n"


def test_what_was_not_measured_or_recorded_is_said(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", rounds=1, measured=False, manifest={}, left_out=[])
    for text in cards(folder).values():
        assert "**Nothing was measured:** the run had no test tasks." in text
        assert "Not recorded: the run was started from Python without a manifest." in text
        assert "No row of the task files was left out." in text
    assert "base_model" not in (record.place(folder, 1) / CARD).read_text()


def test_a_readme_of_someone_else_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CARD).write_text("my notes")
    run(tmp_path, rounds=1)
    assert (tmp_path / CARD).read_text() == "my notes"
    assert "was not written by sharpen and stays as it is" in capsys.readouterr().err
    assert MARK in (record.place(tmp_path, 1) / CARD).read_text()


def test_a_damaged_record_of_a_training_stops_no_run(tmp_path: Path) -> None:
    run(tmp_path)
    (record.place(tmp_path, 2) / record.DONE).write_text("{")
    run(tmp_path, rounds=1)
    assert "| 1 | 1 | 0.5 | 0.25 | 1.5 | 1,200 |" in (tmp_path / CARD).read_text()
