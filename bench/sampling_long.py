"""Sampling after long prompts, with random weights of a real shape, beside `generate` of transformers.

python -m bench.sampling_long             # 70 million weights, 320 prompt tokens: two minutes on one core
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import AutoProcessor, GenerationConfig, LlavaConfig, LlavaForConditionalGeneration

from sharpen.models import load
from sharpen.models.hf import HF
from sharpen.models.model import Prompt
from sharpen.types import Task
from sharpen.worlds import TINY, world

from . import sampling
from .side import Result, alternate, options, show

WORDS = 280
"""Tokens put before the question, so that a prompt has some 330."""
STEPS = 48
"""Most new tokens; random weights end at random, much earlier or never."""


def build(folder: Path) -> HF:
    """Write a LLaVA of about 70 million random weights with the tiny model's tokenizer and tower."""
    config = LlavaConfig.from_pretrained(TINY)
    text = config.text_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 768, 2304, 9
    text.num_attention_heads, text.num_key_value_heads, text.head_dim = 12, 4, 64
    text.layer_types = ["full_attention"] * text.num_hidden_layers
    torch.manual_seed(0)
    net = LlavaForConditionalGeneration(config)
    net.generation_config = GenerationConfig.from_pretrained(TINY)
    net.save_pretrained(folder)
    AutoProcessor.from_pretrained(TINY).save_pretrained(folder)
    return load(str(folder))


def longer(task: Task) -> Task:
    """Put words before a question."""
    said = " ".join(str(n % 10) for n in range(WORDS // 2))
    return replace(task, question=f"{said} {task.question}", places=())


def compare(model: HF, prompts: Sequence[Prompt], times: int) -> Result:
    """Run ours, `generate` at its best batch and the bound in alternation."""
    sizes = {size: sampling.generate(model, prompts, size, STEPS) for size in (2, len(prompts))}
    best = max(sizes, key=lambda size: sizes[size])
    rates = alternate(
        {
            "ours": lambda: sampling.ours(model, prompts, STEPS),
            "generate": lambda: sampling.generate(model, prompts, best, STEPS),
            "endless": lambda: sampling.endless(model, prompts, STEPS),
        },
        times,
    )
    weights = sum(p.numel() for p in model.net.parameters()) / 1e6
    length = max(len(p.ids) for p in prompts)
    of = f"{weights:.0f} M weights, {length} prompt tokens; theirs: generate, {best} prompts x {sampling.ATTEMPTS}"
    return Result("sampling_long", "tokens/s", rates["ours"], rates["generate"], rates["endless"], of)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, times=1)
    parser.add_argument("--tasks", type=int, default=4)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        model = build(Path(folder))
        prompts = [model.prompt(longer(t)) for t in world("digits").tasks("train", asked.tasks)]
        show(compare(model, prompts, asked.times), asked.json)


if __name__ == "__main__":
    main()
