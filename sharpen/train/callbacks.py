"""What is told of a training while it goes on: progress on the screen, and losses to trackers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from transformers import TrainerCallback

from ..progress import Progress
from ..trackers import Send

LOGGED = ("loss", "learning_rate", "grad_norm")
"""What trackers are told of each step, among what the library logs."""


class Steps(TrainerCallback):
    """Show the library's steps as our progress."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._advance: Callable[[], None] = lambda: None

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Open the bar for what is left to do."""
        self._advance = self._open.enter_context(Progress("train", state.max_steps - state.global_step).open())

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Count a step of the optimiser."""
        self._advance()

    def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Close the bar."""
        self._open.close()


class Told(TrainerCallback):
    """Tell trackers what the library logs of a step."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **rest: Any) -> None:
        """Pass on what there is of `LOGGED`; the summary at the end has none of it."""
        if found := {f"train/{name}": (logs or {})[name] for name in LOGGED if name in (logs or {})}:
            self._send(state.global_step, found)
