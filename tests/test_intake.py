"""A run on more rows than are checked before it: they are read, checked, compared and recorded as it comes to them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image
from support import query

import sharpen.improve  # noqa: F401  # in sys.modules: the name in the package is the function
from sharpen import cli, setup
from sharpen.data import tables
from sharpen.errors import TaskError
from sharpen.incoming import identity_of
from sharpen.ledger.check import faults
from sharpen.ledger.left_out import contaminated, left_out, recorded
from sharpen.models.scripted import Asked, Scripted
from sharpen.report.cards import CARD
from sharpen.store import Store

ROWS = 1300
HEAD = 256  # one batch


@pytest.fixture(autouse=True)
def few_are_checked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "CHECKED", HEAD)


def tasks_file(folder: Path, change: Callable[[int], dict[str, object]] = lambda i: {}) -> Path:
    file = folder / "many.jsonl"
    rows = ({"id": f"r{i}", "question": f"what is {i} less {i - 7}?", "answer": "7", **change(i)} for i in range(ROWS))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    test = folder / "unseen.jsonl"
    test.write_text(json.dumps({"id": "u", "question": "what is 600 less 593?", "answer": "7"}) + "\n")
    return file


class Model:
    """A scripted model in the place of the one that the command line loads, which counts what it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rule: Callable[[Asked], str] = lambda _: "<answer>7</answer>"):
        self.asked: list[str] = []
        self.rule = rule
        model = Scripted(self.answer)
        object.__setattr__(model, "describe", dict)
        monkeypatch.setattr(setup, "model", lambda *_: model)
        monkeypatch.setattr(sys.modules["sharpen.improve"], "shared", lambda _: lambda *_: model)

    def answer(self, asked: Asked) -> str:
        self.asked.append(asked.task.id)
        return self.rule(asked)


def run(folder: Path, *more: str) -> int:
    data = ["--tasks", str(folder / "many.jsonl"), "--test", str(folder / "unseen.jsonl"), "--out", str(folder / "run")]
    return cli.run(["run", "rest_em", *data, "--samples", "1", "--eval-samples", "1", "--rounds", "1", *more])


def test_a_run_begins_before_all_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, at = [0], dict[str, tuple[int, Any]]()

    def counted(path: Path) -> Iterator[tables.Numbered]:
        for row in tables.read_jsonl(path):
            read[0] += 1
            yield row

    def rule(asked: Asked) -> str:
        at.setdefault(asked.task.id, (read[0], query(tmp_path / "run", "SELECT count(*) FROM tasks")[0][0]))
        return "<answer>7</answer>"

    monkeypatch.setitem(tables.READERS, ".jsonl", counted)
    Model(monkeypatch, rule)
    tasks_file(tmp_path)
    assert run(tmp_path) == 0
    unseen = 1
    # The first portion of 512 tasks and the unseen one, by three batches or four of 256 rows; then as they are needed.
    assert at["u"][1] == at["r0"][1] == 512 + unseen
    assert at["r0"][0] < 1024 + unseen < at["r1024"][0]
    assert at["r1024"] == (ROWS + unseen, ROWS + unseen)
    assert query(tmp_path / "run", "SELECT count(*) FROM rollouts WHERE scope = 'collect'") == [(ROWS,)]
    assert query(tmp_path / "run", "SELECT result ->> 'tasks' FROM rounds WHERE round = 1") == [(ROWS,)]


def test_bad_rows_after_the_first_ones_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad: dict[int, dict[str, object]] = {
        700: {"question": ""}, 701: {"answer": "\\frac{1}{"}, 1200: {"answer": None}, 1201: {"id": "r3"},
    }  # fmt: skip
    tasks_file(tmp_path, lambda i: bad.get(i, {}))
    model = Model(monkeypatch)
    assert run(tmp_path) == 0
    said = capsys.readouterr().err
    assert "these rows of" in said
    assert "left out r700: 'question' is empty" in said
    with Store(tmp_path / "run", read_only=True) as store:
        gone = dict(left_out(store))
    assert list(gone) == ["r700", "r701", "r3", "r1200"]
    assert "fails its grader" in gone["r701"]
    assert (gone["r1200"], gone["r3"]) == ("has no answer", "row 1202 has the id of row 4")
    assert len(set(model.asked)) == ROWS - 4 + 1


@pytest.mark.parametrize(
    ("row", "told", "allowed"),
    [
        ({"question": ""}, "20 of the first 768 rows cannot be used: r600", ["--max-bad", "0.1"]),
        ({"answer": "\\frac{1}{"}, "20 of the first 768 gold answers in", ["--allow-bad-gold"]),
    ],
)
def test_too_many_bad_rows_stop_a_run_that_goes_on_where_they_are_allowed(
    row: dict[str, object], told: str, allowed: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tasks_file(tmp_path, lambda i: row if 600 <= i < 620 else {})
    model = Model(monkeypatch)
    assert run(tmp_path) == 2
    said = capsys.readouterr().err
    assert told in said
    refused = [json.loads(line)["id"] for line in (tmp_path / "run" / setup.REFUSED).read_text().splitlines()]
    assert refused == [f"r{i}" for i in range(600, 620)]
    before = list(model.asked)
    assert "r0" in before
    assert "r700" not in before
    assert run(tmp_path, *allowed) == 0
    assert len(model.asked[len(before) :]) == ROWS - 20 - 512 + 3  # and round 1 measures on one task thrice
    assert not (tmp_path / "run" / setup.REFUSED).exists()


def test_later_rows_without_an_answer_are_rows_that_cannot_be_used(tmp_path: Path) -> None:
    file = tasks_file(tmp_path, lambda i: {"answer": None} if 600 <= i < 620 else {})
    for allow in (False, True):  # says nothing of a row that has no gold answer
        data = setup.train_and_test(str(file), str(tmp_path / "unseen.jsonl"), 1, 0.01, allow_bad_gold=allow)
        with pytest.raises(TaskError, match=r"20 of the first 768 rows cannot be used: r600: has no answer;.*--max-ba"):
            len(data.tasks)
    data = setup.train_and_test(str(file), str(tmp_path / "unseen.jsonl"), 1, 0.03)
    assert len(data.tasks) == ROWS - 20
    assert data.left_out == [(f"r{i}", "has no answer") for i in range(600, 620)]


def test_the_first_rows_stop_a_run_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tasks_file(tmp_path, lambda i: {"question": ""} if i in (3, 4, 5) else {})
    model = Model(monkeypatch)
    assert run(tmp_path) == 2  # 3 of 256
    assert not model.asked
    assert not (tmp_path / "run" / "ledger.db").exists()
    bad: dict[int, dict[str, object]] = {3: {"answer": None}, 5: {"question": ""}}
    tasks_file(tmp_path, lambda i: bad.get(i, {}))
    told = r"2 of the first 256 rows .*: r5: 'question' is empty; r3: has no answer\. .* an 'answer' .*--max-bad 0.01"
    with pytest.raises(TaskError, match=told):
        setup.train_and_test(str(file), str(tmp_path / "unseen.jsonl"), 1)
    data = setup.train_and_test(str(file), str(tmp_path / "unseen.jsonl"), 1, 0.01)
    assert [name for name, _ in data.left_out] == ["r5", "r3"]


def test_later_tasks_that_are_measured_on_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_file(tmp_path)
    model = Model(monkeypatch)
    assert run(tmp_path) == 0
    with Store(tmp_path / "run", read_only=True) as store:
        assert [name for name, _ in contaminated(store)] == ["r600"]
        assert left_out(store) == []
    assert "1 tasks learnt from are measured on, too" in (tmp_path / "run" / CARD).read_text()
    assert run(tmp_path, "--drop-contaminated") == 0
    with Store(tmp_path / "run", read_only=True) as store:
        assert [name for name, _ in left_out(store)] == ["r600"]
        assert contaminated(store) == []
    assert model.asked.count("r600") == 1


def test_a_finished_run_that_is_done_again_and_stopped_hides_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted() -> tuple[list[str], list[str]]:
        with Store(tmp_path / "run", read_only=True) as store:
            return [name for name, _ in left_out(store)], [name for name, _ in contaminated(store)]

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    tasks_file(tmp_path, lambda i: {"question": ""} if i in (100, 700) else {})
    Model(monkeypatch)
    assert run(tmp_path) == 0
    assert noted() == (["r100", "r700"], ["r600"])
    assert list(faults(tmp_path / "run")) == []
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["sharpen.improve"].Loop, "round", stop)
        assert run(tmp_path) == 130
    assert noted() == (["r100", "r700"], ["r600"])
    assert list(faults(tmp_path / "run")) == []
    assert run(tmp_path) == 0
    assert noted() == (["r100", "r700"], ["r600"])
    assert query(tmp_path / "run", "SELECT count(*) FROM events WHERE scope = 'import'") == [(3,)]
    assert list(faults(tmp_path / "run")) == []


def test_a_tenth_of_the_first_rows_is_held_out_and_not_learnt_from(tmp_path: Path) -> None:
    file = tasks_file(tmp_path)
    data = setup.train_and_test(str(file), "", 1)
    assert {t.id for t in data.test} == {t.id for t in setup.held_out_of(setup.labelled(str(file)).tasks)}
    assert {t.id for t in data.tasks} | {t.id for t in data.test} == {f"r{i}" for i in range(ROWS)}
    assert len(data.tasks) + len(data.test) == ROWS


def test_the_same_file_has_the_same_identity_and_one_that_changed_at_its_end_another(tmp_path: Path) -> None:
    def identity() -> str:
        return identity_of(setup.train_and_test(str(tmp_path / "many.jsonl"), "", 1).tasks)

    tasks_file(tmp_path)
    before = identity()
    assert identity() == before
    tasks_file(tmp_path, lambda i: {"question": "and the last one?"} if i == ROWS - 1 else {})
    assert identity() != before


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40_000])


def grow(file: Path) -> None:
    with file.open("a") as rows:
        rows.write(json.dumps({"id": "new", "question": "new?", "answer": "7"}) + "\n")


def rewrite(file: Path) -> None:
    """Other answers, and neither size nor time of the last change tells of them."""
    before = file.stat()
    with file.open("r+") as rows:  # in place: the run reads the same file
        said = rows.read().replace('"answer": "7"', '"answer": "8"')
        rows.seek(0)
        rows.write(said)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [cut, grow, rewrite, Path.unlink])
@pytest.mark.parametrize("read", [0, 1100])
def test_a_file_that_changes_while_it_is_read_stops_the_run(
    tmp_path: Path, change: Callable[[Path], None], read: int
) -> None:
    file = tasks_file(tmp_path)
    data = setup.train_and_test(str(file), str(tmp_path / "unseen.jsonl"), 1)
    assert len(data.tasks[:read]) == read
    before = identity_of(data.tasks)
    change(file)
    assert identity_of(data.tasks) == before
    for _ in range(2):
        with pytest.raises(
            TaskError, match=r"many.jsonl' changed while it was being read.*file as it was goes on.*another --out"
        ):
            len(data.tasks)


def test_a_file_that_was_only_touched_is_read_on(tmp_path: Path) -> None:
    file = tasks_file(tmp_path)
    data = setup.train_and_test(str(file), str(tmp_path / "unseen.jsonl"), 1)
    os.utime(file, (1, 1))
    assert len(data.tasks) == ROWS


def test_pictures_of_a_parquet_file_are_copied_as_the_run_comes_to_them(tmp_path: Path) -> None:
    def picture(i: int) -> bytes:
        buffer = BytesIO()
        Image.new("RGB", (2, 2), (i % 256, i // 256, 7)).save(buffer, "PNG")
        return buffer.getvalue()

    rows = [{"problem": f"<image>{i}?", "answer": "7", "images": [{"bytes": picture(i)}]} for i in range(ROWS)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet", row_group_size=300)
    data = setup.train_and_test(str(tmp_path / "t.parquet"), str(tasks_file(tmp_path).with_name("unseen.jsonl")), 1)
    with Store(tmp_path / "run") as store:
        held = recorded(store, data.tasks, data.test, data.left_out, data.contaminated)
        assert held[0].images[0].source == tmp_path / "run" / "images" / held[0].images[0].sha256
        assert len(list((tmp_path / "run" / "images").iterdir())) == 512
        assert [task.images[0].read() for task in held] == [picture(i) for i in range(ROWS)]
