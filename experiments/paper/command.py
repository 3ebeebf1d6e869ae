"""The command of each experiment, what it is expected to take, and running it.

python -m experiments.paper.qwen2_5_vl_3b                              # the commands and what they take, nothing runs
python -m experiments.paper.qwen2_5_vl_3b --run --sets geometry3k      # runs; the same again goes on
python -m experiments.paper.qwen2_5_vl_3b --run --data DIR             # DIR/slake/train.json and test.json, …
python -m experiments.paper.qwen2_5_vl_3b --run -- --rounds 1          # what follows `--` replaces settings

What runs is the command that is shown, by the code behind `sharpen run`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpen import cli
from sharpen.errors import UserError
from sharpen.estimate import Plan, Speeds, Typical, Work, at_most, expected
from sharpen.evaluate import Evaluation, once
from sharpen.progress import say
from sharpen.statistics import Interval
from sharpen.types import Task

from . import cost, settings
from .settings import SETS, Set, Subject

RANK = 64
"""Rank of adapters where the whole language model does not fit: not the paper's."""
USABLE = 0.95
"""Share of a GPU's memory that tensors can have: ours."""
NOT_RUN = "not run"


@dataclass(frozen=True)
class Assumed:
    """What an estimate rests on beside model and set."""

    gpu: cost.GPU
    attempt: float = settings.ATTEMPT
    write: float | None = None
    """Tokens a second written, where that is known."""


def ways(subject: Subject) -> dict[cost.Way, float]:
    """Return the bytes that training takes, one way and another."""
    tokens = longest(subject)
    kinds: tuple[cost.Way, ...] = ("full", "full, 8-bit Adam", "LoRA")
    return {way: cost.training_bytes(subject.architecture, way, RANK, tokens) for way in kinds}


def longest(subject: Subject) -> int:
    """Return the tokens of a prompt and of an attempt as long as it may be."""
    return subject.image + settings.TEXT + settings.LIMIT


def fits(subject: Subject, way: cost.Way, gpu: cost.GPU) -> bool:
    """Whether both sampling and training fit; sampling needs room for one attempt."""
    room = cost.rows(subject.architecture, gpu, longest(subject)) > 0
    return room and ways(subject)[way] <= USABLE * gpu.memory


def rank(subject: Subject, gpu: cost.GPU) -> int:
    """Return the rank of adapters that the GPU asks for, 0 for the paper's training of the whole language model."""
    return 0 if fits(subject, "full", gpu) else RANK


def command(subject: Subject, found: Set, data: Path | None, lora: int, out: Path) -> list[str]:
    """Return the arguments of `sharpen` for one set."""
    tasks = [f"{found.name}:{place(data, found, split)}" for split in ("train", "test")]
    given = data is not None or not found.on_hub
    return [
        *("run", "vista", "--model", subject.hub),
        *(("--tasks", tasks[0], "--test", tasks[1]) if given else ("--tasks", found.name)),
        *settings.SETTINGS,
        *settings.OURS,
        *(("--train.lora", str(lora)) if lora else ()),
        *("--out", str(out / subject.name / found.name)),
    ]


def place(data: Path | None, found: Set, split: str) -> Path:
    """Return where a set's file of a split is looked for."""
    return (data or Path("data")) / found.name / f"{split}.{found.files}"


def work(subject: Subject, found: Set, attempt: float) -> tuple[Work, Work]:
    """Return what a set comes to, as expected and at most."""
    plan = Plan(
        tasks=found.train,
        rounds=settings.ROUNDS,
        samples=settings.SAMPLES,
        resamples=settings.RESAMPLES,
        reads_right=True,
        epochs=settings.EPOCHS,
        measured=found.test,
        eval_samples=1,
        limit=settings.LIMIT,
    )
    prompt = subject.image + settings.TEXT
    return expected(plan, Typical(prompt, attempt, subject.right(found.name))), at_most(plan, prompt)


def hours(subject: Subject, found: Set, assumed: Assumed) -> tuple[float, float]:
    """Return the hours of a set on one GPU, as expected and at most."""
    of = zip(work(subject, found, assumed.attempt), (assumed.attempt, settings.LIMIT), strict=True)
    known = [sum(some.hours(speed(subject, assumed, attempt)).values()) for some, attempt in of]
    return known[0], known[1]


def speed(subject: Subject, assumed: Assumed, attempt: float) -> Speeds:
    """Return tokens a second, where attempts have so many tokens."""
    made = cost.speeds(subject.architecture, assumed.gpu, subject.image + settings.TEXT, attempt, settings.LIMIT)
    return made if assumed.write is None else Speeds(assumed.write, made.read, made.train)


def memory(subject: Subject, gpu: cost.GPU) -> str:
    """Say what sampling and training hold at most, and what is done where that does not fit."""
    model, tokens = subject.architecture, longest(subject)
    together = cost.rows(model, gpu, tokens)
    trained = ", ".join(f"{way} {size / 1e9:.0f} GB" for way, size in ways(subject).items())
    chosen = rank(subject, gpu)
    if not fits(subject, "LoRA" if chosen else "full", gpu):
        last = f"neither fits {gpu.name}"
    elif chosen:
        last = f"full does not fit {gpu.name}: --train.lora {chosen}, which is not the paper's"
    else:
        last = f"full fits {gpu.name}"
    return (
        f"sampling {cost.sampling_bytes(model, gpu, tokens) / 1e9:.0f} GB with {together} attempts at a time "
        f"({model.cached * tokens / 1e6:.0f} MB each); training {trained}; {last}"
    )


def row(subject: Subject, found: Set, assumed: Assumed, seen: str = NOT_RUN) -> tuple[str, ...]:
    """Return a set's figures: the paper's, hours as expected and at most, and what was seen."""
    published = [f"{of[found.name]:.2f}" if of else "not known to us" for of in (subject.seed, subject.vista)]
    likely, most = hours(subject, found, assumed)
    return (subject.title, found.title, *published, f"{likely:,.0f}", f"{most:,.0f}", seen)


COLUMNS = ("model", "set", "paper, SFT-Seed", "paper, VISTA-SFT", "hours expected", "hours at most", "seen")


def plan(subject: Subject, sets: Sequence[Set], assumed: Assumed, commands: Sequence[Sequence[str]]) -> str:
    """Say what a model's experiments are and what they take."""
    model = subject.architecture
    rate = speed(subject, assumed, assumed.attempt)
    measured = "as given" if assumed.write else f"assumed, {cost.EFFICIENCY:.0%} of what the GPU can: not measured"
    lines = [
        f"{subject.title}: {model.weights:,} parameters, {model.language:,} of them trained",
        f"memory: {memory(subject, assumed.gpu)}",
        f"speed ({measured}): {rate.write:,.0f} tokens/s written, {rate.read:,.0f} read, {rate.train:,.0f} trained on",
        f"assumed: {subject.image} tokens of a picture, {settings.TEXT} beside it, {assumed.attempt:g} of an attempt",
    ]
    for found, arguments in zip(sets, commands, strict=True):
        figures = row(subject, found, assumed)[2:]
        lines += ["", f"  sharpen {shlex.join(arguments)}"]
        lines += [f"    {name}: {value}" for name, value in zip(COLUMNS[2:], figures, strict=True)]
    return "\n".join(lines)


@dataclass(frozen=True)
class Seen:
    """Greedy accuracy of base model and last round: on all test questions, and on those of the paper's figures."""

    base: Interval
    last: Interval
    base_as_paper: Interval
    last_as_paper: Interval

    def as_dict(self) -> dict[str, object]:
        """Return the figures for JSON."""
        return {name: value.as_dict() for name, value in vars(self).items()}


def run(found: Set, arguments: Sequence[str]) -> Seen:
    """Do what `sharpen ARGUMENTS` does, and return what was seen."""
    _, data, done = cli.improved(arguments[1], arguments[2:])
    base, last = done.base, done.rounds[-1].evaluation
    if base is None or last is None:
        raise UserError(f"{found.title}: no test questions to measure on; name some by --test")
    some = [t.id for t in data.test if found.yes_no is None or yes_no(t)]
    return Seen(base.greedy, last.greedy, part(base, some), part(last, some))


def yes_no(task: Task) -> bool:
    """Whether a question is answered by yes or no."""
    return (task.answer or "").strip().lower() in ("yes", "no")


def part(of: Evaluation, ids: Sequence[str]) -> Interval:
    """Return greedy accuracy on some of the questions."""
    values = of.per_task["greedy"]
    return once({i: values[i] for i in ids if i in values})


def parser() -> argparse.ArgumentParser:
    """Return the options of an experiment."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--run", action="store_true", help="run it; without this only say what it would take")
    made.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    made.add_argument("--data", type=Path, help="folder with SET/train.* and SET/test.*; without it the hub's")
    made.add_argument("--out", type=Path, default=Path("runs/paper"))
    made.add_argument("--gpu", choices=list(cost.GPUS), default="a800", help="what the estimates are for")
    made.add_argument("--lora", type=int, help=f"rank of adapters; without it 0, or {RANK} where 0 does not fit")
    made.add_argument("--attempt-tokens", type=float, default=settings.ATTEMPT, help="mean tokens of an attempt")
    made.add_argument("--tokens-per-second", type=float, help="tokens written a second, where you have measured it")
    made.add_argument("--json", action="store_true", help="with --run, one object on standard output")
    return made


def main(subjects: Sequence[Subject], argv: Sequence[str] | None = None) -> int:
    """Say what the experiments of some models take, or run them; return the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    at = given.index("--") if "--" in given else len(given)
    args, more = parser().parse_args(given[:at]), given[at + 1 :]
    assumed = Assumed(cost.GPUS[args.gpu], args.attempt_tokens, args.tokens_per_second)
    sets = [SETS[name] for name in args.sets]
    if min(assumed.attempt, 1 if assumed.write is None else assumed.write) <= 0:
        say("paper: --attempt-tokens and --tokens-per-second are above 0")
        return 2
    try:
        done = {s.title: each(s, sets, args, assumed, more) for s in subjects}
    except UserError as error:
        say(f"paper: {error}")
        return 2
    except KeyboardInterrupt:
        say("\npaper: interrupted; nothing finished is lost, give the same command again")
        return 130
    if args.json and args.run:
        print(json.dumps({title: {s: seen.as_dict() for s, seen in of.items()} for title, of in done.items()}))
    return 0


def each(
    subject: Subject, sets: Sequence[Set], args: argparse.Namespace, assumed: Assumed, more: Sequence[str]
) -> dict[str, Seen]:
    """Say what one model's experiments take and, where that is asked for, run them."""
    lora: Any = rank(subject, assumed.gpu) if args.lora is None else args.lora
    commands = [[*command(subject, s, args.data, lora, args.out), *more] for s in sets]
    say_plan = say if args.json and args.run else print
    say_plan(plan(subject, sets, assumed, commands))
    seen: dict[str, Seen] = {}
    for found, arguments in zip(sets, commands, strict=True) if args.run else ():
        seen[found.name] = came = run(found, arguments)
        say_plan(f"{subject.title}, {found.title}: seen {came.base} before and {came.last} after on all questions,")
        say_plan(f"  {came.base_as_paper} and {came.last_as_paper} on {came.last_as_paper.n} as the paper counts them")
    return seen
