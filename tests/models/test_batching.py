"""Batch size, order and a crash in between change no attempt: draws are addressed, and float32 is exact enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support import Wrapped, make_task

from sharpen.models import hf, load
from sharpen.models.model import Write, Written
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Prefix, Task
from sharpen.worlds import world


class Batched(Wrapped):
    """A model that takes some requests at a time, as an engine with little memory does, the last ones first."""

    def __init__(self, inner: Any, rows: int) -> None:
        super().__init__(inner)
        self.rows = rows

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        for end in range(len(requests), 0, -self.rows):
            start = max(0, end - self.rows)
            for written in self.inner.write(requests[start:end]):
                yield replace(written, request=start + written.request)


class Crashing(Wrapped):
    """A model whose process ends after some attempts."""

    def __init__(self, inner: Any, after: int) -> None:
        super().__init__(inner)
        self.left = after

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        for written in self.inner.write(requests):
            if not self.left:
                raise ConnectionError
            self.left -= 1
            yield written


Ids = dict[tuple[str, str, int], tuple[int, ...]]


def sample(folder: Path, model: Any, tasks: Sequence[Task], attempts: int, size: int) -> Ids:
    """The ids of attempts at tasks and of what goes on from half of each first one, `size` tasks at a time."""
    found: Ids = {}
    with Store(folder) as store:
        for run, some in Run({"policy": model}, store).portions(tasks, size):
            groups = run.sample(some, attempts)
            prefixes = [Prefix(g.rollouts[0], len(g.rollouts[0].ids) // 2) for g in groups]
            for verb, made in (("sample", groups), ("resume", run.resume(prefixes, 2))):
                found |= {(verb, g.task.id, i): r.ids for g in made for i, r in enumerate(g.rollouts)}
    return found


def drawn(asked: Asked) -> str:
    """What a backend draws by the seed of an attempt, with the picture in it, so that a mix-up of requests shows."""
    draw = Random(f"{asked.seed} {asked.attempt}")
    return f"{draw.randrange(10**6)} {asked.task.id} " * draw.randrange(1, 4)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_scripted_batches_of_1_7_and_64_another_order_and_a_crash_give_the_same_ids(rows: int, tmp_path: Path) -> None:
    """Requests reach the model in batches, portions and an order of every kind, and each gets its own draws."""
    model, tasks = Scripted(drawn), [make_task(f"t{i}") for i in range(70)]
    whole = sample(tmp_path / "whole", model, tasks, 5, 1000)
    assert len(set(whole.values())) == len(whole) == 70 * 7
    shuffled = Random(rows).sample(tasks, len(tasks))
    with pytest.raises(ConnectionError):
        sample(tmp_path / "cut", Crashing(Batched(model, rows), 123), shuffled, 5, rows)
    assert sample(tmp_path / "cut", Batched(model, 64 // rows), tasks[::-1], 5, 64 // rows) == whole


def test_tiny_batches_of_1_7_and_64_another_order_and_a_crash_give_the_same_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32; the rows that decode together are those of several requests."""
    model, tasks = load("tiny"), world("digits").tasks("train", 5)
    whole = sample(tmp_path / "whole", model, tasks, 5, 1000)
    assert len(set(whole.values())) > len(tasks)
    for rows in (1, 7, 64):
        monkeypatch.setattr(hf, "ROWS", rows)
        folder = tmp_path / str(rows)
        with pytest.raises(ConnectionError):
            sample(folder, Crashing(model, 12), tasks, 5, 1000)
        assert sample(folder, model, tasks[::-1], 5, 1000) == whole
