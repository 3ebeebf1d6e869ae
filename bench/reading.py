"""Reading attempts: beside one plain forward pass of a row per attempt; what attention shares cost, and against eager.

python -m bench.reading           # two minutes on one core
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from sharpen.models import load
from sharpen.models.hf import HF, Row
from sharpen.models.lines import Line
from sharpen.models.model import Read, Sampling, Write
from sharpen.models.shares import Capture, capturing
from sharpen.worlds import world

from .sampling_long import build
from .side import Result, alternate, clock, options, show

ATTEMPTS = 10
LONG = 4096


def ours(model: HF, reads: Sequence[Read]) -> float:
    """Return response tokens/s of `read`."""
    began = clock()
    tokens = sum(len(reading.logprobs) for _, reading in model.read(reads))
    return tokens / (clock() - began)


@torch.inference_mode()
def plain(model: HF, reads: Sequence[Read], size: int = 64) -> float:
    """Return response tokens/s of forward passes over padded rows, with the log-prob of each token and no more."""
    ordered = sorted(reads, key=lambda r: len(r.prompt.ids) + len(r.ids))
    began = clock()
    for start in range(0, len(ordered), size):
        inputs = model.inputs([Row(r.prompt, r.ids) for r in ordered[start : start + size]])
        logits = model.net(**inputs, use_cache=False).logits[:, :-1].float()
        logits.log_softmax(-1).gather(-1, inputs["input_ids"][:, 1:, None])
    return sum(len(r.ids) for r in reads) / (clock() - began)


@torch.inference_mode()
def long_pass(model: HF, how: str, layer: int) -> float:
    """Return tokens/s of one pass over a long row: plain, with shares of a layer, or eager with all attentions."""
    prompt = model.prompt(world("digits").tasks("train", 1)[0])
    line = Line(prompt, (tuple(i % 500 + 20 for i in range(LONG - len(prompt.ids))),))
    inputs = model.packed([line])
    spans = torch.full((1, LONG), 255, dtype=torch.uint8)
    spans[0, : len(prompt.spans)] = torch.frombuffer(bytearray(prompt.spans), dtype=torch.uint8)
    began = clock()
    if how == "plain":
        model.net.model(**inputs, use_cache=False)
    elif how == "shares":
        with capturing(model.decoder.config, Capture(frozenset({layer}), spans, len(prompt.ids))):
            model.net.model(**inputs, use_cache=False)
    else:
        model.net.set_attn_implementation("eager")
        try:
            model.net.model(**inputs, use_cache=False, output_attentions=True)
        finally:
            model.net.set_attn_implementation("sdpa")
    return LONG / (clock() - began)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--tasks", type=int, default=60)
    asked = parser.parse_args()
    model = load("tiny")
    prompts = [model.prompt(t) for t in world("digits").tasks("train", asked.tasks)]
    limit = Sampling(1.0, max_tokens=model.max_tokens)
    written = list(model.write([Write(p, limit, i, tuple(range(ATTEMPTS))) for i, p in enumerate(prompts)]))
    bare = [Read(prompts[w.request], w.part.ids, top=1) for w in written]
    full = [Read(prompts[w.request], w.part.ids, (model.layers // 2,)) for w in written]
    rates = alternate({"full": lambda: ours(model, full), "bare": lambda: ours(model, bare),
                       "plain": lambda: plain(model, bare)}, asked.times)  # fmt: skip
    of = "ours: log-prob, entropy, rank, top 5, shares of a layer; theirs: a padded row per attempt, log-probs only"
    more: dict[str, object] = {"time of shares and top 5": f"{rates['bare'] / rates['full'] - 1:+.1%}"}
    show(Result("reading", "tokens/s", rates["full"], rates["plain"], None, of, more), asked.json)
    with TemporaryDirectory() as folder:
        big = build(Path(folder))
        ways = {how: lambda how=how: long_pass(big, how, big.layers // 2) for how in ("plain", "shares", "eager")}
        rates = alternate(ways, 1)
    of = f"{LONG} tokens, random weights; theirs: eager with output_attentions; bound: a plain forward pass"
    more = {"time of shares": f"{rates['plain'] / rates['shares'] - 1:+.1%}"}
    show(Result("reading_long", "tokens/s", rates["shares"], rates["eager"], rates["plain"], of, more), asked.json)


if __name__ == "__main__":
    main()
