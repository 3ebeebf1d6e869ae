"""Vision layer: whose attention tells attempts written with the image from attempts written blind.

Each task is tried with its image and without. Both kinds of attempt are then read after the same prompt, the
one with the image, and each layer's image share is the score: its AUROC is the chance that an attempt
written with the image has the larger share. A layer below 0.5 tells them apart in reverse, so the
best layer is the one with the highest AUROC, and not the one furthest from 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UserError
from ..scorers.attention import image_share
from ..statistics import auroc
from ..types import Group, Task
from ..verbs import each
from ..views import asked, blind

if TYPE_CHECKING:
    from ..run import Run

TASKS = 64  # tasks that `Run.layer` has it look at, the first of the round's: ours
ATTEMPTS = 4  # attempts a task, with the image and without: ours
MARK = 40  # characters of a bar that stands for 1


@dataclass(frozen=True)
class Layers:
    """AUROC of the image share by layer; None where a layer pays the prompt no attention."""

    curve: Sequence[float | None]
    seeing: int
    """Attempts written with the image."""
    unseeing: int
    """Attempts written without."""
    tasks: int

    @property
    def best(self) -> int | None:
        """The layer of the highest AUROC, the first of equal ones; None where none is known."""
        known = [(area, -layer) for layer, area in enumerate(self.curve) if area is not None]
        return -max(known)[1] if known else None

    def as_dict(self) -> dict[str, object]:
        """Return curve, best layer and counts for JSON."""
        counts = {"seeing": self.seeing, "unseeing": self.unseeing, "tasks": self.tasks}
        return {"curve": list(self.curve), "best": self.best, "middle": len(self.curve) // 2, **counts}

    def table(self) -> str:
        """Return one line a layer."""
        lines = [f"AUROC of {self.seeing} attempts with the image against {self.unseeing} without, {self.tasks} tasks"]
        for layer, area in enumerate(self.curve):
            marks = [word for word, at in (("best", self.best), ("middle", len(self.curve) // 2)) if at == layer]
            drawn = "unknown" if area is None else f"{area:.3f} {'#' * round(MARK * area):{MARK}}"
            lines.append(f"layer {layer:3}  {drawn} {', '.join(marks)}".rstrip())
        return "\n".join(lines)


def measure(run: Run, tasks: Sequence[Task]) -> Layers:
    """Try each task with an image both ways and compare the shares of attention, layer by layer.

    Raises UserError where the model reports no layers, or where one of the kinds of attempt is missing.
    """
    shown = [t for t in tasks if t.images]
    every = tuple(range(run.models["policy"].layers))
    seeing = run.sample(shown, ATTEMPTS)
    unseeing = run.sample(shown, ATTEMPTS, view=blind)
    with_image, without = shares(run, seeing, every), shares(run, unseeing, every)
    if not (every and any(with_image) and any(without)):
        raise UserError(
            f"no layer can be told from {len(with_image)} attempts with an image and {len(without)} without, at "
            f"{len(shown)} tasks with images, by {len(every)} layers; name a layer by its number"
        )
    curve = [auroc(known(with_image, layer), known(without, layer)) for layer in every]
    return Layers(curve, len(with_image), len(without), len(shown))


def shares(run: Run, groups: Sequence[Group], layers: Sequence[int]) -> list[tuple[float | None, ...]]:
    """Return each attempt's image share by layer, read after the task with its image."""
    readings = run.read(each(groups), view=asked, top=1, layers=layers)
    return [tuple(image_share(reading, layer) for layer in layers) for reading in readings]


def known(rows: Sequence[Sequence[float | None]], layer: int) -> list[float]:
    """Return the known shares at one layer."""
    return [share for row in rows if (share := row[layer]) is not None]


def best_layer(run: Run, tasks: Sequence[Task]) -> int:
    """Return the best layer by the first tasks, and note it with its AUROC and the middle layer's beside it.

    Its attempts are in a scope of their own, so that no round counts them as data.
    """
    aside = type(run)(run.models, run.store, seed=run.seed, round=run.round, scope="layer", grader=run.grader)
    found = measure(aside, tasks[:TASKS])
    if found.best is None:
        raise UserError(f"no layer pays any attention to the prompt of {found.tasks} tasks; name one by its number")
    area, middle = found.curve[found.best], found.curve[len(found.curve) // 2]
    told = ["unknown" if value is None else f"{value:.2f}" for value in (area, middle)]
    run.note("layer", f"layer {found.best} chosen, AUROC {told[0]}; the middle layer's is {told[1]}")
    return found.best
