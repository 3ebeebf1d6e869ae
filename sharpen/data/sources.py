# pyright: strict
"""What `--tasks` may name, as rows: a file, a folder, a URL, or a dataset of the Hugging Face hub."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from ..errors import TaskError
from ..ledger.files import sha256
from ..types import digest
from .fields import Row, line, short
from .pictures import Folder, Home
from .remote import URL, Remote, fetch
from .tables import BATCH, READERS, TABLES, Numbered, lazy_row, row_of

HUB = "hub:"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".jp2", ".avif")
SPLITS = {"train": ("train",), "test": ("test", "validation", "val", "testmini")}
"""Names that a split may have in a dataset."""
KNOWN = f"{', '.join(READERS)} file, a folder, a URL, hub:OWNER/NAME, or shapes:N or digits:N"

Named = tuple[str, int, Row | str]
"""The id of a row that brings none, its number, and the row or why it is none."""


@dataclass(frozen=True)
class Source:
    """Rows, where the pictures that they name by path lie, and a hash of the content that the rows are read from."""

    name: str
    rows: Iterable[Named]
    home: Home
    identity: Callable[[], str]
    state: Callable[[], object] = tuple
    """What changes when the content does, at no cost; the content may be the same all the same."""
    table: bool = False
    """Whether the columns are named by the first line of a file, which may be missing."""


def source(spec: str, split: str) -> Source:
    """Return the rows that a spec names; of a dataset those of the split. Raises TaskError where there are none."""
    if spec.startswith(HUB):
        return _hub(spec, split)
    if URL.match(spec):
        local = fetch(spec)
        home = Remote(spec.split("?")[0].rpartition("/")[0])
        return _from_files(spec, _file(local, spec), home, [local])
    path = Path(spec)
    if not os.path.exists(path):  # Path.exists raises on a name too long
        raise TaskError(f"task file {short(spec)!r} does not exist; give a {KNOWN}")
    if path.is_dir():
        return _folder(path, split)
    return _from_files(spec, _file(path, spec), Folder(path.parent), [path])


def _from_files(name: str, rows: Iterable[Named], home: Home, files: Sequence[Path]) -> Source:
    table = any(file.suffix.lower() in TABLES for file in files)
    return Source(name, rows, home, partial(_content, files), partial(_states, files), table)


def _content(files: Sequence[Path]) -> str:
    return digest([file_hash(file) for file in files])


def file_hash(file: Path) -> str:
    """Return the sha256 of a file; one that did not change meanwhile is read once."""
    return _hashed(file, _state(file))


@cache
def _hashed(file: Path, state: tuple[int, ...]) -> str:
    return sha256(file)


def _state(file: Path) -> tuple[int, ...]:
    """Size and times, of which a program that writes the file can set the first one only."""
    about = file.stat()
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _states(files: Sequence[Path]) -> list[tuple[int, ...] | None]:
    """The state of each file, None for one that is gone."""
    return [_state(file) if file.exists() else None for file in files]


def _file(path: Path, name: str) -> Iterable[Named]:
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        what = "is no file" if not path.is_file() else f"has unknown suffix {path.suffix!r}"
        raise TaskError(f"task file {name!r} {what}; give a {KNOWN}")
    return _named(path.stem, partial(_none, path, reader))


def _none(path: Path, reader: Callable[[Path], Iterator[Numbered]]) -> Iterator[Numbered]:
    """Read a file; one without a byte has no rows in any format."""
    if path.stat().st_size:
        yield from reader(path)


def _named(stem: str, rows: Callable[[], Iterator[Numbered]]) -> Iterator[Named]:
    for number, row in rows():
        yield f"{stem}-{number}", number, row


# --- folders ------------------------------------------------------------------------------------


def _folder(path: Path, split: str) -> Source:
    """A dataset saved by `datasets`, pictures with a metadata file, pictures sorted into folders, or shards."""
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        found = _datasets(str(path)).load_from_disk(str(path))
        return _dataset(str(path), _split_of(found, split, str(path)), path.name, Folder(path))
    described = next((m for s in READERS if (m := path / f"metadata{s}").is_file()), None)
    if described is not None:
        rows = (_pictured(row) for row in _file(described, str(described)))
        return _from_files(str(path), rows, Folder(path), [described])
    shards = _shards(path, split)
    if shards:
        rows = (row for shard in shards for row in _file(shard, str(shard)))
        return _from_files(str(path), rows, Folder(shards[0].parent), shards)
    classes = sorted(
        f.name for f in path.iterdir() if f.is_dir() and any(p.suffix.lower() in PICTURES for p in f.iterdir())
    )
    if len(classes) < 2:
        raise TaskError(
            f"task folder {str(path)!r} holds no metadata.jsonl, no {', '.join(READERS)} file and no two folders of "
            f"pictures; give a {KNOWN}"
        )
    files = sorted(p for name in classes for p in (path / name).iterdir() if p.suffix.lower() in PICTURES)
    folders = partial(_states, [path / name for name in classes])  # of the files it would cost too much
    return Source(str(path), _classes(files, classes), Folder(path), partial(_listed, files), folders)


def _shards(path: Path, split: str) -> list[Path]:
    """The files of a folder, or of `data` in it, that belong to a split; all where names tell no split."""
    for folder in (path, path / "data"):
        found = sorted(f for f in folder.glob("*") if f.is_file() and f.suffix.lower() in READERS)
        if found:
            told = [f for f in found if re.match(r"(train|test|val|validation)\b", f.stem)]
            mine = [f for f in told if re.split(r"[-_.]", f.stem)[0] in SPLITS.get(split, (split,))]
            if told and not mine:
                names = ", ".join(f.name for f in found[:5])
                raise TaskError(
                    f"task folder {str(path)!r} has no file of the split {split!r}, but {names}; name one file"
                )
            return mine or found
    return []


def _pictured(named: Named) -> Named:
    """A metadata file names its picture by `file_name`."""
    name, number, row = named
    if isinstance(row, str) or row.get("file_name") is None:
        return named
    rest = {key: value for key, value in row.items() if key != "file_name"}
    return name, number, {**rest, "image": row["file_name"]}


def _listed(files: Sequence[Path]) -> str:
    """Names and sizes: to hash the pictures themselves would be to read all of them before the first is shown."""
    return digest([(file.parent.name, file.name, file.stat().st_size) for file in files])


def _classes(files: Sequence[Path], classes: Sequence[str]) -> Iterator[Named]:
    """Pictures in folders that are named after what they show: one question for all."""
    for number, file in enumerate(files, 1):
        place = f"{file.parent.name}/{file.name}"
        row = {
            "question": "Which of these does the image show?",
            "choices": list(classes),
            "answer": file.parent.name,
            "image": place,
        }
        yield place, number, row


# --- datasets -----------------------------------------------------------------------------------


def _hub(spec: str, split: str) -> Source:
    """Rows of `hub:OWNER/NAME[/CONFIG][@SPLIT]`."""
    said, _, wanted = spec.removeprefix(HUB).partition("@")
    owner, _, rest = said.partition("/")
    name, _, config = rest.partition("/")
    if not owner or not name:
        raise TaskError(f"{spec!r} names no dataset; write hub:OWNER/NAME, hub:OWNER/NAME/CONFIG or …@SPLIT")
    library = _datasets(spec)
    try:
        found: Any = library.load_dataset(f"{owner}/{name}", config or None, split=wanted or None)
    except Exception as error:  # the library and the hub raise of every kind: network, permission, missing names
        raise TaskError(f"{spec} cannot be loaded ({line(error)}); check its name and your access") from error
    return _dataset(spec, _split_of(found, split, spec), name, Folder(Path(os.devnull)))


def _datasets(spec: str) -> Any:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise TaskError(f"{spec} needs the package datasets; run: pip install 'sharpen[data]'") from error


def _split_of(found: Any, split: str, name: str) -> Any:
    """Choose a split where there are several."""
    if not isinstance(found, dict):
        return found
    splits = cast("dict[str, Any]", found)
    chosen = next((s for s in SPLITS.get(split, (split,)) if s in splits), None)
    if chosen is None:
        raise TaskError(f"{name} has no split {split!r}, but {', '.join(splits)}; name one as in {HUB}OWNER/NAME@SPLIT")
    return splits[chosen]


def _dataset(name: str, data: Any, stem: str, home: Home) -> Source:
    """The library's fingerprint of a dataset is a hash of its content and of all that was done to it."""
    return Source(name, _rows(data, stem), home, lambda: str(data._fingerprint))


def _rows(data: Any, stem: str) -> Iterator[Named]:
    """Rows of a dataset, pictures as they are stored and not decoded, class labels by their names."""
    labels = {name: f.names for name, f in data.features.items() if type(f).__name__ == "ClassLabel"}
    raw = data.with_format("arrow")

    def cell(row: int, keys: tuple[str | int, ...]) -> bytes:
        found: Any = raw[row : row + 1].column(keys[0])[0].as_py()
        for key in keys[1:]:
            found = found[key]
        return cast("bytes", found)

    for start in range(0, len(raw), BATCH):
        rows: list[object] = raw[start : start + BATCH].to_pylist()
        for number, value in enumerate(rows, start):
            row = row_of(value)
            if not isinstance(row, str):
                named = {k: v[i] if (v := labels.get(k)) and isinstance(i, int) else i for k, i in row.items()}
                row = lazy_row(named, partial(cell, number))
            yield f"{stem}-{number + 1}", number + 1, row
