# pyright: strict
"""Tasks in: from a visual world with known truth, or from a file of rows.

A row that cannot be used is never substituted, cut or silently dropped: it is collected with its id
and its reason, and stops the load unless the caller allows a share of such rows.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast, get_args

from ..errors import TaskError
from ..types import Image, Task
from . import images

WORLDS = ("shapes", "digits")
QUESTION = ("question", "problem", "query")
ANSWER = ("answer", "solution", "gold")
NESTED = ("images", "choices", "meta")  # columns whose CSV cells may hold JSON
SHOWN = 3  # bad rows named in an error; all of them would bury the reason, and it holds them as `rows`

_PLACE = re.compile(  # a line of nothing but placeholders goes with its line break, so no hole is left
    r"^[ \t]*<image>(?:[ \t]*<image>)*[ \t]*(?:\r?\n|\Z)|<image>", re.MULTILINE
)
_URI = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)

Row = Mapping[str, object]
Numbered = tuple[int, Row | str]
"""A row with its line number in .jsonl and its position elsewhere, from 1; a str says why it is none."""


@dataclass(frozen=True)
class Loaded:
    """The tasks that can be used, and (id, reason) of every row that cannot."""

    tasks: list[Task]
    skipped: list[tuple[str, str]]


class _Bad(Exception):
    """This row cannot be used; the message is the reason."""


def load(spec: str | Path, *, split: str = "train", seed: int = 0, max_bad: float = 0.0) -> Loaded:
    """Load tasks from `shapes:N` or `digits:N`, or from a .jsonl, .json, .csv, .tsv or .parquet file.

    A world makes N tasks of its `split` from `seed`; a file ignores both. Rows: `question` (or `problem`,
    `query`); optional `id` (else file name and row number), `answer` (or `solution`, `gold`; text or
    number, none is unlabelled), `image` or `images` (a path inside the file's folder, a base64 data URI,
    bytes, or {"bytes", "path"}; one or a list), `choices`, `system`, `meta`; other columns join `meta`,
    where `solution` or `rationale` is a seed trace.
    `<image>` in a question marks a place when there are as many as images; without images it is text.
    Raises TaskError where no task can be loaded, or where the share of rows that cannot be used exceeds
    `max_bad`.
    """
    if not 0 <= max_bad <= 1:
        raise TaskError(f"max_bad is {max_bad}; give the share of rows that may be unusable, 0 to 1")
    name, colon, count = str(spec).partition(":")
    if colon and name in WORLDS:
        return Loaded(_from_world(name, count, split, seed), [])
    path = Path(spec)
    rows = _read(path)
    loaded = _build(path, rows)
    _refuse_too_many(path, loaded, len(rows), max_bad)
    return loaded


def load_tasks(spec: str | Path, *, split: str = "train", seed: int = 0, max_bad: float = 0.0) -> list[Task]:
    """Return the tasks of `load`, same arguments and errors."""
    return load(spec, split=split, seed=seed, max_bad=max_bad).tasks


def _from_world(name: str, count: str, split: str, seed: int) -> list[Task]:
    if not (count.isascii() and count.isdecimal() and int(count) > 0):
        raise TaskError(f"{name}:{count}: {count!r} is no number of tasks; give 1 or more, as in {name}:200")
    from .. import worlds  # late: a world draws pictures, reading a file does not

    if split not in get_args(worlds.Split):
        raise TaskError(f"{name} has no split {split!r}; take one of {', '.join(get_args(worlds.Split))}")
    return list(worlds.world(name).tasks(cast("worlds.Split", split), int(count), seed))


# --- files to rows ------------------------------------------------------------------------------


def _read(path: Path) -> list[Numbered]:
    reader = _READERS.get(path.suffix.lower())
    known = f"{', '.join(_READERS)}, or {' or '.join(w + ':N' for w in WORLDS)}"
    if not os.path.exists(path):  # Path.exists raises on a name too long
        raise TaskError(f"task file {_short(str(path))!r} does not exist; give a {known}")
    if reader is None or not path.is_file():
        what = "is no file" if not path.is_file() else f"has unknown suffix {path.suffix!r}"
        raise TaskError(f"task file {str(path)!r} {what}; give a {known}")
    try:
        rows = reader(path) if path.stat().st_size else []
    except TaskError:
        raise
    # pyarrow's own errors derive from ValueError, OSError or NotImplementedError
    except (OSError, ValueError, RecursionError, NotImplementedError, csv.Error) as error:
        raise TaskError(f"task file {str(path)!r} cannot be read ({_line(error)}); repair it") from error
    if not rows:
        raise TaskError(f"task file {str(path)!r} holds no rows; give at least one with a question")
    return rows


def _read_jsonl(path: Path) -> list[Numbered]:
    # Only \n ends a line: str.splitlines would also cut at U+2028, which JSON allows inside a text.
    lines = path.read_text("utf-8-sig").split("\n")
    return [(i, _parsed(line)) for i, line in enumerate(lines, 1) if line.strip()]


def _parsed(line: str) -> Row | str:
    try:
        return _row(json.loads(line))
    except (ValueError, RecursionError) as error:
        return f"is not JSON ({_line(error)})"


def _read_json(path: Path) -> list[Numbered]:
    value: object = json.loads(path.read_text("utf-8-sig"))
    if not isinstance(value, list):
        kind = type(value).__name__
        raise TaskError(f"task file {str(path)!r} holds a {kind}; give a list of rows, [{{...}}, ...]")
    return [(i, _row(row)) for i, row in enumerate(cast("list[object]", value), 1)]


def _read_csv(path: Path) -> list[Numbered]:
    limit = csv.field_size_limit(2**31 - 1)  # a cell may be a whole picture in base64
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            tab = path.suffix.lower() == ".tsv"
            table = csv.DictReader(file, delimiter="\t" if tab else ",", strict=True)
            return [(i, _cells(row)) for i, row in enumerate(table, 1)]
    finally:
        csv.field_size_limit(limit)


def _cells(cells: Mapping[str | None, str | list[str] | None]) -> Row | str:
    """An empty cell is a missing value; cells that should hold a list or an object are JSON."""
    row: dict[str, object] = {}
    for key, cell in cells.items():
        if key is None:
            return "has more cells than the header; quote cells that hold the separator"
        if isinstance(cell, str) and cell.strip():
            nested = key in NESTED and cell.lstrip()[0] in "[{"
            try:
                row[key] = json.loads(cell) if nested else cell
            except (ValueError, RecursionError) as error:
                return f"column {key!r} is not JSON ({_line(error)})"
    return row


def _read_parquet(path: Path) -> list[Numbered]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise TaskError(f"task file {str(path)!r} needs pyarrow; run: pip install pyarrow") from error
    table: list[object] = parquet.read_table(path).to_pylist()
    return [(i, _row(row)) for i, row in enumerate(table, 1)]


_READERS: dict[str, Callable[[Path], list[Numbered]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
}


def _row(value: object) -> Row | str:
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    return f"is a {type(value).__name__}, not an object with a question"


# --- rows to tasks ------------------------------------------------------------------------------


def _build(path: Path, rows: Sequence[Numbered]) -> Loaded:
    tasks: dict[str, Task] = {}
    seen: dict[str, int] = {}
    skipped: list[tuple[str, str]] = []
    folder = path.parent.resolve()
    for number, row in rows:
        name = f"{path.stem}-{number}"
        try:
            if isinstance(row, str):
                raise _Bad(row)
            name = _id(row, name)
            if seen.setdefault(name, number) != number:
                raise _Bad(f"row {number} has the id of row {seen[name]}")
            tasks[name] = _task(name, row, folder)
        except _Bad as bad:
            skipped.append((name, str(bad)))
    broken = _broken(image for task in tasks.values() for image in task.images)
    for name, task in list(tasks.items()):
        if reasons := [broken[image.sha256] for image in task.images if image.sha256 in broken]:
            skipped.append((name, reasons[0]))
            del tasks[name]
    return Loaded(list(tasks.values()), skipped)


def _task(name: str, row: Row, folder: Path) -> Task:
    question_key, question = _first(row, QUESTION)
    answer_key, answer = _first(row, ANSWER)
    if question is None:
        raise _Bad(f"has no {' or '.join(QUESTION)}; its columns are {_short(', '.join(row))}")
    pictures = _images(row, folder)
    text, places = _place(_text(question_key, question), len(pictures))
    if not text.strip():
        raise _Bad(f"{question_key!r} is empty")
    choices = _choices(row.get("choices"))
    if any(choice not in text for choice in choices):
        # Graded against, so shown; a question that spells them out already keeps its own wording.
        text += "\n" + "\n".join(f"{chr(ord('A') + i)}. {choice}" for i, choice in enumerate(choices))
    meta = row.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise _Bad(f"'meta' is a {type(meta).__name__}, not an object")
    used = {"id", question_key, answer_key, "image", "images", "choices", "system", "meta"}
    rest = {key: value for key, value in row.items() if key not in used}
    return Task(
        id=name,
        question=text,
        images=pictures,
        answer=None if answer is None else _scalar(answer_key, answer),
        choices=choices,
        system=None if row.get("system") is None else _text("system", row["system"]),
        places=places,
        meta={**cast("dict[str, object]", meta or {}), **rest},
    )


def _first(row: Row, keys: Sequence[str]) -> tuple[str, object]:
    """The first of these columns that holds something; the others are not aliases in this row but data."""
    return next(((key, row[key]) for key in keys if row.get(key) is not None), (keys[0], None))


def _id(row: Row, default: str) -> str:
    value = row.get("id")
    return default if value is None else _scalar("id", value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise _Bad(f"{key!r} is a {type(value).__name__}, not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Bad(f"{key!r} holds half a character (a lone surrogate)") from None
    return value


def _scalar(key: str, value: object) -> str:
    """Text as it is and a number as Python writes it; True is a number to Python but not to a person."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise _Bad(f"{key!r} is {value}, not a finite number")
        return str(value)
    if not isinstance(value, str):
        raise _Bad(f"{key!r} is a {type(value).__name__}, not text or a number")
    if not value.strip():
        raise _Bad(f"{key!r} is empty; leave it out where there is none")
    return _text(key, value)


def _choices(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _Bad(f"'choices' is a {type(value).__name__}, not a list")
    return tuple(_scalar("choices", choice) for choice in cast("list[object]", value))


def _place(question: str, count: int) -> tuple[str, tuple[int, ...]]:
    """Take the placeholders out of the question and say where they stood."""
    marks = question.count("<image>")
    if count == 0 or marks == 0:
        return question, ()
    if marks != count:
        raise _Bad(f"the question has {marks} <image> for {count} images; give one each, or none")
    text, places, start = "", list[int](), 0
    for match in _PLACE.finditer(question):
        text += question[start : match.start()]
        places += [len(text)] * match[0].count("<image>")
        start = match.end()
    if start == len(question):  # the last line is gone, and so is the break before it
        text = re.sub(r"\r?\n\Z", "", text)
        places = [min(place, len(text)) for place in places]
    return text + question[start:], tuple(places)


# --- images -------------------------------------------------------------------------------------


def _images(row: Row, folder: Path) -> tuple[Image, ...]:
    values = [row[key] for key in ("image", "images") if row.get(key) is not None]
    if len(values) > 1:
        raise _Bad("has both 'image' and 'images'; keep one")
    if not values:
        return ()
    several = cast("list[object]", values[0]) if isinstance(values[0], list) else values
    return tuple(_image(value, folder) for value in several)


def _image(value: object, folder: Path) -> Image:
    if isinstance(value, dict):  # as Hugging Face datasets store it: bytes, or else a path
        parts = cast("dict[str, object]", value)
        value = parts["path"] if parts.get("bytes") is None and "path" in parts else parts.get("bytes")
    if isinstance(value, bytes):
        return Image.of(value)
    if not isinstance(value, str) or not value:
        raise _Bad(f"an image is {_line(repr(value))}, not a path, a data URI or bytes")
    if value[:5].lower() == "data:":
        return Image.of(_from_uri(value))
    if value.startswith(("http://", "https://")):
        raise _Bad(f"image {_short(value)!r} is remote; download it beside the task file")
    return Image.of(_inside(value, folder))


def _from_uri(uri: str) -> bytes:
    head = _URI.match(uri)
    if not head:
        raise _Bad(f"image {_short(uri)!r} is not data:image/...;base64,...")
    try:
        return base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Bad(f"image {_short(uri)!r} is not base64 ({_line(error)})") from None


def _inside(value: str, folder: Path) -> Path:
    """The file, links resolved; a task file from elsewhere must not read what lies outside its folder."""
    try:
        path = (folder / value).resolve()
        inside, found = path.is_relative_to(folder), path.is_file()
        if inside and found:
            path.open("rb").close()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, with a NUL, a ring of links
        raise _Bad(f"image {_short(value)!r} cannot be opened ({_line(error)})") from None
    if not inside:
        raise _Bad(f"image {_short(value)!r} lies outside the task file's folder {folder}; move it there")
    if not found:
        raise _Bad(f"image {_short(value)!r} is not a file in {folder}")
    return path


def _broken(pictures: Iterable[Image]) -> dict[str, str]:
    """Why, by hash, for each picture that cannot be decoded; each distinct one is tried once."""
    distinct = list({image.sha256: image for image in pictures}.values())
    with ThreadPoolExecutor(4) as pool:  # decoders release the interpreter lock; few, as each may be large
        reasons = pool.map(_why_broken, distinct)
        return {image.sha256: why for image, why in zip(distinct, reasons, strict=True) if why}


def _why_broken(image: Image) -> str | None:
    try:
        images.verify(image)
    except TaskError as error:
        return str(error)
    return None


# --- reports ------------------------------------------------------------------------------------


def _refuse_too_many(path: Path, loaded: Loaded, rows: int, max_bad: float) -> None:
    bad = len(loaded.skipped)
    if loaded.tasks and bad / rows <= max_bad:  # not bad <= max_bad * rows: 0.29 * 100 < 29
        return
    named = "; ".join(f"{name}: {reason}" for name, reason in loaded.skipped[:SHOWN])
    more = f"; and {bad - SHOWN} more" if bad > SHOWN else ""
    allow = f", or leave them out with --max-bad {math.ceil(100 * bad / rows) / 100}" if loaded.tasks else ""
    message = f"{path}: {bad} of {rows} rows cannot be used: {named}{more}. Repair them{allow}"
    raise TaskError(message, loaded.skipped)


def _line(what: object) -> str:
    """An error or a value in one short line."""
    text = f"{type(what).__name__}: {what}" if isinstance(what, BaseException) else str(what)
    return _short(" ".join(text.split()))


def _short(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
