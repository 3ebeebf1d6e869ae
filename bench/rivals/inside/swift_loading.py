"""Runs in ms-swift's environment: its loader and template on an exported folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from loose import answer
from seen import marked, pictures, split


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the rows as they are trained on, and the prompts of those for GRPO."""
    folder = Path(asked["folder"], "swift")
    os.environ["ROOT_IMAGE_DIR"] = str(folder)
    from importlib.metadata import version

    import swift_tiny
    from swift.dataset import load_dataset  # pyright: ignore[reportMissingImports]
    from swift.model import get_processor  # pyright: ignore[reportMissingImports]
    from swift.template import get_template  # pyright: ignore[reportMissingImports]

    swift_tiny.register()
    processor = get_processor(asked["model"], model_type=swift_tiny.NAME)
    files: dict[str, Any] = {}
    for kind, mode in (("sft", "train"), ("preference", "rlhf"), ("rl", "transformers")):
        template = get_template(processor, template_type=swift_tiny.NAME)
        template.set_mode(mode)
        rows, _ = load_dataset(
            [str(folder / f"{kind}.jsonl")], strict=True, load_from_cache_file=False, remove_unused_columns=False
        )
        files[kind] = [encoded(template, row, kind) for row in rows]
    return {"version": f"ms-swift {version('ms-swift')}", "files": {"swift": files}}


def encoded(template: Any, row: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a row as its template gives it."""
    got = template.encode(dict(row), return_template_inputs=True)
    its: dict[str, Any] = {"images": pictures(got["template_inputs"].images)}
    if kind == "rl":
        its["prompt"], its["answer"] = marked(template.tokenizer.decode(got["input_ids"])), row["solution"]
    elif kind == "sft":
        its["prompt"], its["reply"] = split(template.tokenizer, got["input_ids"], got["labels"])
    else:
        for side in ("chosen", "rejected"):
            both = got[f"{side}_input_ids"], got[f"{side}_labels"]
            its["prompt"], its[side] = split(template.tokenizer, *both)
    return its


if __name__ == "__main__":
    answer(work)
