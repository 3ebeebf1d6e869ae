"""Rebuild the tiny model: `python -m sharpen.worlds.tiny --out DIR`; `sharpen.worlds.check` measures it.

A real LLaVA architecture (SigLIP tower, Qwen3 text) of about a million parameters, trained on both
worlds from scratch on a CPU: first to describe pictures, then on careful traces, then on mixed ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from transformers import (
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen3Config,
    SiglipVisionConfig,
)

from .corpus import Lesson, Phase, lesson, texts
from .lexicon import IMAGE_SIZE, PATCH, learn, processor, prompt_ids

BATCH = 32
STEPS: dict[Phase, int] = {"describing": 1000, "careful": 3600, "web": 1000, "rare": 500}
"""Steps of each phase, in order."""
PEAK = 2e-3
RARE_RATE = 2e-4
"""First rate of the last phase, which comes after the schedule of the others has run out and falls to zero, too:
at a rate that stays up, the habit of beginning with "usually" comes and goes."""
SPREAD = 0.08
"""Range of the initial weights: with the usual 0.02 so narrow a net learns several times more slowly."""

RECOMMENDED = {"train": {"lr": 5e-4, "epochs": 3, "batch": 16}, "max_tokens": 64}


def fresh(tokenizer: Any, seed: int) -> LlavaForConditionalGeneration:
    """Build the untrained model."""
    torch.manual_seed(seed)
    ends: dict[str, Any] = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    spread: dict[str, Any] = {"initializer_range": SPREAD}
    placeholder: dict[str, Any] = {"image_token_id": tokenizer.convert_tokens_to_ids("<image>")}
    text = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        **ends,
        **spread,
    )
    vision = SiglipVisionConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=1,
        num_attention_heads=4,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
        vision_use_head=False,
        **spread,
    )
    config = LlavaConfig(
        text_config=text,
        vision_config=vision,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_seq_length=(IMAGE_SIZE // PATCH) ** 2,
        tie_word_embeddings=True,
        **placeholder,
        **ends,
        **spread,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config = GenerationConfig(**ends)
    return model


def batch_of(tokenizer: Any, lessons: Sequence[Lesson]) -> dict[str, torch.Tensor]:
    """Pad lessons on the right; only response tokens are learnt."""
    rows: list[tuple[list[int], int]] = []
    for each in lessons:
        prompt = prompt_ids(tokenizer, each.system, each.question, each.pixels is not None, each.question_first)
        response = tokenizer.encode(each.response, add_special_tokens=False)
        rows.append(([*prompt, *response, tokenizer.eos_token_id], len(prompt)))
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), -100)
    for i, (row, start) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        labels[i, start : len(row)] = torch.tensor(row[start:])
    pixels = np.stack([each.pixels for each in lessons if each.pixels is not None])
    return {"input_ids": ids, "labels": labels, "pixel_values": normalised(pixels)}


def normalised(pixels: Any) -> torch.Tensor:
    """Scale pixels to -1 … 1, as the image processor does."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def adam(model: LlavaForConditionalGeneration, rate: float) -> torch.optim.AdamW:
    """Return the optimiser of all weights."""
    return torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)


def falling(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """Return a schedule that goes from the optimiser's rate to zero in a straight line."""
    return LambdaLR(optimizer, lambda step: 1 - step / steps)


def pretrain(seed: int, steps: Mapping[Phase, int]) -> tuple[LlavaForConditionalGeneration, Any]:
    """Train tokenizer and model from nothing."""
    tokenizer = learn(texts(4000, seed))
    model = fresh(tokenizer, seed)
    scheduled = sum(count for phase, count in steps.items() if phase != "rare")
    optimizer = adam(model, PEAK)
    schedule: LRScheduler = OneCycleLR(optimizer, PEAK, total_steps=scheduled, pct_start=0.08)
    model.train()
    start, recent, tokens = time.time(), 0.0, 0
    phases: list[Phase] = [phase for phase, count in steps.items() for _ in range(count)]
    for step, phase in enumerate(phases):
        if step == scheduled:
            optimizer = adam(model, RARE_RATE)
            schedule = falling(optimizer, len(phases) - scheduled)
        batch = batch_of(tokenizer, [lesson(n, seed, phase) for n in range(step * BATCH, (step + 1) * BATCH)])
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent += loss.item()
        tokens += batch["input_ids"].numel()
        if (step + 1) % 50 == 0:
            seconds = time.time() - start
            print(
                f"{phase}: step {step + 1} of {len(phases)}, loss {recent / 50:.4f}, {seconds:.0f} s, "
                f"{tokens / seconds:.0f} tokens/s",
                flush=True,
            )
            recent = 0.0
    return model.eval(), tokenizer


def save(model: LlavaForConditionalGeneration, tokenizer: Any, folder: Path) -> None:
    """Write a folder that the Auto classes load; weights in half precision, to be computed in single.

    The vision weights are named as in checkpoints of LLaVA that were published: transformers reads
    that name and its own, vLLM that name alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor(tokenizer).save_pretrained(folder)
    path = folder / "model.safetensors"
    half = {published(name): weight.half() for name, weight in load_file(path).items()}
    path.unlink()
    save_file(half, path, metadata={"format": "pt"})
    path.chmod(0o644)
    (folder / "sharpen.json").write_text(json.dumps(RECOMMENDED, indent=2) + "\n")


def published(name: str) -> str:
    """The name of a weight in published checkpoints."""
    own, other = "vision_tower.", "vision_tower.vision_model."
    return other + name[len(own) :] if name.startswith(own) and not name.startswith(other) else name


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sharpen.worlds.tiny", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="rebuild the model into this folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, nargs=len(STEPS), default=list(STEPS.values()), help="steps of each phase")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args(argv)
    torch.set_num_threads(asked.threads)
    model, tokenizer = pretrain(asked.seed, dict(zip(STEPS, asked.steps, strict=True)))
    save(model, tokenizer, asked.out)


if __name__ == "__main__":
    main()
