"""The preflight says what the tasks are, how they are shown, what cannot be used, and what a run would take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image as Picture
from safetensors.torch import save_file
from support import PIXEL, Wrapped, make_reading, make_task, png_header

from sharpen.answers import Grader
from sharpen.cli import parse, run
from sharpen.data.load import load_tasks
from sharpen.estimate import Plan, Speeds, at_most
from sharpen.models.model import IMAGE, QUESTION, SYSTEM, Prompt, Read, Write, Written
from sharpen.preflight import ROW_BYTES, Tried, attempt, lines, planned, preflight, weight_bytes
from sharpen.preflight_command import PreflightOptions, names_tasks, plan_of
from sharpen.types import Part, Reading, Task
from sharpen.views import question_first


class Neural(Wrapped):
    """A model of no network whose prompts and attempts are counted by hand."""

    name, neural, context, max_tokens = "counted", False, 100, 20
    recommended: ClassVar[dict[str, Any]] = {}

    def prompt(self, task: Task) -> Prompt:
        spans = bytes([SYSTEM] * 2 + [IMAGE] * 4 * len(task.images) + [QUESTION] * len(task.question))
        return Prompt(task, tuple(range(len(spans))), spans)

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        for i, request in enumerate(requests):
            for number in request.attempts:
                said = "<answer>7</answer>" if number % 4 == 0 else "x"
                yield Written(i, number, Part(tuple(range(10)), said), "length" if number else "stop")

    def read(self, requests: Sequence[Read]) -> Iterator[tuple[int, Reading]]:
        for i, request in enumerate(requests):
            yield i, make_reading("x" * (len(request.ids) - 1))


TASKS = [
    make_task("a", question="x" * 10),
    make_task("b", question="x" * 20, images=2),
    make_task("c", question="x" * 90, images=0),
]
PLAN = Plan(
    tasks=3, rounds=2, samples=10, resamples=3, reads_right=True, epochs=3, measured=5, eval_samples=8, limit=20
)


def test_counts_of_tasks_and_tokens() -> None:
    found = preflight(Neural(None), TASKS, PLAN)
    assert (found.tasks, found.kinds, found.images) == (3, {"no kind": 3}, {0: 1, 1: 1, 2: 1})
    assert found.prompt is not None
    assert (found.prompt.least, found.prompt.median, found.prompt.most, found.prompt.where) == (16, 30, 92, "c")
    assert found.image is not None
    assert (found.image.least, found.image.most, found.image.where) == (4, 8, "b")
    assert found.too_long == 1  # 92 + 20 > 100
    assert (found.tried, found.planned, found.canary) == (None, None, None)
    assert [p.task.id for p in found.examples] == ["a", "b", "c"]


def test_the_plan_is_worked_out_from_what_was_tried() -> None:
    tried = Tried(
        attempts=64,
        mean_tokens=10.0,
        mean_prompt=30.0,
        right=0.5,
        cut=0.8,
        tokens_per_second=1000.0,
        read_per_second=3000.0,
        bytes_per_attempt=ROW_BYTES + 200.0,
        unfinished=0,
    )
    found = planned(TASKS, PLAN, tried, 1_000_000)
    # A round: 30 first attempts, 15 fail, and 12 of these get 36 continuations, of which 18 are right, beside 15;
    # measured three times on 5 tasks x 10.
    assert found.expected.attempts == 2 * 66 + 150 == 282
    assert found.hours["sampling"] == pytest.approx(282 * 10 / 1000 / 3600)
    assert found.hours["reading"] == pytest.approx(2 * (15 + 33) * 40 / 3000 / 3600)
    assert found.hours["training"] == pytest.approx(2 * 3 * 33 * 40 / 1000 / 3600)  # a third of reading's speed
    assert found.at_most.attempts == 2 * (30 + 90) + 150 == 390
    assert found.hours_at_most["sampling"] == pytest.approx(390 * 20 / 1000 / 3600)  # the limit is twice the mean
    # The three tasks share one picture, which is kept once, and the five to measure on are taken to be like them; an
    # attempt of twice the tokens packs to twice the bytes.
    fixed = len(PIXEL) * 8 / 3 + 2 * 1_000_000
    assert found.gigabytes == pytest.approx((282 * (ROW_BYTES + 200) + fixed) / 1e9)
    assert found.gigabytes_at_most == pytest.approx((390 * (ROW_BYTES + 400) + fixed) / 1e9)


def test_failed_attempts_are_cut_as_the_method_would_cut_them() -> None:
    """Read with the question first; a token is critical where it is not among so many likeliest."""

    class Doubting(Neural):
        def read(self, requests: Sequence[Read]) -> Iterator[tuple[int, Reading]]:
            for i, request in enumerate(requests):
                first = bool(request.prompt.task.places) and request.prompt.task.places[0] > 0
                yield i, make_reading("x" * 9, ranks=[0, 4 if first and i % 3 == 0 else 1])

    model = Doubting(None)
    prompts = [model.prompt(TASKS[0])]
    # 256 attempts, of which 192 fail, and every third of these has a token of rank 4.
    found = [attempt(model, prompts, 20, Grader(), how) for how in ((4, question_first), (5, question_first), None)]
    assert [tried.cut for tried in found if tried] == [pytest.approx(64 / 192), 0.0, 1.0]
    asked = attempt(model, prompts, 20, Grader(), (4, lambda task: task))
    assert asked is not None
    assert asked.cut == 0.0


def test_what_was_tried_is_counted_and_timed() -> None:
    model = Neural(None)
    ticks = iter([100.0, 102.0, 106.0])
    prompts = [model.prompt(task) for task in TASKS]
    tried = attempt(model, prompts, 20, Grader(), clock=lambda: next(ticks))
    assert tried is not None
    # The third prompt leaves no room, so 128 attempts at each of two; every fourth is right, the first is finished.
    assert (tried.attempts, tried.mean_tokens, tried.unfinished, tried.right) == (256, 10.0, 254, 0.25)
    assert tried.mean_prompt == (16 + 30) / 2
    # 2560 tokens written in 2 s; read in 4 s with 128 x (16 + 30) tokens of prompts; training a third of that.
    assert tried.speeds == Speeds(write=1280.0, read=2112.0, train=704.0)
    assert tried.bytes_per_attempt > ROW_BYTES
    assert attempt(model, prompts[2:], 20, Grader()) is None


@pytest.mark.parametrize(
    ("arguments", "tasks"),
    [
        (["digits:30"], True),
        (["chartqa"], True),
        (["hub:me/geo"], True),
        (["https://example.org/t.jsonl"], True),
        (["--json", "t.jsonl"], True),
        (["none.parquet"], True),
        (["notes"], False),
        (["rows"], False),
        (["rows", "--model", "tiny"], True),
        (["run", "--model", "tiny"], False),
        (["runs/none"], False),
        ([], False),
    ],
)
def test_check_knows_tasks_from_a_run(
    arguments: list[str], tasks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.jsonl").touch()
    (tmp_path / "notes").touch()
    (tmp_path / "rows").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ledger.db").touch()
    assert names_tasks(arguments) is tasks


BAD: dict[str, dict[str, Any]] = {
    "image 'none.png' is not a file": {"image": "none.png"},
    "cannot be decoded": {"image": "broken.png"},
    "larger than 100 million pixels": {"image": "bomb.png"},
    "more than 200 times as long as wide": {"image": "strip.png"},
    "lies outside the task file's folder": {"image": "../secret.png"},
    "is a link": {"image": "file:///etc/hostname"},
    "2 <image> for 1 images": {"image": "a.png", "question": "<image><image>"},
    "1 <image> for 0 images": {"question": "What does <image> mean in HTML?"},
    "'question' is empty": {"question": " "},
    "has the id of row": {"id": "good-0"},
    "fails its grader": {"answer": "7, 8 or 9 and (((", "choices": ["1", "2"], "question": "1 or 2?"},
}


def test_a_file_with_one_bad_row_of_every_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").write_bytes(PIXEL)
    (folder / "broken.png").write_bytes(PIXEL[:45])
    (folder / "bomb.png").write_bytes(png_header(20_000, 20_000))
    with (folder / "strip.png").open("wb") as file:
        Picture.new("RGB", (20_000, 1)).save(file)
    rows = [{"id": f"good-{i}", "question": "what is it?", "image": "a.png", "answer": "7"} for i in range(20)]
    rows += [{"id": f"bad-{i}", "question": "what?", "answer": "7", **row} for i, row in enumerate(BAD.values())]
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    command = ["check", "data/t.jsonl", "--model", "tiny", "--json"]
    assert run(command) == 2
    assert "11 of 32 rows cannot be used" in capsys.readouterr().err
    assert run([*command, "--max-bad", "0.4", "--allow-bad-gold"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["tasks"] == 20
    named = {row["id"]: row["reason"] for row in said["left_out"]}
    assert len(said["left_out"]) == len(named) == len(BAD) + 1
    for i, (why, row) in enumerate(BAD.items()):
        assert why in named[row.get("id", f"bad-{i}")]
    assert "is not JSON" in named[f"t-{len(rows) + 1}"]
    held_out = said["plan"]["measured"]  # as `sharpen run` would, a tenth by a hash of the ids
    assert said["plan"]["tasks"] == 20 - held_out == 17
    assert said["planned"]["at_most"]["attempts"] == 3 * 17 * 10 * 4 + 4 * 3 * 10
    assert said["tried"]["attempts"] == 260  # 13 at each of 20 tasks
    page = (tmp_path / "preflight.html").read_text()
    assert page.count("<article>") == 3
    assert "image tokens⟩" in page
    assert 'class="t s2"' in page


def test_pictures_in_a_parquet_file_are_looked_at_where_they_lie(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = [{"question": f"what is it, {i}?", "image": {"bytes": PIXEL, "path": None}} for i in range(3)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    found = preflight(Neural(None), load_tasks(tmp_path / "t.parquet"), PLAN)
    assert len(found.examples) == 3
    assert json.loads(json.dumps(found.as_dict()))["images"] == {"1": 3}


def test_lines_say_unknown_as_none() -> None:
    found = preflight(Neural(None), [make_task("a", images=0)], PLAN)
    assert "of them images: none" in lines(found)


def test_what_a_run_would_measure_on_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A world has its own unseen tasks, `--measured` says otherwise; `--html` names the page."""
    page = tmp_path / "look.html"
    command = ["check", "digits:2", "--html", str(page), "--rounds", "1", "--method", "rest_em", "--json"]
    for more, measured in ((["--test", "digits:30"], 30), (["--measured", "7"], 7)):
        assert run([*command, *more]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["plan"]["tasks"], said["plan"]["measured"]) == (2, measured)
        assert said["planned"]["expected"]["attempts"] == 2 * 10 + 2 * measured * 10
        assert said["planned"]["expected"]["read"] == 0  # ReST-EM looks at no attention and repairs nothing
        assert said["html"] == str(page)
    assert "canary: " in page.read_text()


def test_a_method_s_own_settings_are_planned_where_they_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--samples", "4", "--resamples", "2", "--max-tokens", "30"]
    plan = plan_of(parse(PreflightOptions, "check", ["digits:20", "--measured", "5", *given]), Neural(None), TASKS)
    assert (plan.samples, plan.resamples, plan.limit) == (4, 2, 30)
    assert at_most(plan, 0.0).attempts == 3 * 3 * (4 + 4 * 2) + 4 * 5 * 10
    assert run(["check", "digits:20", "--method", "sft_seed", "--samples", "4"]) == 2
    assert "--samples 4 cannot be used; give a method that has it; sft_seed has none" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_trained_model_is_written_in_the_format_that_it_answers_in(dtype: torch.dtype, tmp_path: Path) -> None:
    """However many bits the numbers of the folder have that it came from."""
    for name in ("a", "b"):
        save_file(
            {name: torch.zeros(3, 5, dtype=dtype), "one": torch.zeros((), dtype=dtype)},
            tmp_path / f"{name}.safetensors",
        )
    assert weight_bytes(tmp_path, 4) == 2 * (15 + 1) * 4


def test_help_of_check_names_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, named in ((["check", "--help"], "TASKS --model MODEL"), (["check", "digits:2", "--help"], "--html")):
        with pytest.raises(SystemExit):
            run(arguments)
        assert named in capsys.readouterr().out
