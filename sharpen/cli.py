"""The command line: `sharpen COMMAND …`, built from the same frozen dataclasses as the library.

With `--json` one object goes to standard output; all else goes to standard error. The user's faults
end with one line and code 2, an interruption with 130.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from .answers import Grader
from .errors import UserError, require
from .models.settings import Loading
from .progress import say
from .prompts import Format, asked_in
from .train import Train

if TYPE_CHECKING:
    from .rounds import Improved
    from .setup import Data


@dataclass(frozen=True)
class Common:
    """What every command that runs a model needs."""

    model: str = "tiny"
    """`tiny`, a folder, a hub id, or the folder of an adapter."""
    loading: Loading = field(default_factory=Loading)
    """How the model comes into memory."""
    tasks: str = "digits:200"
    """`shapes:N`, `digits:N`, a benchmark, or a file, a folder, a URL or `hub:OWNER/NAME` with rows."""
    format: str = ""
    """How rows are read: a file's name in `sharpen/data/formats`; empty recognises it by their shape."""
    prompt: Format = "as-is"
    """How an answer is asked for: an instruction that joins each task's system message."""
    seed: int = 0
    """What sampling and training draw by chance follows from it."""
    eval_samples: int = 8
    """Attempts a task for sampled accuracy and pass@k."""
    max_bad: float = 0.01
    """Share of a file's rows that may be unusable; they are left out and named."""
    allow_bad_gold: bool = False
    """Leave out tasks whose gold answer fails its own grader, however many; by default one in a hundred may."""
    grader: Grader = field(default_factory=Grader)
    """How answers are taken out of a text and compared."""
    json: bool = False
    """Print one machine-readable object on standard output."""

    def __post_init__(self) -> None:
        require(self.eval_samples >= 1, "eval-samples", self.eval_samples, "1 or more")
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        require(0 <= self.max_bad < 1, "max-bad", self.max_bad, "a share from 0 to below 1")


@dataclass(frozen=True)
class RunOptions(Common):
    """Improve a model by a method: `sharpen run METHOD …`; the same command again goes on where it stopped."""

    out: Path = Path("runs/run")
    """The run's folder."""
    rounds: int = 3
    """Rounds of attempts and training; the same command with more of them goes on after the last one."""
    test: str = ""
    """Unseen tasks to measure on; empty takes the world's test split, or holds out a tenth of a file's tasks."""
    drop_contaminated: bool = False
    """Leave out tasks to learn from that are measured on, too; without it they are only named."""
    train: Train = field(default_factory=Train)
    """Settings of one round's training."""
    track: tuple[str, ...] = ()
    """Trackers that are told of losses and rounds: wandb, trackio, tensorboard."""
    push_to_hub: str = ""
    """OWNER/NAME on the Hugging Face Hub that the last round's model goes to when the run is finished."""
    push_round: int | None = None
    """Which round's model goes there instead of the last one's."""
    public: bool = False
    """Let everyone see the repository; without it, it is made private, and one that is public is refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number = self.push_round
        require(number is None or 1 <= number <= self.rounds, "push-round", number, f"1 to {self.rounds}, a round")
        alone = [n for n, given in (("push-round", number is not None), ("public", self.public)) if given]
        if alone and not self.push_to_hub:
            raise UserError(f"--{alone[0]} says how to push; give --push-to-hub OWNER/NAME with it")
        trains = self.train.lora > 0 or not self.loading.quantize
        wanted = "--train.lora RANK with it, since rounded weights cannot be trained, or leave it out"
        require(trains, "loading.quantize", self.loading.quantize, wanted)
        self.loading.require_trainable()


@dataclass(frozen=True)
class DemoOptions:
    """Base model, ReST-EM and VISTA-SFT on the same tasks, with a report: the first thing to run."""

    out: Path = Path("runs/demo")
    """The folder of both runs."""
    tasks: int = 150
    """Questions of each of the two worlds to learn from."""
    test: int = 200
    """Unseen questions of each to measure on."""
    rounds: int = 2
    """Rounds of attempts and training by each method."""
    seed: int = 0
    """What sampling and training draw by chance follows from it."""
    report: Path = Path("report.html")
    """The page with the figures and six traces."""
    json: bool = False


@dataclass(frozen=True)
class ListOptions:
    """List methods, probes, worlds and benchmarks."""

    json: bool = False


def main() -> None:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGINT, interrupted)
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough; Python would try again to write the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def interrupted(number: int, frame: object) -> None:
    """Stop in order at the first Ctrl-C and at once at the second: what is finished is in the ledger either way."""
    signal.signal(signal.SIGINT, stopped)
    raise KeyboardInterrupt


def stopped(number: int, frame: object) -> None:
    """Leave without putting anything in order."""
    os._exit(130)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    from . import folder_commands as folder
    from .compare_command import compare_command
    from .eval_command import eval_command
    from .look_command import look_command
    from .merge_command import merge_command
    from .probe_command import probe_command

    commands: dict[str, Callable[[Sequence[str]], int | None]] = {
        "demo": demo_command,
        "run": improve_command,
        "eval": eval_command,
        "compare": compare_command,
        "probe": probe_command,
        "show": folder.show_command,
        "look": look_command,
        "check": folder.check_command,
        "regrade": folder.regrade_command,
        "audit": folder.audit_command,
        "export": folder.export_command,
        "merge": merge_command,
        "list": list_command,
    }
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    name, *rest = arguments
    try:
        if name not in commands:
            raise UserError(f"there is no command {name!r}; choose one of: {', '.join(commands)}")
        return commands[name](rest) or 0
    except UserError as error:
        say(f"sharpen: {error}")
        return 2
    except KeyboardInterrupt:
        say(f"\nsharpen: interrupted; nothing finished is lost, go on with: sharpen {shlex.join(arguments)}")
        return 130


USAGE = """sharpen COMMAND …: make a vision-language model reason better from its own attempts

  demo                  base model, ReST-EM and VISTA on the tiny model, with a report
  run METHOD            improve a model: --model M --tasks T --out DIR --rounds N
  eval                  measure a model: --model M --tasks T
  compare METHOD …      methods and settings from the same base, on the same tasks, over seeds
  probe NAME            what a model does beside being right: does it look, and where does it
  show DIR              what a run folder holds; with --task ID one task with all its attempts
  look DIR --task ID    a page of what the attempts at one task looked at, token by token, over its picture
  check DIR             is a run folder whole: references, images, seals, keys, counts
  check TASKS           before a run: rows, prompts as they are shown, what it will take: --model M
  regrade DIR           new verdicts on all recorded attempts by other grader settings
  audit DIR             a sheet of verdicts for a person to check
  export DIR --to T     examples and tasks as rows for other trainers
  merge ADAPTER         an adapter and its base as one model, which is asked whether it answers alike
  list                  methods, probes, worlds and benchmarks

`sharpen COMMAND --help` names every option."""


RUN_USAGE = """sharpen run METHOD --model MODEL --tasks TASKS --out DIR …: improve a model; the same command goes on

METHOD is one of: {methods}
`sharpen list` tells them apart. The options that most runs need:

  --model          `tiny`, a folder, a hub id, or the folder of an adapter
  --tasks          questions to learn from: digits:N, shapes:N, a benchmark, a file, a folder, a URL or hub:OWNER/NAME
  --test           unseen ones to measure on; without it a tenth of a file's are held out
  --out            the run's folder
  --rounds         rounds of attempts and training
  --prompt         how an answer is asked for: as-is, direct, boxed, think-answer, see-think-answer
  --train.lora     rank of adapters; 0 trains the whole language model
  --json           one object with every figure on standard output

`sharpen run METHOD --help` has all of them, with their defaults and the method's own."""


def parse(kind: Any, command: str, arguments: Sequence[str]) -> Any:
    """Turn arguments into a frozen dataclass; tyro prints a wrong option's message and leaves with 2."""
    return tyro.cli(kind, prog=f"sharpen {command}", args=list(arguments))


def emit(value: object, wanted: bool) -> None:
    """Print a result as JSON on standard output where it is wanted."""
    if wanted:
        print(json.dumps(value, indent=1))


def improve_command(arguments: Sequence[str]) -> None:
    """`sharpen run METHOD …`."""
    from . import hub, methods

    names, rest = leading_names(arguments)
    if not names and {"-h", "--help"} & set(rest):
        print(RUN_USAGE.format(methods=", ".join(methods.names())))
        return
    if len(names) != 1:
        raise UserError(f"sharpen run takes one method, not {len(names)}; choose one of: {', '.join(methods.names())}")
    options, _, done = improved(names[0], rest)
    head = {"method": names[0], "model": options.model, "tasks": options.tasks, "seed": options.seed}
    try:
        if options.push_to_hub:
            pushed = hub.push(options.out, options.push_to_hub, round=options.push_round, public=options.public)
            hub.announce(pushed)
            head["pushed"] = asdict(pushed)
    finally:  # the results are printed, whatever the Hub says
        tell(names[0], head, done, options.json)


def improved(name: str, arguments: Sequence[str]) -> tuple[Any, Data, Improved]:
    """Do what `sharpen run NAME ARGUMENTS` does; return its options, its tasks and what came of it."""
    from . import hub, methods, setup, trackers
    from .improve import improve

    kind = methods.find(name)
    settings = ("method", tyro.conf.OmitArgPrefixes[kind], field(default_factory=kind))
    both = make_dataclass("Options", [settings], bases=(RunOptions,), frozen=True)
    both.__doc__ = RunOptions.__doc__
    options = setup.graded(parse(both, f"run {name}", arguments))
    trackers.require(options.track)
    if options.push_to_hub:
        hub.require_pushable(options.push_to_hub)
    data = found_by(options)
    model = setup.model(options.model, options.loading)
    command = ["run", name, *arguments]
    with setup.refused_rows_in(options.out):  # those that are read as the run comes to them
        done = improve(
            options.method,
            model,
            data.tasks,
            rounds=options.rounds,
            out=options.out,
            test=data.test,
            grader=options.grader,
            left_out=data.left_out,
            contaminated=data.contaminated,
            track=options.track,
            settings=options.train,
            seed=options.seed,
            samples=options.eval_samples,
            manifest=setup.manifest(command, options, model, data.tasks, data.test),
        )
    return options, data, done


def tell(method: str, head: Mapping[str, object], done: Improved, as_json: bool) -> None:
    """Print what a run came to."""
    from .rounds import table

    emit({**head, **done.as_dict()}, as_json)
    if not as_json:
        print(table({method: [done.base.as_dict() if done.base else {}, *(r.as_dict() for r in done.rounds)]}))


def found_by(options: RunOptions) -> Data:
    """Load the tasks that a run's options name."""
    from . import setup

    bad = (options.max_bad, options.grader, options.allow_bad_gold, options.format)
    with setup.refused_rows_in(options.out):
        data = setup.train_and_test(options.tasks, options.test, options.rounds, *bad)
        data = setup.apart(data, options.drop_contaminated)
    return replace(data, tasks=asked_in(data.tasks, options.prompt), test=asked_in(data.test, options.prompt))


def demo_command(arguments: Sequence[str]) -> None:
    """`sharpen demo`."""
    from .demo import demo

    options: DemoOptions = parse(DemoOptions, "demo", arguments)
    usual = DemoOptions()
    if (options.tasks, options.test, options.rounds) == (usual.tasks, usual.test, usual.rounds):
        say("two methods, two rounds each: about four minutes on two free cores")
    text, result = demo(
        options.out, options.tasks, options.test, options.rounds, options.seed, options.report, ["demo", *arguments]
    )
    emit(result, options.json)
    if not options.json:
        print(text)


def list_command(arguments: Sequence[str]) -> None:
    """`sharpen list`."""
    from . import benchmarks, methods, probes, worlds

    options: ListOptions = parse(ListOptions, "list", arguments)
    found = {
        "methods": {name: methods.summary(name) for name in methods.names()},
        "probes": {name: probes.summary(name) for name in probes.names()},
    }
    if options.json:
        emit({**found, "worlds": list(worlds.NAMES), "benchmarks": benchmarks.names()}, True)
        return
    for kind, some in found.items():
        print(kind)
        for name, line in some.items():
            print(f"  {name:{max(map(len, some))}} {line}")
    print(f"worlds\n  {', '.join(worlds.NAMES)}")
    print("benchmarks")
    for name in benchmarks.names():
        known = benchmarks.find(name)
        print(f"  {name:14} {known.title}: {known.hub}, {known.split}; {known.metric}")


def leading_names(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the names before the first option from the rest."""
    at = next((i for i, a in enumerate(arguments) if a.startswith("-")), len(arguments))
    return [a.replace("-", "_") for a in arguments[:at]], list(arguments[at:])
