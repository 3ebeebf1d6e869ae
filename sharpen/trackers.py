"""Trackers of experiments, told of each round's figures and of each training's losses, where they are asked for.

Nothing is picked up because it happens to be installed, and nothing but numbers and the run's settings is sent. A
tracker that fails stops no run: it is said once, and what it was not told is counted.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, cast

from .errors import UserError
from .progress import say
from .types import digest

PROJECT = "sharpen"
"""The project in wandb and trackio, unless WANDB_PROJECT or TRACKIO_PROJECT names another."""
INTERVALS = ("accuracy", "sampled_accuracy", "blind_accuracy")
"""Figures of a round that come with an interval; trackers are told the value."""


@dataclass(frozen=True)
class Line:
    """One line of figures in a tracker: those of the rounds, or those of one round's training."""

    folder: Path
    group: str
    """The run's folder by name."""
    name: str
    made: str
    """Hash of what decides the run's rounds: a run made otherwise in the same folder is another line."""
    settings: Mapping[str, object]
    first: int = 0
    """The first step that is sent; later ones that the tracker holds are of a process that was interrupted."""

    @property
    def key(self) -> str:
        """Know the line again after an interruption."""
        return digest("tracked", str(self.folder.resolve()), self.made, self.name)[:16]


class Sink(Protocol):
    """A line that is being written."""

    def log(self, figures: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class Wandb:
    """Weights & Biases: its own variables such as WANDB_MODE, WANDB_ENTITY and WANDB_API_KEY count."""

    package = "wandb"

    def __init__(self, line: Line) -> None:
        wandb: Any = import_module("wandb")
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            dir=str(line.folder),
            id=line.key,
            name=line.name,
            group=line.group,
            config=dict(line.settings),
            resume="allow",
            reinit="create_new",  # a run that the user has open stays as it is
            save_code=False,
            settings=wandb.Settings(console="off"),  # the screen shows text of tasks
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """Trackio: on this machine, or on the Space that TRACKIO_SPACE_ID names."""

    package = "trackio"

    def __init__(self, line: Line) -> None:
        self._trackio: Any = import_module("trackio")
        self._trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=f"{line.name}-{line.key[:8]}",  # it has no id beside the name
            group=line.group,
            config=dict(line.settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._trackio.log(dict(figures), step=step)

    def close(self) -> None:
        self._trackio.finish()


class TensorBoard:
    """TensorBoard: event files in the run's folder, to be looked at by `tensorboard --logdir DIR/tensorboard`."""

    package = "tensorboard"

    def __init__(self, line: Line) -> None:
        import_module("tensorboard")  # torch's own error for a missing one names no package
        writer: Any = import_module("torch.utils.tensorboard").SummaryWriter
        self._writer: Any = writer(str(line.folder / "tensorboard" / line.name), purge_step=line.first)
        self._writer.add_text("settings", json.dumps(line.settings, indent=1, default=str).replace("\n", "\n    "))

    def log(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


KINDS: dict[str, type[Wandb] | type[Trackio] | type[TensorBoard]] = {
    "wandb": Wandb,
    "trackio": Trackio,
    "tensorboard": TensorBoard,
}
Send = Callable[[int, Mapping[str, object]], None]
"""Tell the trackers of one step."""


def require(names: Sequence[str]) -> None:
    """Raise UserError for a tracker that there is not, or whose package cannot be imported."""
    for name in names:
        if name not in KINDS:
            raise UserError(f"there is no tracker {name!r}; choose one of: {', '.join(KINDS)}")
        try:
            import_module(KINDS[name].package)
        except ImportError as error:
            raise UserError(f"--track {name} cannot be used ({error}); run: pip install 'sharpen[{name}]'") from error


class Tracking:
    """The trackers of one run."""

    def __init__(self, names: Sequence[str], folder: Path, made: str, settings: Mapping[str, object]) -> None:
        require(names)
        self.names = list(dict.fromkeys(names))
        self.sent: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        """Steps that a tracker was not told of, by its name."""
        name = folder.resolve().name or PROJECT
        self._line = Line(folder, name, name, made, settings)

    def round(self, number: int, result: Mapping[str, object]) -> None:
        """Tell of a finished round, which is one step; the base model is step 0."""
        with self.line("") as send:
            send(number, figures(result))

    @contextmanager
    def line(self, part: str) -> Generator[Send]:
        """Open the line of the rounds, or with `part` that of one round's training, and give a function to send by.

        Each tracker is opened at the first step that is sent; one that fails is not asked again for this line.
        """
        line = replace(self._line, name=f"{self._line.group}-{part}") if part else self._line
        sinks: dict[str, Sink | None] = {}

        def send(step: int, found: Mapping[str, object]) -> None:
            told = numbers(found)
            for name in self.names:
                try:
                    with redirect_stdout(sys.stderr):  # standard output is for results
                        if name not in sinks:
                            sinks[name] = None  # unless it opens
                            sinks[name] = KINDS[name](replace(line, first=step))
                        if sink := sinks[name]:
                            sink.log(told, step)
                except Exception as error:  # each package raises of every kind: network, permission, quota
                    sinks[name] = None
                    self._failed(name, error)
                (self.sent if sinks[name] else self.lost)[name] += 1

        try:
            yield send
        finally:
            for name, sink in sinks.items():
                try:
                    with redirect_stdout(sys.stderr):
                        if sink:
                            sink.close()
                except Exception as error:
                    self._failed(name, error)
                    self.lost[name] += 1

    def _failed(self, name: str, error: Exception) -> None:
        """Say what went wrong with a tracker, the first time only."""
        if not self.lost[name]:
            why = (str(error).splitlines() or [""])[0]
            say(f"  {name} was not told ({type(error).__name__}: {why}); the run goes on and counts what it misses")

    def end(self) -> None:
        """Say how much the trackers were told of, and not."""
        for name in self.names:
            missed = f", {self.lost[name]} were lost: what it shows is not whole" if self.lost[name] else ""
            say(f"  {name} was told of {self.sent[name]} steps{missed}")


def figures(result: Mapping[str, object]) -> dict[str, object]:
    """Return a round's result as flat figures; what is unknown is left out, since no tracker has a word for it."""
    flat = dict(result)
    for name in INTERVALS:
        flat[name] = cast("Mapping[str, object]", result.get(name) or {}).get("value")
    for name, short in (("pass_at", "pass"), ("majority_at", "majority")):
        some = cast("Mapping[str, Mapping[str, object]]", result.get(name) or {})
        flat |= {f"{short}@{k}": cell.get("value") for k, cell in some.items()}
    return {f"round/{name}": value for name, value in flat.items() if name != "round"}


def numbers(found: Mapping[str, object]) -> dict[str, float]:
    """Return what is a finite number."""
    return {k: v for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool) and isfinite(v)}
