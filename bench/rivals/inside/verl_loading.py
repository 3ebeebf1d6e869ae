"""Runs in verl's environment: its RL and SFT datasets on exported folders, and EasyR1's rows under EasyR1's names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from loose import answer
from seen import pictures, split


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of each file; verl's RL datasets keep no row that they fail to read."""
    from importlib.metadata import version

    from transformers import AutoProcessor

    processor: Any = AutoProcessor.from_pretrained(asked["model"])
    processor.image_processor.patch_size = 16  # verl's SFT dataset asks every processor for it
    folder = Path(asked["folder"])
    files = {
        "verl": {
            "rl": questions(processor, folder / "verl" / "rl.parquet", "prompt"),
            "sft": replies(processor, folder / "verl" / "sft.parquet"),
        },
        "easyr1": {"rl": problems(folder / "easyr1" / "rl.parquet")},
    }
    return {
        "version": f"verl {version('verl')}",
        "not tried": "EasyR1's own loader: EasyR1 is on no package index; its columns were read by datasets alone",
        "files": files,
    }


def questions(processor: Any, file: Path, key: str) -> list[dict[str, Any]]:
    """Return the rows of `RLHFDataset`, with the prompts that its processor makes of them."""
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset  # pyright: ignore[reportMissingImports]

    asked = {"prompt_key": key, "image_key": "images", "max_prompt_length": 1024, "cache_dir": "cache"}
    settings = OmegaConf.create({**asked, "filter_overlong_prompts": True, "filter_overlong_prompts_workers": 1})
    rows = RLHFDataset(str(file), processor.tokenizer, settings, processor=processor)
    found: list[dict[str, Any]] = []
    for at in range(len(rows)):
        row = rows[at]
        if row["index"] != at:
            raise ValueError(f"row {at} has the index {row['index']}")
        parts = [p for m in row["raw_prompt"] if isinstance(m["content"], list) for p in m["content"]]
        shown = pictures([part["image"] for part in parts if part["type"] == "image"])
        prompt = processor.apply_chat_template(row["raw_prompt"], add_generation_prompt=True, tokenize=False)
        found.append({"prompt": prompt, "images": shown, "answer": row["reward_model"]["ground_truth"]})
    return found


def replies(processor: Any, file: Path) -> list[dict[str, Any]]:
    """Return the rows of `MultiTurnSFTDataset`."""
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset  # pyright: ignore[reportMissingImports]

    settings = {"max_length": 2048, "pad_mode": "no_padding", "truncation": "error"}
    rows = MultiTurnSFTDataset(str(file), processor.tokenizer, settings, processor=processor)
    found: list[dict[str, Any]] = []
    for at in range(len(rows)):
        row = rows[at]
        ids, trained = row["input_ids"].tolist(), row["loss_mask"].tolist()
        labels = [i if kept else -100 for i, kept in zip(ids, trained, strict=True)]
        prompt, reply = split(processor.tokenizer, ids, labels)
        parts = [p for m in rows._build_messages(rows.dataframe.iloc[at].to_dict()) for p in m["content"]]
        shown = pictures([p["image"] for p in parts if p["type"] == "image"])
        found.append({"prompt": prompt, "reply": reply, "images": shown})
    return found


def problems(file: Path) -> list[dict[str, Any]]:
    """Return EasyR1's columns as text with a mark at each picture; the chat around them is its own."""
    from datasets import load_dataset

    found: list[dict[str, Any]] = []
    for row in load_dataset("parquet", data_files=str(file), split="train"):
        if len(re.findall("<image>", row["problem"])) != len(row["images"]):
            raise ValueError(f"{row['problem']!r} has another number of marks than of pictures, {len(row['images'])}")
        found.append({"problem": row["problem"], "answer": row["answer"], "images": pictures(row["images"])})
    return found


if __name__ == "__main__":
    answer(work)
