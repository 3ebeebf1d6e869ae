"""Every boundary a failure can cross.

A bad rollout is data, a bad set-up is a crash, a bug is never a zero. `UserError` is the bad
set-up: the command line prints its one line and leaves with code 2; anything else is a bug and
shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """Something the user gave cannot be used; the message names it, the values and what to do."""


class TaskError(UserError):
    """A task file or one of its rows or images cannot be used; `rows` are (id, reason) of all that cannot."""

    def __init__(self, message: str, rows: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.rows = rows


class ModelError(UserError):
    """A model cannot be found or loaded, or does not fit what is asked of it."""


class TrainError(UserError):
    """Training came to numbers that cannot be gone on with."""


class StoreError(UserError):
    """A run folder cannot be used: locked, foreign, of another version, or not writable."""


class Unsupported(UserError):
    """A backend cannot do what was asked; the message names what can."""


def require(holds: bool, name: str, value: object, wanted: str) -> None:
    """Raise UserError for a setting that cannot be used."""
    if not holds:
        raise UserError(f"--{name} {value} cannot be used; give {wanted}")
