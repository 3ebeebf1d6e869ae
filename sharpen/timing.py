"""What work took, recorded in the ledger part by part."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from .progress import peak_memory
from .store import Store


@dataclass
class Spent:
    """What a timed piece of work used."""

    tokens: int = 0


class Clock:
    """Times the parts of one round's work."""

    def __init__(self, store: Store, scope: str, round: int) -> None:
        self._store = store
        self._scope = scope
        self._round = round
        self._inner_s = 0.0

    @contextmanager
    def timed(self, part: str) -> Generator[Spent]:
        """Record what a piece of work took, without the timed work inside it: a scorer reads, and reading is timed."""
        started, spent = time.monotonic(), Spent()
        outer, self._inner_s = self._inner_s, 0.0
        try:
            yield spent
        finally:
            elapsed = time.monotonic() - started
            own = elapsed - self._inner_s
            self._store.add_timing(self._scope, self._round, part, own, spent.tokens, peak_memory())
            self._inner_s = outer + elapsed
