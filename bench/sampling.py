"""Sampling a round, beside `generate(num_return_sequences=n)` of transformers and a loop whose rows never end.

python -m bench.sampling                  # 200 digits tasks x 10, the tiny model: two minutes on one core
python -m bench.sampling --tasks 60
python -m bench.sampling --device cuda --shape qwen2.5-vl-3b --tasks 50
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sharpen.models.hf import HF, ROWS, Row
from sharpen.models.model import Prompt, Sampling, Write
from sharpen.models.settings import GPU_ROWS
from sharpen.worlds import world

from . import shapes
from .side import Result, alternate, clock, options, show

ATTEMPTS = 10
PROMPTS = (8, 16, 25, 50)
"""Batch sizes of `generate`, of which the best counts."""


def ours(model: HF, prompts: Sequence[Prompt], limit: int) -> float:
    """Return tokens/s of `write`, none of the prompts read before."""
    model.read_prompts.forget()
    sampling = Sampling(1.0, max_tokens=limit)
    requests = [Write(p, sampling, i, tuple(range(ATTEMPTS))) for i, p in enumerate(prompts)]
    began = clock()
    tokens = sum(len(w.part.ids) for w in model.write(requests))
    return tokens / (clock() - began)


@torch.inference_mode()
def generate(model: HF, prompts: Sequence[Prompt], size: int, limit: int) -> float:
    """Return tokens/s of `generate`, prompts of like length together; what stands behind the end is not counted."""
    ordered = sorted(prompts, key=lambda p: len(p.ids))
    stops = torch.tensor(sorted(model.stop_ids), device=model.device)
    tokens = 0
    began = clock()
    for start in range(0, len(ordered), size):
        rows = [Row(p, ()) for p in ordered[start : start + size]]
        inputs = model.inputs(rows, left=True)
        out = model.net.generate(
            **inputs, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=limit,
            num_return_sequences=ATTEMPTS, suppress_tokens=list(model.render.banned),
        )  # fmt: skip
        new = out[:, inputs["input_ids"].shape[1] :]
        ended = torch.isin(new, stops).cumsum(-1)
        tokens += int(((ended == 0) | (ended.cumsum(-1) == 1)).sum())
    return tokens / (clock() - began)


def endless(model: HF, prompts: Sequence[Prompt], steps: int) -> float:
    """Return tokens/s of our loop where every row ends after just `steps`: none leaves, none enters; the bound."""
    stops, model.render.stop_ids = model.render.stop_ids, frozenset({-1})
    try:
        some = prompts[: (ROWS if model.device.type == "cpu" else GPU_ROWS) // ATTEMPTS]
        rates = [ours(model, some, steps) for _ in range(max(1, len(prompts) // len(some)))]
        return len(rates) / sum(1 / rate for rate in rates)
    finally:
        model.render.stop_ids = stops


def compare(name: str, model: HF, prompts: Sequence[Prompt], limit: int, steps: int, times: int) -> Result:
    """Find the best batch size of `generate`, then run all three in alternation."""
    few = prompts[: max(PROMPTS)]
    generate(model, few[:8], 8, limit)
    sizes = {size: generate(model, few, size, limit) for size in PROMPTS}
    best = max(sizes, key=lambda size: sizes[size])
    rates = alternate(
        {
            "ours": lambda: ours(model, prompts, limit),
            "generate": lambda: generate(model, prompts, best, limit),
            "endless": lambda: endless(model, prompts, steps),
        },
        times,
    )
    of = f"theirs: generate, {best} prompts x {ATTEMPTS}, its best; bound: {steps} steps of a loop whose rows never end"
    return Result(name, "tokens/s", rates["ours"], rates["generate"], rates["endless"], of)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    shapes.add_options(parser)
    asked = parser.parse_args()
    with shapes.chosen(asked) as model:
        prompts = [model.prompt(t) for t in world("digits").tasks("train", asked.tasks)]
        written = model.write([Write(p, Sampling(1.0, max_tokens=64), i, (0,)) for i, p in enumerate(prompts[:40])])
        lengths = [len(w.part.ids) for w in written]
        mean = round(sum(lengths) / len(lengths))
        show(compare("sampling", model, prompts, model.max_tokens, mean, asked.times), asked.json)


if __name__ == "__main__":
    main()
