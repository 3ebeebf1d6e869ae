"""Where rows come from: Parquet that stays on disk, folders, datasets, and files behind a URL."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image as pil

from sharpen.data import pictures, tables
from sharpen.data.load import load, load_tasks
from sharpen.data.remote import fetch
from sharpen.data.sources import source
from sharpen.errors import TaskError
from sharpen.types import Image


def png(number: int) -> bytes:
    """A picture unlike that of any other number."""
    buffer = io.BytesIO()
    pil.new("RGB", (2, 2), (number % 256, number // 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHARPEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- Parquet -------------------------------------------------------------------------------------


def table(path: Path, n: int, group: int) -> Path:
    rows = [
        {"problem": f"<image>{i}?", "answer": str(i), "images": [{"bytes": png(i), "path": None}]} for i in range(n)
    ]
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


@pytest.mark.parametrize("group", [3, 7, 100])
def test_pictures_of_a_parquet_file_stay_in_it(tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH", 4)
    tasks = load_tasks(table(tmp_path / "t.parquet", 10, group))
    for order in (range(10), range(9, -1, -1), (5, 5, 0, 9, 3)):
        for i in order:
            (image,) = tasks[i].images
            assert not isinstance(image.source, bytes)
            assert image.read() == png(i)
            assert image.sha256 == Image.of(png(i)).sha256


def test_a_batch_lets_its_pictures_go(tmp_path: Path) -> None:
    tasks = load_tasks(table(tmp_path / "t.parquet", 10, 5))
    assert {image.source._data for t in tasks for image in t.images} == {None}  # type: ignore[union-attr]


def test_a_parquet_file_that_changed_is_not_read_as_another_picture(tmp_path: Path) -> None:
    from sharpen.data.images import decode

    tasks = load_tasks(table(tmp_path / "t.parquet", 3, 3))
    rows = [{"problem": "<image>?", "answer": "1", "images": [{"bytes": png(9), "path": None}]}] * 3
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    with pytest.raises((TaskError, OSError)):
        decode(tasks[2].images[0])


def test_pictures_that_are_no_column_of_the_task_are_left_out_and_named(tmp_path: Path) -> None:
    row = {"question": "?", "image": png(1), "shown": {"bytes": png(2), "path": "b.png"}, "level": 1}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    loaded = load(tmp_path / "t.parquet")
    assert loaded.read_as == "plain rows: question, image; in meta: level; not kept, being pictures: shown"
    assert loaded.tasks[0].meta == {"level": 1}


def test_after_the_first_pictures_only_header_and_end_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "DECODED", 2)
    noise = pil.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    rows: list[dict[str, Any]] = [{"id": str(i), "question": "?", "image": png(i)} for i in range(2)]
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP"):
        buffer = io.BytesIO()
        noise.save(buffer, kind)
        whole = buffer.getvalue()
        rows += [{"id": f"{kind} whole", "question": "?", "image": whole}]
        rows += [{"id": f"{kind} cut", "question": "?", "image": whole[: len(whole) - 40]}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    loaded = load(tmp_path / "t.parquet", max_bad=0.5)
    assert [name for name, _ in loaded.skipped] == [f"{kind} cut" for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")]
    assert "2 decoded, 10 more by header, size, end and checksums" in loaded.read_as


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_with_a_metadata_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    row = {"file_name": "a.png", "question": "?", "answer": "1"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    (task,) = load_tasks(tmp_path)
    assert (task.images, task.answer) == ((Image.of(png(1)),), "1")
    (tmp_path / "metadata.jsonl").write_text(json.dumps({**row, "file_name": "../secret.png"}))
    with pytest.raises(TaskError, match="lies outside the task file's folder"):
        load(tmp_path)


def test_pictures_sorted_into_folders(tmp_path: Path) -> None:
    for i, place in enumerate(("cat/1.png", "cat/2.png", "dog/1.png")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(png(i))
    tasks = load_tasks(tmp_path)
    assert [(t.id, t.answer, t.choices) for t in tasks] == [
        ("cat/1.png", "cat", ("cat", "dog")),
        ("cat/2.png", "cat", ("cat", "dog")),
        ("dog/1.png", "dog", ("cat", "dog")),
    ]
    assert tasks[2].question == "Which of these does the image show?\nA. cat\nB. dog"


@pytest.mark.parametrize("sorted_into_folders", [True, False])
def test_what_lies_in_a_folder_has_another_state_when_it_changes(tmp_path: Path, sorted_into_folders: bool) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(png(1))
    if not sorted_into_folders:
        for shard in ("a.jsonl", "b.jsonl"):
            (tmp_path / shard).write_text(json.dumps({"question": "?", "answer": "1"}))
    found = source(str(tmp_path), "train")
    state, identity = found.state(), found.identity()
    assert (state, identity) == (found.state(), found.identity())
    gone = tmp_path / ("dog/1.png" if sorted_into_folders else "b.jsonl")
    gone.unlink()
    assert found.state() != state
    with pytest.raises(FileNotFoundError):
        found.identity()
    gone.write_bytes(b"longer than it was, whatever that may have been" * 9)
    assert found.identity() != identity


def test_the_shards_of_a_split(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, n in (("train-00000-of-00002", 2), ("train-00001-of-00002", 1), ("test-00000-of-00001", 1)):
        table(tmp_path / "data" / f"{name}.parquet", n, 5)
    assert [t.id for t in load_tasks(tmp_path)] == [
        "train-00000-of-00002-1",
        "train-00000-of-00002-2",
        "train-00001-of-00002-1",
    ]
    assert [t.id for t in load_tasks(tmp_path, split="test")] == ["test-00000-of-00001-1"]
    with pytest.raises(TaskError, match=r"no file of the split 'dev', but test-00000-of-00001\.parquet"):
        load(tmp_path, split="dev")


# --- datasets ------------------------------------------------------------------------------------


def dataset() -> Any:
    import datasets

    features = datasets.Features(
        {
            "question": datasets.Value("string"),
            "answer": datasets.ClassLabel(names=["no", "yes"]),
            "image": datasets.Image(),
        }
    )
    rows = {"question": ["a?", "b?"], "answer": [1, 0], "image": [{"bytes": png(i), "path": None} for i in range(2)]}
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_saved_dataset_is_read_undecoded_and_class_labels_by_name(tmp_path: Path) -> None:
    dataset().save_to_disk(tmp_path / "saved")
    tasks = load_tasks(tmp_path / "saved")
    assert [(t.id, t.question, t.answer) for t in tasks] == [("saved-1", "a?", "yes"), ("saved-2", "b?", "no")]
    assert [t.images[0].read() for t in tasks] == [png(0), png(1)]


def test_a_dataset_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[tuple[Any, ...]] = []

    def load_dataset(name: str, config: str | None, split: str | None) -> Any:
        asked.append((name, config, split))
        return dataset() if split else datasets.DatasetDict({"validation": dataset(), "train": dataset().select([1])})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert [t.id for t in load_tasks("hub:me/geo")] == ["geo-1"]
    assert len(load_tasks("hub:me/geo", split="test")) == 2  # there is a validation split only
    assert len(load_tasks("hub:me/geo/hard@dev")) == 2
    assert asked == [("me/geo", None, None)] * 2 + [("me/geo", "hard", "dev")]
    with pytest.raises(TaskError, match="names no dataset; write hub:OWNER/NAME"):
        load("hub:geo")


def test_a_dataset_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def fail(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(TaskError, match=r"hub:me/geo cannot be loaded \(ConnectionError: no route to host\)"):
        load("hub:me/geo")


# --- URLs ----------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    sent: ClassVar[list[int]] = []
    """Bytes of each file that the server was rid of, those in the socket's buffers included."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        self.sent.append(0)
        with suppress(ConnectionError):
            while data := source.read(1 << 16):
                outputfile.write(data)
                self.sent[-1] += len(data)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "site"
    folder.mkdir()
    Quiet.sent.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_behind_a_url_is_fetched_once_with_its_pictures(site: tuple[str, Path], cache: Path) -> None:
    url, folder = site
    (folder / "t.jsonl").write_text(json.dumps({"question": "?", "image": "pics/a b.png", "answer": "1"}))
    (folder / "pics").mkdir()
    (folder / "pics" / "a b.png").write_bytes(png(3))
    (task,) = load_tasks(f"{url}/t.jsonl")
    assert task.images[0].read() == png(3)
    held = sorted(p for p in cache.rglob("*") if p.is_file())
    before = [p.stat().st_mtime_ns for p in held]
    assert load_tasks(f"{url}/t.jsonl") == [task]
    assert [p.stat().st_mtime_ns for p in sorted(p for p in cache.rglob("*") if p.is_file())] == before
    (folder / "t.jsonl").write_text(json.dumps({"question": "changed?", "answer": "1"}))
    assert [t.question for t in load_tasks(f"{url}/t.jsonl")] == ["changed?"]
    (folder / "t.jsonl").unlink()
    assert [t.question for t in load_tasks(f"{url}/t.jsonl")] == ["changed?"]  # out of reach: the last copy


def test_a_file_that_is_held_is_not_downloaded_again(site: tuple[str, Path]) -> None:
    url, folder = site
    size = 48_000_000
    with (folder / "big.bin").open("wb") as file:
        file.truncate(size)
    held = fetch(f"{url}/big.bin")
    assert Quiet.sent == [size]
    assert fetch(f"{url}/big.bin") == held
    deadline = time.monotonic() + 60
    while len(Quiet.sent) < 2 and time.monotonic() < deadline:  # the server's thread is not ours
        time.sleep(0.01)
    assert len(Quiet.sent) == 2
    assert Quiet.sent[1] < size / 2  # what fits in the buffers of both ends, a few megabytes


@pytest.mark.parametrize("path", ["../a.png", "/a.png", "pics/../../a.png", "pics\\a.png", "file:///a.png"])
def test_a_remote_file_may_not_point_elsewhere(site: tuple[str, Path], path: str) -> None:
    url, folder = site
    (folder / "t.jsonl").write_text(json.dumps({"question": "?", "image": path}))
    with pytest.raises(TaskError, match=r"lies outside|is a link"):
        load(f"{url}/t.jsonl")


def test_a_url_that_cannot_be_reached(site: tuple[str, Path]) -> None:
    with pytest.raises(TaskError, match=r"none\.jsonl cannot be fetched \(OSError: HTTP Error 404"):
        load(f"{site[0]}/none.jsonl")
    for scheme, extra in (("s3", "s3"), ("gs", "gs"), ("gcs", "gs")):
        with pytest.raises(TaskError, match=rf"needs a package .*fs.*; run: pip install 'sharpen\[{extra}\]'"):
            load(f"{scheme}://bucket/t.jsonl")
    with pytest.raises(TaskError, match="give the path itself"):
        load("file:///etc/t.jsonl")


class Keyless(fsspec.AbstractFileSystem):
    """A driver with an error of its own, as s3fs gives botocore's."""

    def info(self, path: str, **kwargs: Any) -> Any:
        raise RuntimeError("Unable to locate credentials")


def test_whatever_a_driver_raises_is_one_line() -> None:
    fsspec.register_implementation("keyless", Keyless, clobber=True)
    with pytest.raises(TaskError, match=r"cannot be fetched \(RuntimeError: Unable to locate credentials\); check the"):
        load("keyless://box/t.jsonl")


def test_what_fsspec_reaches() -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/box/t.jsonl", json.dumps({"question": "?", "image": "a.png"}).encode())
    files.pipe("/box/a.png", png(5))
    (task,) = load_tasks("memory://box/t.jsonl")
    assert task.images[0].read() == png(5)
