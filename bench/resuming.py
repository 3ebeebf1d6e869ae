"""Going on from prefixes, beside `generate` given prompt and prefix of each.

python -m bench.resuming          # 500 prefixes of 125 tasks, one continuation each: a minute on one core
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sharpen.models import load
from sharpen.models.decode import standing
from sharpen.models.hf import HF, Row
from sharpen.models.model import Sampling, Write
from sharpen.worlds import world

from .side import Result, alternate, clock, options, show

PER_TASK = 4
SIZES = (32, 64, 125, 250)
"""Batch sizes of `generate`, of which the best counts."""


def prefixes(model: HF, count: int) -> list[Write]:
    """Sample four attempts at a task and cut each at half its tokens."""
    prompts = [model.prompt(t) for t in world("digits").tasks("train", count // PER_TASK)]
    limit = Sampling(1.0, max_tokens=model.max_tokens)
    made: list[Write] = []
    for w in model.write([Write(p, limit, i, tuple(range(PER_TASK))) for i, p in enumerate(prompts)]):
        keep = max(1, len(w.part.ids) // 2)
        rest = Sampling(1.0, max_tokens=model.max_tokens - keep)
        made.append(Write(prompts[w.request], rest, len(made), (0,), given=(w.part.ids[:keep],)))
    return made


def ours(model: HF, asked: Sequence[Write], *, anew: bool = False) -> float:
    """Return continuations/s of `write`; the prompts were read when the prefixes were sampled, or are read `anew`."""
    if anew:
        model.read_prompts.forget()
    began = clock()
    done = sum(1 for _ in model.write(asked))
    return done / (clock() - began)


def network(model: HF, asked: Sequence[Write]) -> float:
    """Return continuations/s, were the passes of the network all there is to do; the bound of this way of working."""
    began: list[float] = []
    spent = 0.0

    def begin(*_: object) -> None:
        began.append(clock())

    def end(*_: object) -> None:
        nonlocal spent
        spent += clock() - began.pop()

    hooks = (model.net.model.register_forward_pre_hook(begin), model.net.model.register_forward_hook(end))
    try:
        ours(model, asked)
    finally:
        for hook in hooks:
            hook.remove()
    return len(asked) / spent


@torch.inference_mode()
def generate(model: HF, asked: Sequence[Write], size: int) -> float:
    """Return continuations/s of `generate`, rows of like length together."""
    ordered = sorted(asked, key=standing)
    began = clock()
    for start in range(0, len(ordered), size):
        some = ordered[start : start + size]
        inputs = model.inputs([Row(w.prompt, w.given[0]) for w in some], left=True)
        model.net.generate(
            **inputs, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
            max_new_tokens=max(w.sampling.max_tokens for w in some), suppress_tokens=list(model.render.banned),
        )  # fmt: skip
    return len(asked) / (clock() - began)


def compare(model: HF, asked: Sequence[Write], times: int) -> Result:
    """Find the best batch size of `generate`, then run both in alternation."""
    generate(model, asked[:32], 32)
    sizes = {size: generate(model, asked[: max(SIZES)], size) for size in SIZES}
    best = max(sizes, key=lambda size: sizes[size])
    ways = {"ours": lambda: ours(model, asked), "generate": lambda: generate(model, asked, best)}
    others = {"anew": lambda: ours(model, asked, anew=True), "network": lambda: network(model, asked)}
    rates = alternate({**ways, **others}, times)
    of = (
        f"theirs: generate on prompt and prefix, {best} rows, its best; {PER_TASK} prefixes a task; "
        "bound: the network's passes alone"
    )
    more: dict[str, object] = {"with prompts that were not read before": f"{rates['anew']:,.1f}"}
    return Result("resuming", "continuations/s", rates["ours"], rates["generate"], rates["network"], of, more)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--prefixes", type=int, default=500)
    asked = parser.parse_args()
    model = load("tiny")
    show(compare(model, prefixes(model, asked.prefixes), asked.times), asked.json)


if __name__ == "__main__":
    main()
