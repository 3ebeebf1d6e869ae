"""Training, beside TRL's SFTTrainer and DPOTrainer on the same examples, batch and frozen modules.

It ends with an error where the losses of the two differ by more than 1e-4 in any of the first steps.

python -m bench.training          # 64 tasks, 5 attempts each
python -m bench.training --lora 8 # adapters on both sides
python -m bench.training --device cuda --shape qwen2.5-vl-3b --lora 16    # ours alone
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from sharpen.data.images import decode
from sharpen.examples import Example, Imitate, Prefer
from sharpen.models import load
from sharpen.models.hf import HF
from sharpen.models.model import Read, Sampling, Write
from sharpen.train import Train, trainer
from sharpen.types import Rollout
from sharpen.worlds import world

from . import shapes
from .side import Result, alternate, clock, forget_peak, options, show, taken

BATCH = 16
EACH = 5
"""Attempts at a task."""
SETTINGS = Train(epochs=1, batch=BATCH, micro_batch=BATCH, checkpoints=0, warmup=0.0)
STEPS = 3
"""Steps whose losses are compared: the first of preferences is log 2 for any code, as long as nothing was learnt."""
AGREE = 1e-4
"""Most that two losses may differ by."""
NLL = 0.5
"""Weight of the chosen attempts' own loss beside preferences, where losses are compared."""


def attempts(model: HF, tasks: int, each: int) -> list[list[Rollout]]:
    """Sample `each` attempts at every task, as a round does."""
    asked = world("digits").tasks("train", tasks)
    limit = Sampling(1.0, max_tokens=model.max_tokens)
    found: list[list[Rollout]] = [[] for _ in asked]
    for w in model.write([Write(model.prompt(t), limit, i, tuple(range(each))) for i, t in enumerate(asked)]):
        task = asked[w.request]
        found[w.request].append(Rollout(f"{w.request}-{w.attempt}", task, task, (w.part,), w.finish, "tiny"))
    return found


class Timed(trainer.ExampleTrainer):
    """Our trainer, with the time of the training alone."""

    seconds = 0.0

    def train(self, *args: Any, **named: Any) -> Any:
        began = clock()
        done = super().train(*args, **named)
        Timed.seconds = clock() - began
        return done


def ours(model: HF, examples: Sequence[Example], seen: list[dict[str, Any]], settings: Train = SETTINGS) -> float:
    """Train by our trainer; return examples/s, and add what it tells of the training to `seen`.

    The starting model's log-probs of pairs are in the time, since TRL computes them in its training.
    """
    trainer.ExampleTrainer = Timed
    began = clock()
    reference = known(model, examples)
    reading = clock() - began
    with TemporaryDirectory() as folder:
        resolved = trainer.resolved(settings, model)
        made = trainer._train(model, trainer.units(examples), resolved, Path(folder), reference, 0)  # pyright: ignore[reportPrivateUsage]
    seen.append(made)
    return len(examples) / (reading + Timed.seconds)


def known(model: HF, examples: Sequence[Example]) -> dict[str, tuple[float, ...]]:
    """Read the reference log-probs of pairs."""
    pairs = [r for e in examples if isinstance(e, Prefer) for r in e.rollouts]
    found = model.read([Read(model.prompt(r.task), r.ids, top=1) for r in pairs])
    return {pairs[at].key: reading.logprobs for at, reading in found}


def rendered(model: HF, rollout: Rollout) -> dict[str, Any]:
    """Say an attempt as TRL wants it: rendered strings, so that its tokens are ours."""
    task = rollout.task
    content: list[dict[str, str]] = [
        {"type": "text", "text": piece} if isinstance(piece, str) else {"type": "image"} for piece in task.content
    ]
    system = [{"role": "system", "content": [{"type": "text", "text": task.system}]}] if task.system else []
    prompt = model.render.tokenizer.apply_chat_template(
        [*system, {"role": "user", "content": content}],
        chat_template=AutoProcessor.from_pretrained(model.folder).chat_template,
        tokenize=False,
        add_generation_prompt=True,
    )
    text = model.render.tokenizer.decode(rollout.ids, skip_special_tokens=False)
    return {"prompt": prompt, "completion": text, "images": [decode(i) for i in task.images]}


def trl(
    model: HF, rows: list[dict[str, Any]], kind: str, seen: list[list[float]], settings: Train = SETTINGS,
    **beside: Any,
) -> float:  # fmt: skip
    """Train by TRL on the same rows, with the same modules frozen or adapted; add the losses of its steps to `seen`."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    net: Any = AutoModelForImageTextToText.from_pretrained(model.folder, dtype=torch.float32)
    adapters: LoraConfig | None = None
    if settings.lora:
        names = trainer.adaptable(model)
        adapters = LoraConfig(r=settings.lora, lora_alpha=settings.lora_alpha, target_modules=names)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not name.startswith(model.frozen))
    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        common: dict[str, Any] = {
            "output_dir": folder, "per_device_train_batch_size": BATCH, "num_train_epochs": settings.epochs,
            "learning_rate": trainer.resolved(settings, model).lr, "lr_scheduler_type": "cosine", "logging_steps": 1,
            "save_strategy": "no", "report_to": "none", "use_cpu": not torch.cuda.is_available(),
            "bf16": torch.cuda.is_available(), "max_length": None, "gradient_checkpointing": False,
            "disable_tqdm": True, "seed": 0, **beside,
        }  # fmt: skip
        made, config = (SFTTrainer, SFTConfig) if kind == "sft" else (DPOTrainer, DPOConfig)
        run: Any = made(
            model=net, args=config(**common), train_dataset=Dataset.from_list(rows), peft_config=adapters,
            processing_class=AutoProcessor.from_pretrained(model.folder),
        )  # fmt: skip
        began = clock()
        run.train()
        seconds = clock() - began
    seen.append([step["loss"] for step in run.state.log_history if "loss" in step])
    return len(rows) / seconds


def matrix_bound(model: HF, examples: Sequence[Example]) -> float:
    """Return examples/s if only the matrix products of the decoder took time, three for each weight and token."""
    weights = [m.weight for m in model.decoder.modules() if isinstance(m, torch.nn.Linear)]
    tokens = sum(len(model.prompt(r.task).ids) + len(r.ids) for e in examples for r in e.rollouts) / len(examples)
    rows = int(BATCH * tokens)
    seconds = 0.0
    for weight in weights:
        there, back = (weight.new_empty(rows, n).normal_() for n in (weight.shape[1], weight.shape[0]))
        for left, right in ((there, weight.detach().t()), (back, weight.detach()), (back.t(), there)):
            began = clock()
            for _ in range(5):
                left @ right
            seconds += (clock() - began) / 5
    return BATCH / seconds


def compare(model: HF, kind: str, groups: list[list[Rollout]], times: int, settings: Train = SETTINGS) -> Result:
    """Run both trainers in alternation, and compare their losses."""
    examples, rows = work(model, kind, groups)
    told: list[dict[str, Any]] = []
    rates = alternate(
        {
            "ours": lambda: ours(model, examples, told, settings),
            "trl": lambda: trl(model, rows, kind, [], settings),
        },
        times,
    )
    of = "theirs: TRL with the same modules frozen; bound: the decoder's matrix products alone, prompts not shared"
    peaks = [child(kind, whose, len(examples), settings.lora) / 2**20 for whose in ("ours", "theirs")]
    more: dict[str, object] = {
        "peak memory of the training": f"ours {peaks[0]:,.0f} MiB, theirs {peaks[1]:,.0f}",
        "padding": f"{told[-1]['padding'] / (told[-1]['padding'] + told[-1]['tokens']):.1%} of what ours computes",
        "losses": same_losses(model, kind, groups, settings),
    }
    name = f"training {kind}{' lora' if settings.lora else ''}"
    return Result(name, "examples/s", rates["ours"], rates["trl"], matrix_bound(model, examples), of, more)


def child(kind: str, whose: str, count: int, lora: int) -> int:
    """Train in a process of its own, which never gives its peak back; return the bytes beyond those before it."""
    command = [sys.executable, "-m", "bench.training", "--lora", str(lora), "--peak", kind, whose, str(count)]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def peak(kind: str, whose: str, count: int, lora: int) -> int:
    """Do that in this process: of what a training of `count` examples takes, its own loading of the model included."""
    model = load("tiny")
    examples, rows = work(model, kind, attempts(model, -(-count // EACH) if kind == "sft" else count, EACH))
    gc.collect()
    before = forget_peak()
    if whose == "ours":
        ours(model, examples[:count], [], replace(SETTINGS, lora=lora))
    else:
        trl(model, rows[:count], kind, [], replace(SETTINGS, lora=lora))
    return taken() - before


def work(model: HF, kind: str, groups: list[list[Rollout]]) -> tuple[Sequence[Example], list[dict[str, Any]]]:
    """Return what is trained, as ours takes it and as TRL does."""
    if kind == "sft":
        chosen = [Imitate(r) for group in groups for r in group]
        return chosen, [rendered(model, e.rollout) for e in chosen]
    pairs = [Prefer(group[0], group[1]) for group in groups]
    both = [(rendered(model, pair.chosen), rendered(model, pair.rejected)) for pair in pairs]
    rows = [
        {"prompt": a["prompt"], "chosen": a["completion"], "rejected": b["completion"], "images": a["images"]}
        for a, b in both
    ]
    return pairs, rows


def same_losses(model: HF, kind: str, groups: list[list[Rollout]], settings: Train = SETTINGS) -> str:
    """Take some steps on the same 16 on both sides; raises SystemExit where their losses are not the same.

    TRL means over the tokens of a step, so each of our attempts weighs its share of them. Of adapters, which begin
    at random, the first step is compared.
    """
    some = groups[:BATCH]
    tokens = sum(len(group[0].ids) for group in some)
    weight = 1.0 if kind == "sft" else NLL
    alike = [Imitate(group[0], weight=weight * len(group[0].ids) * BATCH / tokens) for group in some]
    pairs, rows = work(model, kind, [group[:1] for group in some] if kind == "sft" else some)
    examples: Sequence[Example] = alike if kind == "sft" else [*pairs, *alike]
    beside = {} if kind == "sft" else {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, NLL]}
    told: list[dict[str, Any]] = []
    theirs: list[list[float]] = []
    repeated = replace(settings, epochs=1 if settings.lora else STEPS)
    ours(model, examples, told, repeated)
    trl(model, rows, kind, theirs, repeated, **beside)
    return agreement(kind, [step["loss"] for step in told[0]["curve"] if "loss" in step], theirs[0])


def agreement(kind: str, ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Say by how much losses differ, step by step; raises SystemExit where that is too much."""
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    shown = " and ".join(" ".join(f"{loss:.5f}" for loss in losses) for losses in (ours, theirs))
    if not all(abs(a - b) <= AGREE for a, b in zip(ours, theirs, strict=True)):
        sys.exit(f"training {kind}: the losses of {len(ours)} steps, {shown}, differ by {worst:.1e}, more than {AGREE}")
    return f"agree within {worst:.1e} over {len(ours)} steps ({shown})"


def alone(model: HF, kind: str, examples: Sequence[Example], times: int, lora: int) -> Result:
    """Run our trainer only: TRL wants a processor of the whole model, which a shape has not."""
    rates = alternate({"ours": lambda: ours(model, examples, [], replace(SETTINGS, lora=lora))}, times)
    of = "ours alone; bound: the decoder's matrix products alone, prompts not shared"
    return Result(f"training {kind}", "examples/s", rates["ours"], None, matrix_bound(model, examples), of)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--lora", type=int, default=0, help="rank of adapters; 0 trains the whole language model")
    parser.add_argument("--peak", nargs=3, metavar=("KIND", "WHOSE", "COUNT"), help=argparse.SUPPRESS)
    shapes.add_options(parser)
    asked = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    if asked.peak:
        kind, whose, count = asked.peak
        print(peak(kind, whose, int(count), asked.lora))
        return
    with shapes.chosen(asked) as model:
        groups = attempts(model, asked.tasks, EACH)
        if asked.shape == "tiny":
            beside_trl(model, groups, asked)
            return
        sft = [Imitate(r) for group in groups for r in group]
        pairs = [Prefer(group[0], group[1]) for group in groups]
        for kind, examples in (("sft", sft), ("dpo", pairs)):
            show(alone(model, kind, examples, asked.times, asked.lora), asked.json)


def beside_trl(model: HF, groups: list[list[Rollout]], asked: argparse.Namespace) -> None:
    """Compare imitation and preferences with TRL."""
    try:
        import trl as _  # noqa: F401
    except ImportError:
        sys.exit("TRL is not installed: pip install 'trl>=1.16,<2' datasets (it is in the dev extra)")
    for kind in ("sft", "dpo"):
        show(compare(model, kind, groups, asked.times, replace(SETTINGS, lora=asked.lora)), asked.json)


if __name__ == "__main__":
    main()
