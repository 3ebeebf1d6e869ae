"""Batch size, order and a crash in between change no attempt: draws are addressed, and float32 is exact enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import Wrapped

from sharpen.models import hf, load
from sharpen.models.model import Write, Written
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Task
from sharpen.worlds import world

TASKS = 12
ATTEMPTS = 9


class Crashing(Wrapped):
    """A model whose process ends after some attempts."""

    def __init__(self, inner: Any, after: int) -> None:
        super().__init__(inner)
        self.after = after

    def write(self, requests: Sequence[Write]) -> Iterator[Written]:
        for i, written in enumerate(self.inner.write(requests)):
            if i == self.after:
                raise ConnectionError
            yield written


def sample(folder: Path, model: Any, tasks: Sequence[Task]) -> dict[tuple[str, int], tuple[int, ...]]:
    with Store(folder) as store:
        groups = Run({"policy": model}, store).sample(tasks, ATTEMPTS)
        return {(g.task.id, i): r.ids for g in groups for i, r in enumerate(g.rollouts)}


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load("tiny")


@pytest.mark.parametrize("kind", ["scripted", "tiny"])
def test_batch_sizes_1_7_64_and_a_crash_give_the_same_ids(
    kind: str, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny if kind == "tiny" else Scripted(lambda asked: f"{asked.seed * (asked.attempt + 1) % 9973}")
    tasks = world("digits").tasks("train", TASKS)
    whole = sample(tmp_path / "whole", model, tasks)
    assert len(set(whole.values())) > TASKS
    for rows in (1, 7, 64):
        monkeypatch.setattr(hf, "ROWS", rows)
        folder = tmp_path / str(rows)
        with pytest.raises(ConnectionError):
            sample(folder, Crashing(model, 40), tasks)
        assert sample(folder, model, tasks[::-1]) == whole
