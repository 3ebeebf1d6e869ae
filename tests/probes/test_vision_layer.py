"""The vision layer: AUROC of the image's share by hand, the sign, and a choice that a restart and a portion repeat."""

from __future__ import annotations

import pytest
from support import make_task, query

from sharpen.errors import UserError
from sharpen.ledger.history import aside
from sharpen.models.scripted import Asked, Scripted
from sharpen.probes import vision_layer
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Reading, Task

TASKS = [make_task(f"t{i}") for i in range(3)]
SHARES = {"s": {1: 0.6, 2: 0.5, 3: 0.3}, "x": {1: 0.1, 2: 0.5, 3: 0.3}, "b": {1: 0.2, 2: 0.5, 3: 0.9}}
"""Image shares by layer: of three in four attempts written with the image, of the fourth, and of those without."""


def rule(asked: Asked) -> str:
    return ("x" if asked.attempt == 3 else "s") if asked.task.images else "b"


def measure(task: Task, text: str) -> Reading:
    """Layer 0 pays the prompt nothing; layer 1 tells most apart, 2 none, and 3 all of them in reverse."""
    assert task.images, "read after the prompt with the image, however it was written"
    rows = {layer: ((0.0, image, 1 - image),) * 2 for layer, image in SHARES[text].items()}
    return Reading((0.0,) * 2, (0.0,) * 2, (0,) * 2, ((0,),) * 2, {0: ((0.0, 0.0, 0.0),) * 2, **rows})


def test_the_best_layer_has_the_highest_auroc_and_not_the_most_telling_reverse(store: Store) -> None:
    bare = make_task("bare", images=0)
    found = vision_layer.measure(Run({"policy": Scripted(rule, measure)}, store), store.add_tasks([*TASKS, bare]))
    assert found.curve == [None, 0.75, 0.5, 0.0]
    assert found.best == 1
    assert (found.seeing, found.unseeing, found.tasks) == (12, 12, 3)
    assert found.as_dict()["middle"] == 2
    assert [line.split()[-1] for line in found.table().splitlines()[1:4]] == ["unknown", "best", "middle"]


def test_auto_chooses_once_from_the_first_tasks_and_notes_it(store: Store) -> None:
    written: list[str] = []

    def counted(asked: Asked) -> str:
        written.append(asked.task.id)
        return rule(asked)

    store.begin("collect", 1)
    tasks = store.add_tasks(TASKS)
    run = Run({"policy": Scripted(counted, measure)}, store, round=1)
    chosen = [part.layer("auto") for part, _ in run.portions(tasks, 2)]
    assert chosen == [1, 1]
    assert len(written) == 3 * 2 * vision_layer.ATTEMPTS  # the second portion found the same attempts
    assert Run({"policy": Scripted(counted, measure)}, store, round=1).layer("auto", tasks) == 1
    assert len(written) == 3 * 2 * vision_layer.ATTEMPTS
    assert store.events("collect", 1) == {("layer", "layer 1 chosen, AUROC 0.75; the middle layer's is 0.50"): 1}
    assert store.tally(1, 3, 0).attempts == 0
    assert query(store.folder, "SELECT DISTINCT scope FROM rollouts") == [("layer",)]
    assert query(store.folder, "SELECT sum(tokens) FROM rollouts") == [(aside(store.db, 1),)]  # no data, but not free
    assert (run.layer(None), run.layer(3)) == (2, 3)


def test_where_nothing_can_be_told_a_layer_has_to_be_named(store: Store) -> None:
    run = Run({"policy": Scripted(rule, measure)}, store)
    with pytest.raises(UserError, match="0 attempts with an image and 0 without, at 0 tasks with images"):
        run.layer("auto", store.add_tasks([make_task("bare", images=0)]))
