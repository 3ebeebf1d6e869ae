"""VISTA-DPO: who is paired with whom, what weighs how much, how fast it trains, and that the reference is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support import make_reading, make_task

from sharpen.budget import Budgeted
from sharpen.cells import Cell, Shared, depends_on
from sharpen.examples import Examples, Imitate, Prefer
from sharpen.improve import improve
from sharpen.methods import Method
from sharpen.methods.vista import Vista
from sharpen.methods.vista_dpo import VistaDpo
from sharpen.models.model import Read
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.train import Train
from sharpen.train.batch import units
from sharpen.types import Reading

RIGHT = ["a <answer>7</answer>", "b <answer>7</answer>"]
WRONG = ["c <answer>8</answer>", "d <answer>8</answer>"]
TEXTS = {"mixed": [*RIGHT, *WRONG, "<think>it never ends"], "easy": RIGHT * 2 + RIGHT[:1]}


def collect(store: Store, seed: int = 0, **settings: Any) -> Examples:
    # A continuation is wrong: it must not be among the failed ones to choose from.
    model = Scripted(
        lambda asked: "<answer>9</answer>" if asked.given else TEXTS[asked.task.id][asked.attempt],
        lambda task, text: make_reading(text, [9]),
    )
    run = Run({"policy": model}, store, seed=seed, round=1)
    store.begin("collect", 1)
    return VistaDpo(samples=5, **settings).collect(run, [make_task(name) for name in TEXTS])


def test_each_correct_attempt_is_paired_with_one_failed_at_the_same_question(store: Store) -> None:
    examples = collect(store)
    pairs = [e for e in examples if isinstance(e, Prefer)]
    assert [p.chosen.text for p in pairs] == RIGHT
    assert all(p.rejected.text in WRONG and p.rejected.parent is None for p in pairs)
    assert [(e.rollout.text, e.weight) for e in examples if isinstance(e, Imitate)] == [(t, 0.5) for t in RIGHT]
    assert [[type(e) for e in unit.examples] for unit in units(examples)] == [[Prefer, Imitate]] * 2


def test_a_correct_attempt_without_a_failed_one_is_dropped_and_counted(store: Store) -> None:
    collect(store)
    assert store.events("collect", 1)["dropped", "no failed attempt at the question to pair it with"] == 5


def test_the_draw_is_seeded_and_reaches_every_failed_attempt(store: Store) -> None:
    def drawn(seed: int) -> list[str]:
        return [e.rejected.text for e in collect(store, seed) if isinstance(e, Prefer)]

    assert drawn(0) == drawn(0)
    assert {text for seed in range(8) for text in drawn(seed)} == set(WRONG)


class Reads(Scripted):
    """Counts what is read."""

    count = 0

    def read(self, requests: Sequence[Read]) -> Iterator[tuple[int, Reading]]:
        Reads.count += len(requests)
        return super().read(requests)


def test_the_reference_is_read_once_a_round_and_not_again_after_a_crash(tmp_path: Path) -> None:
    seen: list[Mapping[str, Sequence[float]]] = []

    def crash(
        start: Any, examples: Examples, settings: Any, folder: Path, reference: Callable[[], Any], seed: int
    ) -> Any:
        seen.append(reference())
        raise RuntimeError("killed while training")

    model = Reads(lambda asked: TEXTS["mixed"][asked.attempt], lambda task, text: make_reading(text))
    method = VistaDpo(samples=5, resamples=0, threshold=float("-inf"))
    for reads in (4, 0):  # at most two chosen and two rejected, then none
        Reads.count = 0
        with pytest.raises(RuntimeError, match="killed"):
            improve(method, model, [make_task("mixed")], rounds=1, out=tmp_path / "r", trainer=crash)
        assert Reads.count == (len(seen[0]) if reads else 0)
    assert 3 <= len(seen[0]) <= 4
    assert seen[0].keys() == seen[1].keys()


class Recommends(Scripted):
    """A model whose folder recommends a rate for imitation."""

    recommended: ClassVar = {"train": {"lr": 5e-4, "epochs": 3}}


def rate(out: Path, method: Method, kind: type[Scripted] = Recommends, settings: Train | None = None) -> float | None:
    """The rate that reaches the trainer, None where it is left to the model."""
    seen: list[Train] = []

    def trainer(start: Any, examples: Examples, settings: Train, *_: Any) -> Scripted:
        seen.append(settings)
        return Scripted(lambda asked: RIGHT[0])

    model = kind(lambda asked: TEXTS["mixed"][asked.attempt], lambda task, text: make_reading(text))
    improve(method, model, [make_task("mixed")], rounds=1, out=out, trainer=trainer, settings=settings)
    return seen[0].lr


def test_dpo_trains_with_a_tenth_of_the_rate_recommended_for_imitation(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"samples": 5, "resamples": 0, "threshold": float("-inf")}
    dpo = VistaDpo(**plain)
    assert rate(tmp_path / "a", dpo) == pytest.approx(5e-5)
    assert rate(tmp_path / "b", VistaDpo(**plain, lr_share=0.5)) == pytest.approx(2.5e-4)
    assert rate(tmp_path / "c", Budgeted(dpo, 5, "tokens", (100,))) == pytest.approx(5e-5)
    assert rate(tmp_path / "d", Vista(**plain)) is None
    assert rate(tmp_path / "e", dpo, settings=Train(lr=1e-5)) == 1e-5  # what the user says, as it is
    assert rate(tmp_path / "f", dpo, Scripted) is None  # nothing to take a share of: the trainer's own 1e-5


def test_a_cell_of_another_rate_is_another_cell(tmp_path: Path) -> None:
    tasks = [make_task("mixed")]

    def depends(method: Method) -> object:
        shared = Shared({"m": method}, Recommends(lambda asked: ""), tasks, tasks, 1, tmp_path, 2)
        return depends_on(shared, Cell("m", 0))

    assert depends(VistaDpo()) == depends(VistaDpo())
    assert depends(VistaDpo()) != depends(VistaDpo(lr_share=1.0))
