"""Methods side by side: same base, same tasks, several seeds, each cell in a folder of its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .answers import Grader
from .budget import Equal, can_choose
from .cells import BASE, Cell, Record, Shared, held, work
from .comparison import Comparison, summed_up
from .errors import UserError
from .evaluate import SAMPLES, distinct
from .methods import Method
from .models.model import Model
from .progress import say
from .train import Train, Trainer
from .types import Task


class Do(Protocol):
    """Works cells to their end in other processes."""

    def __call__(self, cell: Cell) -> Record:
        """Return a cell's record; raises UserError where it comes to nothing."""
        ...

    def stop(self) -> None:
        """End all work at once."""
        ...


def compare(
    methods: Mapping[str, Method],
    model: Model,
    tasks: Sequence[Task],
    test: Sequence[Task],
    *,
    seeds: Sequence[int],
    rounds: int,
    out: Path,
    settings: Train | None = None,
    samples: int = SAMPLES,
    equal: Equal = "tokens",
    trainer: Trainer | None = None,
    grader: Grader | None = None,
    manifest: Mapping[str, object] | None = None,
    left_out: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Run each method with each seed in a folder of its own under `out`, and put them side by side.

    The base model is measured once with each seed, so that both sides of a difference vary alike. With `equal`
    tokens or attempts, every method spends in each round what the first one spent with the same seed: its
    `samples` are chosen so, unless its word sets them. What is there already is not done again, and a cell
    that fails is reported while the others go on. Raises UserError where there is nothing to compare.
    """
    given = (settings or Train(), equal, trainer, grader, manifest or {}, left_out)
    shared = Shared(methods, model, tasks, test, rounds, out, samples, *given)
    return run_all(shared, seeds)


def run_all(shared: Shared, seeds: Sequence[int], do: Do | None = None, jobs: int = 1) -> Comparison:
    """Work all cells, `jobs` at a time by `do`, or one after another in this process; then sum them up."""
    if not (shared.methods and seeds and shared.test):
        raise UserError(
            f"{len(shared.methods)} methods, {len(seeds)} seeds and {len(shared.test)} unseen tasks compare nothing; "
            "give at least one of each"
        )
    if BASE in shared.methods:
        raise UserError(f"{BASE!r} is the base model's own name in the table; name the method otherwise")
    distinct([*shared.tasks, *shared.test])
    grid = Grid(shared, seeds)
    if do is None:
        for cell in iter(grid.next, None):
            grid.settle(cell, lambda cell=cell: work(shared, cell))
    else:
        beside(grid, do, jobs)
    return summed_up(shared, seeds, grid.done, grid.failed)


def beside(grid: Grid, do: Do, jobs: int) -> None:
    """Work the cells of a grid, `jobs` at a time; each starts when what it needs is done."""
    with ThreadPoolExecutor(jobs) as pool:
        running: dict[Future[Record], Cell] = {}
        try:
            while True:
                while len(running) < jobs and (cell := grid.next()):
                    running[pool.submit(do, cell)] = cell
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    grid.settle(running.pop(future), future.result)
        except BaseException:
            do.stop()  # the pool waits for its threads, and they for the processes
            raise


@dataclass
class Grid:
    """Which cells there are, which wait for which, and how far the work is.

    A seed's base model comes before its methods, and where spending is equal, its first method before the others.
    """

    shared: Shared
    seeds: Sequence[int]
    done: dict[tuple[str, int], Record] = field(default_factory=dict[tuple[str, int], Record])
    failed: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    started: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])

    @property
    def first(self) -> str:
        """The method that the others are compared with."""
        return next(iter(self.shared.methods))

    def next(self) -> Cell | None:
        """Return a cell that can be worked now; None where none can, for the time being or any more."""
        for word, seed in self.open():
            needs = self.needs(word)
            if lost := next((n for n in needs if (n, seed) in self.failed), None):
                self.fail(Cell(word, seed), f"not run, since {lost} failed with this seed")
            elif all((n, seed) in self.done for n in needs):
                cell = Cell(word, seed, self.targets(word, seed))
                if cell.targets and not all(cell.targets):
                    self.fail(
                        cell,
                        f"{self.first} generates nothing to spend as much as; name another method first, "
                        "or give --equal none",
                    )
                    continue
                self.started[word, seed] = time.monotonic()
                if (found := held(self.shared, cell)) is None:
                    say(f"{cell.label}: starts, in {self.shared.out / cell.folder}")
                    return cell
                self.done[word, seed] = found  # what waits for it comes later in this order
                say(f"{cell.label}: is there already{self.so_far()}")
        return None

    def open(self) -> Iterator[tuple[str, int]]:
        """Yield what was not started yet: first the base model with each seed, then method by method."""
        for word in (BASE, *self.shared.methods):
            for seed in self.seeds:
                if not any((word, seed) in some for some in (self.started, self.failed)):
                    yield word, seed

    def needs(self, word: str) -> list[str]:
        """Return the words whose cells of the same seed come first."""
        if word == BASE:
            return []
        return [BASE, self.first] if self.shared.equal != "none" and word != self.first else [BASE]

    def targets(self, word: str, seed: int) -> tuple[float, ...] | None:
        """Return what a cell is to spend in each round: what the first method spent, for those that can choose."""
        if self.shared.equal == "none" or word in (BASE, self.first):
            return None
        if not can_choose(word, self.shared.methods[word]):
            return None
        return tuple(spent(r, self.shared.equal) for r in self.done[self.first, seed]["rounds"])

    def settle(self, cell: Cell, result: Callable[[], Record]) -> None:
        """Keep a cell's record, or say and keep why there is none."""
        try:
            self.done[cell.word, cell.seed] = result()
        except UserError as error:
            self.fail(cell, str(error))
        except Exception as error:  # a fault of the program: the other cells may be free of it
            traceback.print_exc()
            self.fail(cell, f"{type(error).__name__}: {error}")
        else:
            took = time.monotonic() - self.started[cell.word, cell.seed]
            say(f"{cell.label}: done in {took:.0f} s{self.so_far()}")

    def fail(self, cell: Cell, why: str) -> None:
        """Report a cell that came to nothing."""
        self.failed[cell.word, cell.seed] = why
        say(f"{cell.label}: FAILED: {why}")

    def so_far(self) -> str:
        """Say how many cells are done."""
        return f" ({len(self.done)} of {(1 + len(self.shared.methods)) * len(self.seeds)} cells)"


def spent(round: Record, unit: Equal) -> float:
    """Return what a round came to, in tokens or attempts."""
    return float(round["tokens"] if unit == "tokens" else round["attempts"] + round["resumed"])
