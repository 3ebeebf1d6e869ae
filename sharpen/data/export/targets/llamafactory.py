# pyright: strict
"""LLaMA-Factory: ShareGPT conversations with pictures by path, and the registry `dataset_info.json`."""

from __future__ import annotations

from collections.abc import Mapping

from .. import Rows, Target
from ..records import Pair, Reply
from ..shapes import Row, Shapes


def reply(shapes: Shapes, record: Reply) -> Row:
    """Return a conversation of question and reply."""
    row = asked(shapes, record)
    answered = {"from": "gpt", "value": shapes.escaped(record.text)}
    return {**row, "conversations": [{"from": "human", "value": shapes.marked(record.task)}, answered]}


def pair(shapes: Shapes, record: Pair) -> Row:
    """Return a conversation with two replies to choose from."""
    return {
        **asked(shapes, record),
        "conversations": [{"from": "human", "value": shapes.marked(record.task)}],
        "chosen": {"from": "gpt", "value": shapes.escaped(record.chosen)},
        "rejected": {"from": "gpt", "value": shapes.escaped(record.rejected)},
    }


def asked(shapes: Shapes, record: Reply | Pair) -> Row:
    """Return what every row has."""
    system = shapes.escaped(record.task.system or "")
    return {"task": record.task.id, "system": system, "images": shapes.paths(record.task)}


def registry(files: Mapping[str, str]) -> tuple[str, object]:
    """Return the entries under which LLaMA-Factory finds the files."""
    columns = {"messages": "conversations", "images": "images", "system": "system"}
    entries: dict[str, object] = {}
    for kind, file in files.items():
        ranked = kind == "preference"
        both = {"chosen": "chosen", "rejected": "rejected"} if ranked else {}
        entry = {"file_name": file, "formatting": "sharegpt", "columns": {**columns, **both}}
        entries[f"sharpen_{kind}"] = {**entry, "ranking": True} if ranked else entry
    return "dataset_info.json", entries


TARGET = Target(
    "LLaMA-Factory",
    ".json",
    reply=Rows(reply),
    pair=Rows(pair),
    registry=registry,
    advice="train with dataset_dir: this folder, dataset: sharpen_sft or sharpen_preference",
)
