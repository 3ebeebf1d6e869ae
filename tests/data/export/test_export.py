"""What is written for other trainers is read back by our own loader as the same questions, pictures and replies."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pil

from sharpen.data import export as exports
from sharpen.data.export.shapes import Shapes
from sharpen.data.load import load
from sharpen.errors import UserError
from sharpen.examples import Imitate, Prefer, Reinforce
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Image, Task


def picture(colour: str, kind: str = "PNG") -> Image:
    buffer = io.BytesIO()
    pil.new("RGB", (8, 8), colour).save(buffer, kind)
    return Image.of(buffer.getvalue())


RED, BLUE = picture("red"), picture("blue", "JPEG")
ONE = Task("one", "How many?", (RED,), "4", system="Look.")
TWO = Task("two", "Is this like that?\nA. yes\nB. no", (RED, BLUE), "B", ("yes", "no"), places=(3, 14))
TEXT = Task("text", "What is two and two?", (), "4")
TASKS = [ONE, TWO, TEXT]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of one round: one attempt a task imitated, and two of the first as a pair."""
    with Store(tmp_path / "run") as store:
        tasks = store.add_tasks(TASKS)
        run = Run({"policy": Scripted(lambda asked: f"reply {asked.attempt} <answer>4</answer>")}, store, round=1)
        one, two, text = (g.rollouts for g in run.sample(tasks, 2))
        examples = [Imitate(one[0]), Imitate(two[0]), Imitate(text[1]), Prefer(one[1], one[0])]
        store.set_examples(1, [*examples, Reinforce(one[0], 0.5), Imitate(one[1], weight=0.5)])
    return tmp_path / "run"


def written(folder: Path, name: str, out: Path) -> exports.Exported:
    with Store(folder, read_only=True) as store:
        return exports.export(store, exports.find(name), out)


READ_BY = {
    "trl": "trl",
    "llamafactory": "sharegpt",
    "swift": "swift",
    "easyr1": "easyr1",
    "verl": "verl",
    "openai": "openai",
    "parquet": "plain",
}
FILES = {
    "trl": {"sft.parquet": 4, "preference.parquet": 1, "rl.parquet": 3},
    "llamafactory": {"sft.json": 4, "preference.json": 1},
    "swift": {"sft.jsonl": 4, "preference.jsonl": 1, "rl.jsonl": 3},
    "easyr1": {"rl.parquet": 3},
    "verl": {"sft.parquet": 4, "rl.parquet": 3},
    "openai": {"sft.jsonl": 4, "preference.jsonl": 1},
    "parquet": {"sft.parquet": 4, "preference.parquet": 1, "rl.parquet": 3},
}
CASES = [(name, file) for name, files in FILES.items() for file in files]
ORDER = {"sft": ["one", "two", "text", "one"], "preference": ["one"], "rl": ["one", "text", "two"]}


def test_every_target_is_tried() -> None:
    assert set(FILES) == set(READ_BY) == set(exports.names())


def reader(name: str, file: str) -> str:
    return "swift" if (name, file) == ("verl", "sft.parquet") else READ_BY[name]


@pytest.mark.parametrize(("name", "file"), CASES)
def test_rows_are_read_back_as_the_same_tasks(folder: Path, tmp_path: Path, name: str, file: str) -> None:
    done = written(folder, name, tmp_path / "out")
    assert done.rows == FILES[name]
    kind = Path(file).stem
    loaded = load(tmp_path / "out" / file, format=reader(name, file))
    want = [{t.id: t for t in TASKS}[its] for its in ORDER[kind]]
    assert [t.content for t in loaded.tasks] == [t.content for t in want]
    if name != "easyr1":
        assert [t.system or None for t in loaded.tasks] == [t.system for t in want]
    if kind == "rl":
        assert [t.answer for t in loaded.tasks] == [t.answer for t in want]
    if kind == "sft":
        replies = [f"reply {attempt} <answer>4</answer>" for attempt in (0, 0, 1, 1)]
        assert [t.meta["solution"] for t in loaded.tasks] == replies
    if kind == "rl" and name in ("trl", "swift", "parquet"):
        assert loaded.tasks == want


@pytest.mark.parametrize(("name", "file"), CASES)
def test_the_format_is_recognised_by_its_shape(folder: Path, tmp_path: Path, name: str, file: str) -> None:
    written(folder, name, tmp_path / "out")
    plain, path = load(tmp_path / "out" / file), tmp_path / "out" / file
    assert plain.tasks == load(path, format=reader(name, file)).tasks


def test_what_no_row_can_hold_is_counted(folder: Path, tmp_path: Path) -> None:
    done = written(folder, "easyr1", tmp_path / "out")
    assert done.left_out == {
        "sft rows, for which EasyR1 has no format": 4,
        "preference rows, for which EasyR1 has no format": 1,
        "reinforce examples, whose numbers belong to the model that wrote them": 1,
        "weights of examples, which are all written as 1": 1,
    }
    assert done.notes == {"system messages that EasyR1 has no column for; put them into its format_prompt": 1}


def test_the_registry_names_each_file(folder: Path, tmp_path: Path) -> None:
    written(folder, "llamafactory", tmp_path / "out")
    columns = {"messages": "conversations", "images": "images", "system": "system"}
    assert json.loads((tmp_path / "out" / "dataset_info.json").read_text()) == {
        "sharpen_sft": {"file_name": "sft.json", "formatting": "sharegpt", "columns": columns},
        "sharpen_preference": {
            "file_name": "preference.json",
            "formatting": "sharegpt",
            "columns": {**columns, "chosen": "chosen", "rejected": "rejected"},
            "ranking": True,
        },
    }
    rows = json.loads((tmp_path / "out" / "sft.json").read_text())
    assert all(row["conversations"][0]["value"].count("<image>") == len(row["images"]) for row in rows)
    assert {p.suffix for p in (tmp_path / "out" / "images").iterdir()} == {".png", ".jpeg"}


def test_pictures_of_a_parquet_file_are_known_to_datasets(folder: Path, tmp_path: Path) -> None:
    import datasets

    written(folder, "trl", tmp_path / "out")
    file = str(tmp_path / "out" / "sft.parquet")
    data: Any = datasets.load_dataset("parquet", data_files=file, split="train", cache_dir=str(tmp_path / "cache"))
    assert data[0]["images"][0].getpixel((0, 0)) == (255, 0, 0)
    assert [len(row["images"]) for row in data] == [1, 2, 0, 1]


def odd(kind: str) -> Image:
    """A picture that a reader which only decodes takes for another."""
    buffer, turn = io.BytesIO(), pil.Exif()
    turn[0x0112] = 6
    if kind == "on its side":
        pil.new("RGB", (8, 4), "red").save(buffer, "JPEG", exif=turn)
    elif kind == "transparent":
        pil.new("RGBA", (8, 4), (255, 0, 0, 0)).save(buffer, "PNG")
    elif kind == "16 bits":
        pil.new("I;16", (8, 4), 257 * 77).save(buffer, "PNG")
    else:
        pil.new("RGBA", (8, 4), "red").save(buffer, "PNG")
    return Image.of(buffer.getvalue())


@pytest.mark.parametrize(
    ("kind", "size", "colour"),
    [
        ("on its side", (4, 8), (254, 0, 0)),
        ("transparent", (8, 4), (255, 255, 255)),
        ("16 bits", (8, 4), (77, 77, 77)),
        ("opaque", (8, 4), (255, 0, 0)),
    ],
)
def test_pictures_mean_the_same_to_a_reader_that_only_decodes(
    tmp_path: Path, kind: str, size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    shapes, task = Shapes(tmp_path), Task("a", "What is this?", (odd(kind),))
    table: Any = shapes.stored(task)
    chat: Any = shapes.inline(task)
    forms = [table[0]["bytes"], (tmp_path / shapes.paths(task)[0]).read_bytes()]
    forms.append(b64decode(chat[0]["content"][0]["image_url"]["url"].partition(",")[2]))
    for data in forms:
        with pil.open(io.BytesIO(data)) as read:  # as LLaMA-Factory, ms-swift and verl do
            assert read.size == size
            assert read.convert("RGB").getpixel((1, 1)) == colour
    if kind == "opaque":
        assert forms[0] == task.images[0].read()
    assert shapes.paths(task) == shapes.paths(task)
    said = {"pictures turned upright, put on white or scaled to 8 bits, as they were shown": 1}
    assert dict(shapes.notes) == ({} if kind == "opaque" else said)


def test_verls_rows_have_a_number_each(folder: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    written(folder, "verl", tmp_path / "out")
    rows = parquet.read_table(tmp_path / "out" / "rl.parquet").to_pylist()
    assert [row["extra_info"]["index"] for row in rows] == [0, 1, 2]


@pytest.mark.parametrize(
    "task",
    [
        Task("a", "What is <image> in HTML, or <video>?", (RED,)),
        Task("b", "\nbelow", (RED,)),
        Task("c", "above\n\nbelow", (RED,), places=(6,)),
        Task("d", "a b", (RED, BLUE), places=(2, 2)),
        Task("e", "no picture, but <image>", ()),
    ],
)
def test_marks_are_read_back(tmp_path: Path, task: Task) -> None:
    from sharpen.data.rows import place

    shapes = Shapes(tmp_path)
    text, places = place(shapes.marked(task), len(task.images), strict=True)
    read = Task(task.id, text, task.images, places=places)
    assert [p.replace("< ", "<").replace(" >", ">") if isinstance(p, str) else p for p in read.content] == list(
        task.content
    )
    assert text.count("<image>") == 0
    assert shapes.notes.total() == task.question.count("<image>") + task.question.count("<video>")


def test_what_cannot_be_exported_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="there already; give another --out"):
        written(folder, "trl", tmp_path / "there")
    with pytest.raises(UserError, match="no target 'axolotl'; choose one of: easyr1, llamafactory"):
        exports.find("axolotl")
    with Store(folder, read_only=True) as store, pytest.raises(UserError, match=r"no examples of round 7; .*: 1"):
        exports.export(store, exports.find("trl"), tmp_path / "out", 7)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "there"]


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sharpen.cli import run

    assert run(["export", str(folder), "--to", "swift", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rows"] == FILES["swift"]
    assert said["out"] == str(folder / "export-swift")
    assert run(["export", str(folder), "--to", "swift"]) == 2


@pytest.mark.slow
def test_trls_own_trainers_take_a_step_on_each_file(folder: Path, tmp_path: Path) -> None:
    written(folder, "trl", tmp_path / "out")
    script = Path(__file__).parents[3] / "bench" / "rivals" / "trl_steps.py"
    ran = subprocess.run([sys.executable, script, tmp_path / "out"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    assert {kind: f["rows"] for kind, f in found.items()} == {"sft": 4, "preference": 1, "rl": 3}
    assert found["sft"]["loss"] > 0
    assert found["preference"]["loss"] == pytest.approx(math.log(2), abs=1e-4)  # policy and reference are the same
    assert 0 <= found["rl"]["reward"] <= 1
