# pyright: strict
"""The parts of an attempt that are looked up when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, cast, overload

from ..types import Part


class Holds(Protocol):
    """A ledger, as far as an attempt needs it."""

    def parts(self, key: str) -> tuple[Part, ...]: ...


class Recorded(Sequence[Part]):
    """The parts of a recorded attempt, read from the ledger when they are looked at.

    A round of a million attempts is held as a million keys, and a training set as its keys.
    """

    __slots__ = ("_key", "_store")

    def __init__(self, store: Holds, key: str) -> None:
        self._store = store
        self._key = key

    @overload
    def __getitem__(self, at: int) -> Part: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Part, ...]: ...
    def __getitem__(self, at: int | slice) -> Part | tuple[Part, ...]:
        return self._store.parts(self._key)[at]

    def __len__(self) -> int:
        return len(self._store.parts(self._key))

    def __iter__(self) -> Iterator[Part]:
        return iter(self._store.parts(self._key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorded | tuple) and tuple(self) == tuple(cast("Sequence[Part]", other))

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Recorded({self._key[:12]})"
