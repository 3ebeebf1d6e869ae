"""Do TRL's own trainers take what `sharpen export --to trl` writes: one step each of SFT, DPO and GRPO.

sharpen run vista_dpo --model tiny --tasks digits:20 --rounds 1 --out runs/small
sharpen export runs/small --to trl
python bench/rivals/trl_steps.py runs/small/export-trl          # TRL is in the extra `dev`

In an environment of TRL alone, which needs nothing of this package but a model's folder:

python -m venv /tmp/trl && /tmp/trl/bin/pip install trl pillow 'peft'
/tmp/trl/bin/python bench/rivals/trl_steps.py runs/small/export-trl --model sharpen/worlds/tiny_model
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

TINY = Path(__file__).parent.parent.parent / "sharpen" / "worlds" / "tiny_model"


def rows(path: Path, cache: str) -> Any:
    from datasets import load_dataset
    from trl.trainer.utils import remove_none_values

    data = load_dataset("parquet", data_files=str(path), split="train", cache_dir=cache)
    return data.with_transform(remove_none_values)


def rewarded(completions: list[Any], solution: list[str], **_: Any) -> list[float]:
    """Reward a reply that holds the gold answer."""
    return [float(gold in reply[0]["content"]) for reply, gold in zip(completions, solution, strict=True)]


def step(kind: str, data: Any, model: Any, processor: Any, out: str) -> dict[str, float]:
    import trl

    common = {
        "output_dir": out,
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "remove_unused_columns": False,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
    }
    if kind == "rl":
        settings = trl.GRPOConfig(**common, num_generations=2, max_completion_length=8)
        trainer: Any = trl.GRPOTrainer(
            model, reward_funcs=[rewarded], args=settings, train_dataset=data, processing_class=processor
        )
    else:
        config, kinds = (trl.SFTConfig, trl.SFTTrainer) if kind == "sft" else (trl.DPOConfig, trl.DPOTrainer)
        settings = config(**common, max_length=None)
        trainer = kinds(model, args=settings, train_dataset=data, processing_class=processor)
    trainer.train()
    return {k: v for k, v in trainer.state.log_history[0].items() if k in ("loss", "reward", "rewards/margins")}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--model", type=Path, default=TINY)
    chosen = options.parse_args()
    from transformers import AutoModelForImageTextToText, AutoProcessor

    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(sys.stderr):  # a trainer prints its log
        for file in sorted(chosen.folder.glob("*.parquet")):
            model = AutoModelForImageTextToText.from_pretrained(chosen.model)
            processor: Any = AutoProcessor.from_pretrained(chosen.model)
            data = rows(file, f"{scratch}/cache")
            found[file.stem] = {"rows": len(data), **step(file.stem, data, model, processor, f"{scratch}/out")}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
