"""The same tasks in every layout that is known: the command line reads the same from each, and VISTA does the same."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
from support import query

from sharpen import cli
from sharpen.data.load import load_tasks
from sharpen.types import Task

FEW = ["--test", "digits:2", "--rounds", "1", "--eval-samples", "1", "--threshold", "-9"]
SMALL = ["--samples", "4", "--resamples", "1", "--train.epochs", "1", "--train.checkpoints", "0"]


@pytest.fixture
def tasks() -> list[Task]:
    """Three questions of the world of digits, without the system message that not every layout has a place for."""
    return [Task(t.id, t.question, t.images, t.answer) for t in load_tasks("digits:3")]


# --- layouts ------------------------------------------------------------------------------------


def picture(task: Task) -> bytes:
    return task.images[0].read()


def encoded(task: Task) -> str:
    return base64.b64encode(picture(task)).decode()


def beside(folder: Path, task: Task) -> str:
    """Put a task's picture beside its row, and return its path."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / f"{task.id}.png").write_bytes(picture(task))
    return f"images/{task.id}.png"


def plain(folder: Path, task: Task) -> dict[str, Any]:
    return {"id": task.id, "question": task.question, "answer": task.answer, "image": beside(folder, task)}


def llava(folder: Path, task: Task) -> dict[str, Any]:
    said = [{"from": "human", "value": f"<image>\n{task.question}"}, {"from": "gpt", "value": task.answer}]
    return {"id": task.id, "image": beside(folder, task), "conversations": said}


def openai(folder: Path, task: Task) -> dict[str, Any]:
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded(task)}"}}
    asked = [shown, {"type": "text", "text": task.question}]
    said = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": f"It is <answer>{task.answer}</answer>."},
    ]
    return {"id": task.id, "messages": said}


def swift(folder: Path, task: Task) -> dict[str, Any]:
    said = [{"role": "user", "content": f"<image>{task.question}"}]
    return {"id": task.id, "messages": said, "images": [beside(folder, task)], "solution": task.answer}


def stored(task: Task) -> list[dict[str, Any]]:
    return [{"bytes": picture(task), "path": None}]


def trl(folder: Path, task: Task) -> dict[str, Any]:
    asked = [{"role": "user", "content": task.question}]
    return {"id": task.id, "prompt": asked, "images": stored(task), "solution": task.answer}


def easyr1(folder: Path, task: Task) -> dict[str, Any]:
    return {"id": task.id, "problem": f"<image>{task.question}", "answer": task.answer, "images": stored(task)}


def verl(folder: Path, task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "data_source": "digits",
        "prompt": [{"role": "user", "content": f"<image>{task.question}"}],
        "images": stored(task),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": task.answer},
        "extra_info": {"split": "train", "index": 0},
    }


def featured(folder: Path, task: Task) -> dict[str, Any]:
    return {"id": task.id, "question": task.question, "answer": task.answer, "image": stored(task)[0]}


Rows = list[dict[str, Any]]


def json_lines(path: Path, rows: Rows) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def json_list(path: Path, rows: Rows) -> str:
    path.write_text(json.dumps(rows))
    return str(path)


def table(path: Path, rows: Rows) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def dataset(rows: Rows) -> Any:
    """Rows as the library `datasets` has them: what holds bytes is an Image feature."""
    import datasets

    made: Any = datasets.Dataset.from_list(rows)
    features = made.features.copy()
    if "image" in features:
        features["image"] = datasets.Image()
    if "images" in features:
        features["images"] = datasets.List(datasets.Image())
    return made.cast(features)


def parquet(path: Path, rows: Rows) -> str:
    dataset(rows).to_parquet(str(path))
    return str(path)


def saved(path: Path, rows: Rows) -> str:
    dataset(rows).save_to_disk(str(path))
    return str(path)


def image_folder(path: Path, rows: Rows) -> str:
    """Pictures with a metadata file, which names each by `file_name`."""
    named = [{"file_name": row["image"], **{k: v for k, v in row.items() if k != "image"}} for row in rows]
    json_lines(path.parent / "metadata.jsonl", named)
    return str(path.parent)


def behind_a_url(path: Path, rows: Rows) -> str:
    """A bucket that fsspec reaches, pictures and all."""
    files, bucket = fsspec.filesystem("memory"), f"/{path.parent.name}"
    for picture in (path.parent / "images").iterdir():
        files.pipe(f"{bucket}/images/{picture.name}", picture.read_bytes())
    files.pipe(f"{bucket}/t.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    return f"memory:/{bucket}/t.jsonl"


def vlmevalkit(folder: Path, task: Task) -> dict[str, Any]:
    return {"index": task.id, "image": encoded(task), "question": task.question, "answer": task.answer}


Layout = tuple[str, Callable[[Path, Task], dict[str, Any]], Callable[[Path, Rows], str], str]
PLAIN = "plain rows: id, question, answer, image"
LAYOUTS: dict[str, Layout] = {
    "JSON lines": ("t.jsonl", plain, json_lines, PLAIN),
    "JSON": ("t.json", plain, json_list, PLAIN),
    "CSV": ("t.csv", plain, table, PLAIN),
    "VLMEvalKit in TSV": ("t.tsv", vlmevalkit, table, "VLMEvalKit rows: index, image, question, answer"),
    "VLMEvalKit in CSV": ("t.csv", vlmevalkit, table, "VLMEvalKit rows: index, image, question, answer"),
    "Parquet with an Image feature": ("t.parquet", featured, parquet, PLAIN),
    "saved dataset": ("saved", featured, saved, PLAIN),
    "LLaVA": ("t.json", llava, json_list, "ShareGPT rows: id, image, conversations"),
    "OpenAI messages": ("t.jsonl", openai, json_lines, "OpenAI messages rows: id, messages"),
    "TRL": ("t.parquet", trl, parquet, "TRL rows: id, prompt, images, solution"),
    "EasyR1": ("t.parquet", easyr1, parquet, "EasyR1 rows: id, problem, answer, images"),
    "verl": (
        "t.parquet",
        verl,
        parquet,
        "verl rows: id, prompt, images, reward_model; in meta: data_source, ability, extra_info",
    ),
    "ms-swift": ("t.jsonl", swift, json_lines, "ms-swift rows: id, messages, images, solution"),
    "image folder": ("t.jsonl", plain, image_folder, "plain rows: id, question, answer, image"),
    "URL": ("t.jsonl", plain, behind_a_url, PLAIN),
}


def written(name: str, tasks: Sequence[Task], folder: Path) -> str:
    """Write the tasks in a layout, and return what `--tasks` is to be."""
    file, row, write, _ = LAYOUTS[name]
    folder.mkdir()
    return write(folder / file, [row(folder, task) for task in tasks])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARPEN_CACHE", str(tmp_path / "cache"))


# --- what a run makes of them -------------------------------------------------------------------


def ran(spec: str, out: Path, *more: str, ends: int = 0) -> list[tuple[Any, ...]]:
    """Run VISTA from the command line; return its attempts, each with its key: model, task and settings hashed."""
    assert cli.run(["run", "vista", "--tasks", spec, *FEW, *SMALL, *more, "--out", str(out)]) == ends
    return query(out, "SELECT key, task, verb, attempt, parts FROM rollouts WHERE scope = 'collect' ORDER BY key")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_run_finds_the_same_tasks(
    name: str, tasks: list[Task], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = written(name, tasks, tmp_path / name.replace(" ", "-"))
    found = cli.found_by(cli.RunOptions(tasks=spec, test="digits:2", out=tmp_path / "run"))
    assert found.tasks == tasks
    assert f"{spec} read as {LAYOUTS[name][3]}\n" in capsys.readouterr().err


def test_vista_runs_from_a_parquet_file(tasks: list[Task], tmp_path: Path) -> None:
    """With the system message that the tiny model learnt to answer under: without it, it seldom ends its thought."""
    system = "read the digits of the grid, think, then answer."
    spec = parquet(tmp_path / "t.parquet", [{**easyr1(tmp_path, task), "system": system} for task in tasks])
    attempts = ran(spec, tmp_path / "run")
    assert {(task, verb) for _, task, verb, _, _ in attempts} >= {(task.id, "sample") for task in tasks}
    assert query(tmp_path / "run", "SELECT count(*) FROM examples")[0][0] > 0


@pytest.mark.slow
def test_vista_makes_the_same_attempts_from_each(
    tasks: list[Task], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    want = None
    for number, name in enumerate(LAYOUTS):
        spec = written(name, tasks, tmp_path / f"in-{number}")
        attempts = ran(spec, tmp_path / f"out-{number}", ends=2)  # no attempt is right without the system message
        assert f"{spec} read as {LAYOUTS[name][3]}\n" in capsys.readouterr().err
        assert len(attempts) >= 4 * len(tasks)
        want = want or attempts
        assert attempts == want, name


@pytest.mark.slow
def test_vista_runs_from_pictures_sorted_into_folders(
    tasks: list[Task], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the picture shows is the answer; the tiny model never met that question, and the run says what came."""
    shows = ("no", "yes", "no")
    for task, name in zip(tasks, shows, strict=True):
        (tmp_path / "in" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name / f"{task.id}.png").write_bytes(picture(task))
    attempts = ran(str(tmp_path / "in"), tmp_path / "out", "--samples", "24", ends=2)
    assert sum(verb == "sample" for _, _, verb, *_ in attempts) == 3 * 24
    assert {task for _, task, *_ in attempts} == {f"{n}/{t.id}.png" for n, t in zip(shows, tasks, strict=True)}
    said = capsys.readouterr().err
    assert "read as plain rows: question, choices, answer, image" in said
    assert "at 3 tasks became an example" in said
