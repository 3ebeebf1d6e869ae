"""Reading attempts: beside one plain forward pass of a row per attempt; what attention shares cost, and against eager.

python -m bench.reading           # 40 tasks; then rows of 1,024 and 4,096 tokens through 12 layers of random weights
python -m bench.reading --full    # 60 tasks; then rows of 1,024 to 8,192 tokens
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from sharpen.models import load
from sharpen.models.hf import HF, Row
from sharpen.models.lines import Line
from sharpen.models.model import IMAGE, Read, Sampling, Write
from sharpen.models.settings import Loading
from sharpen.models.shares import Capture, capturing
from sharpen.worlds import world

from . import shapes
from .side import Result, alternate, clock, forget_peak, options, show, taken

ATTEMPTS = 10
LENGTHS = {False: (1024, 4096), True: (1024, 2048, 4096, 8192)}
"""Tokens of a row, without and with `--full`."""
AGAINST = 4096
"""Tokens at which eager attention is the other side."""
SAID = {
    "shares": "shares of one layer",
    "maps": "shares of one layer and maps of eight tokens",
    "every layer": "shares of every layer",
}
MAPPED = 8
PROMPT = 0.5
"""Share of a row that is prompt."""


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


def ways(layers: int) -> dict[str, frozenset[int]]:
    """Return the layers whose shares each way measures."""
    middle = frozenset({layers // 2})
    return {"plain": frozenset(), "shares": middle, "maps": middle, "every layer": frozenset(range(layers))}


@torch.inference_mode()
def long_pass(model: HF, length: int, how: str) -> float:
    """Return tokens/s of one pass over a row: plain, with shares of the layers of a way, or eager with attentions.

    With maps those of the last tokens are measured beside the shares.
    """
    prompt = model.prompt(world("digits").tasks("train", 1)[0])
    line = Line(prompt, (tuple(i % 500 + 20 for i in range(length - len(prompt.ids))),))
    inputs = model.packed([line])
    spans = torch.full((1, length), 255, dtype=torch.uint8, device=model.device)
    spans[0, : int(length * PROMPT)] = IMAGE
    config, measured = model.decoder.config, ways(model.layers).get(how, frozenset())
    mapped = [(0, range(length - MAPPED, length))] if how == "maps" else []
    capture = Capture(measured, spans, int(length * PROMPT), mapped)
    began = clock()
    if how == "eager":
        model.net.set_attn_implementation("eager")
    with capturing(config, capture) if measured else nullcontext():
        model.net.model(**inputs, use_cache=False, output_attentions=how == "eager")
    return length / (clock() - began)


def alone(folder: str, length: int, how: str, device: str) -> dict[str, float]:
    """Run one pass in this process; return its rate and the bytes that it took beyond what a short one had."""
    model = load(folder, Loading(device=device))
    long_pass(model, 64, "plain")
    gc.collect()
    before = forget_peak()
    rate = long_pass(model, length, how)
    return {"rate": rate, "bytes": taken() - before}


def child(folder: str, length: int, how: str, device: str) -> dict[str, float]:
    """Run one pass in a process of its own, since a process never gives its peak back."""
    command = [sys.executable, "-m", "bench.reading", "--alone", folder, str(length), how, "--device", device]
    # What the C library keeps of freed memory differs from run to run; eager is timed, too, and keeps its allocator.
    given = {} if how == "eager" else {"MALLOC_MMAP_THRESHOLD_": "65536"}
    return json.loads(subprocess.run(command, capture_output=True, check=True, env={**os.environ, **given}).stdout)


def turns(folder: str, length: int, times: int, device: str) -> dict[str, float]:
    """Return the rates of the ways, in turns in this process."""
    model = load(folder, Loading(device=device))
    return alternate({how: lambda how=how: long_pass(model, length, how) for how in ways(model.layers)}, times)


def long_rows(folder: str, length: int, times: int, device: str) -> Result:
    """Compare passes over a row of `length`: time in turns in this process, memory in a process each."""
    rates = turns(folder, length, times, device)
    gc.collect()
    memory = {how: child(folder, length, how, device)["bytes"] for how in rates}
    more: dict[str, object] = {
        said: f"time {rates['plain'] / rates[how] - 1:+.1%}, "
        f"peak memory of the pass {memory[how] / memory['plain'] - 1:+.1%}"
        for how, said in SAID.items()
    }
    more["peak memory of a plain pass"] = f"{memory['plain'] / 2**20:,.0f} MiB"
    theirs = None
    if length == AGAINST:
        eager = child(folder, length, "eager", device)
        theirs = eager["rate"]
        more["peak memory of eager over ours"] = f"{eager['bytes'] / memory['shares']:.1f}"
    of = f"random weights, {PROMPT:.0%} prompt; theirs: eager, output_attentions; bound: a plain pass"
    return Result(f"reading {length} tokens", "tokens/s", rates["shares"], theirs, rates["plain"], of, more)


def attempts(model: HF, tasks: int, times: int) -> Result:
    """Compare `read` with plain forward passes on attempts of the model's own."""
    prompts = [model.prompt(t) for t in world("digits").tasks("train", tasks)]
    limit = Sampling(1.0, max_tokens=model.max_tokens)
    written = list(model.write([Write(p, limit, i, tuple(range(ATTEMPTS))) for i, p in enumerate(prompts)]))
    bare = [Read(prompts[w.request], w.part.ids) for w in written]
    full = [Read(prompts[w.request], w.part.ids, (model.layers // 2,)) for w in written]
    rates = alternate({"full": lambda: ours(model, full), "bare": lambda: ours(model, bare),
                       "plain": lambda: plain(model, bare)}, times)  # fmt: skip
    of = "ours: log-prob, entropy, rank, top 5, shares of a layer; theirs: a padded row per attempt, log-probs only"
    more: dict[str, object] = {"time of shares": f"{rates['bare'] / rates['full'] - 1:+.1%}"}
    return Result("reading", "tokens/s", rates["full"], rates["plain"], None, of, more)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--tasks", type=int, help="digits tasks; 40, or 60 with --full")
    parser.add_argument("--lengths", type=int, nargs="*", help="tokens of the long rows")
    parser.add_argument("--full", action="store_true", help="all sizes of the table")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    shapes.add_options(parser)
    asked = parser.parse_args()
    if asked.alone:
        folder, length, how = asked.alone
        print(json.dumps(alone(folder, int(length), how, asked.device)))
        return
    with shapes.chosen(asked) as model:
        show(attempts(model, asked.tasks or (60 if asked.full else 40), asked.times), asked.json)
    with TemporaryDirectory() as folder:
        shape = "medium" if asked.shape == "tiny" else asked.shape
        shapes.write(Path(folder), shape, asked.layers)
        for length in LENGTHS[asked.full] if asked.lengths is None else asked.lengths:
            show(long_rows(folder, length, asked.times if length <= AGAINST else 1, asked.device), asked.json)


if __name__ == "__main__":
    main()
