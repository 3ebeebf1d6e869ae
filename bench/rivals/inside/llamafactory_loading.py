"""Runs in LLaMA-Factory's environment: its loader on an exported folder, then a step of SFT and of DPO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loose import answer
from seen import pictures, split


def work(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the rows as they are trained on, and the loss of a step on each file."""
    from importlib.metadata import version

    import llamafactory_template
    from llamafactory.train.tuner import run_exp  # pyright: ignore[reportMissingImports]

    llamafactory_template.register()
    folder = Path(asked["folder"], "llamafactory")
    files: dict[str, Any] = {}
    losses: dict[str, float] = {}
    for kind, stage in (("sft", "sft"), ("preference", "dpo")):
        out = Path(f"out-{kind}").resolve()
        settings: dict[str, Any] = {
            "stage": stage,
            "do_train": True,
            "finetuning_type": "full",
            "freeze_vision_tower": False,
            "freeze_multi_modal_projector": False,
            "model_name_or_path": asked["model"],
            "template": llamafactory_template.NAME,
            "dataset_dir": str(folder),
            "dataset": f"sharpen_{kind}",
            "cutoff_len": 1024,
            "per_device_train_batch_size": 4,
            "max_steps": 1,
            "logging_steps": 1,
            "use_cpu": True,
            "bf16": False,
            "disable_gradient_checkpointing": True,
            "report_to": "none",
            "save_strategy": "no",
            "overwrite_cache": True,
            "output_dir": str(out),
        }
        files[kind] = loaded(dict(settings), "sft" if kind == "sft" else "rm")
        run_exp(settings)
        losses[kind] = json.loads((out / "train_results.json").read_text("utf-8"))["train_loss"]
    return {"version": f"llamafactory {version('llamafactory')}", "files": {"llamafactory": files}, "loss": losses}


def loaded(settings: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    """Return the rows of its `get_dataset`, ids as text, with the pictures of its reader."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # pyright: ignore[reportMissingImports]
    from llamafactory.hparams import get_train_args  # pyright: ignore[reportMissingImports]
    from llamafactory.model import load_tokenizer  # pyright: ignore[reportMissingImports]

    model, data, training, _, _ = get_train_args(settings)
    module = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data)
    rows = get_dataset(template, model, data, training, stage=stage, **module)["train_dataset"]
    limits = {"image_max_pixels": model.image_max_pixels, "image_min_pixels": model.image_min_pixels}
    found: list[dict[str, Any]] = []
    for row in rows:
        images = template.mm_plugin._regularize_images(row["images"] or [], **limits)["images"]
        its: dict[str, Any] = {"images": pictures(images)}
        if stage == "sft":
            its["prompt"], its["reply"] = split(module["tokenizer"], row["input_ids"], row["labels"])
        else:
            for side in ("chosen", "rejected"):
                both = row[f"{side}_input_ids"], row[f"{side}_labels"]
                its["prompt"], its[side] = split(module["tokenizer"], *both)
        found.append(its)
    return found


if __name__ == "__main__":
    answer(work)
