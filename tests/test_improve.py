"""The loop on a scripted model: rounds, restarts, errors, and examples of a method's own kind."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from support import PIXEL, make_task, query

from sharpen.errors import UserError
from sharpen.examples import Examples
from sharpen.improve import improve
from sharpen.methods.rest_em import RestEm
from sharpen.models.model import Write, Written
from sharpen.models.scripted import Asked, Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.train import Train
from sharpen.types import Image, Rollout, Task
from sharpen.verbs import each, imitate

TASKS = [make_task(f"t{i}") for i in range(4)]
TEST = [make_task(f"u{i}") for i in range(3)]


def rule(asked: Asked) -> str:
    return f"<answer>{7 if asked.attempt % 2 == 0 else 8}</answer>"


def rename(
    start: Any,
    examples: Examples,
    settings: Train,
    folder: Path,
    reference: Callable[[], Mapping[str, Sequence[float]]],
    seed: int,
) -> Scripted:
    """A trainer that only gives the model another name, and says from which one it started."""
    return Scripted(rule, name=f"{folder.name} from {start.name}")


def test_each_round_restarts_from_the_base_or_goes_on_from_the_last(tmp_path: Path) -> None:
    for start, names in (("base", "scripted"), ("last", "round-1 from scripted")):
        method = RestEm(samples=2, start=start)  # type: ignore[arg-type]
        done = improve(method, Scripted(rule), TASKS, rounds=2, out=tmp_path / start, test=TEST, trainer=rename)
        assert done.model.name == f"round-2 from {names}"
        assert [r.round for r in done.rounds] == [1, 2]
        assert done.base is not None
        assert done.base.greedy.value == 1
        assert [(r.tally.attempts, r.tally.correct, r.tally.examples) for r in done.rounds] == [(8, 4, 4)] * 2


@dataclass(frozen=True)
class Watched(RestEm):
    """Knows which of the attempts it sampled are still held when it is given the next tasks."""

    held: list[list[str]] = field(default_factory=list[list[str]])
    made: list[weakref.ref[Rollout]] = field(default_factory=list["weakref.ref[Rollout]"])

    def collect(self, run: Run, tasks: Sequence[Task]) -> Examples:
        gc.collect()
        self.held.append([r.task.id for known in self.made if (r := known()) is not None])
        groups = run.sample(tasks, self.samples)
        self.made.extend(weakref.ref(r) for r in each(groups))
        return imitate([groups[0]])


def test_of_a_portion_of_tasks_its_examples_alone_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three portions of two tasks, of which the first one's attempts become examples: of a portion two stay of four."""
    monkeypatch.setattr(sys.modules["sharpen.improve"], "PORTION", 2)
    tasks, method = [make_task(f"t{i}") for i in range(6)], Watched(samples=2)
    improve(method, Scripted(rule), tasks, rounds=1, out=tmp_path / "r", trainer=rename)
    assert method.held == [[], ["t0", "t0"], ["t0", "t0", "t2", "t2"]]


def test_a_round_without_examples_is_an_error_that_says_what_there_was(tmp_path: Path) -> None:
    model = Scripted(lambda asked: "<answer>8</answer>")
    with pytest.raises(UserError, match=r"none of 8 attempts at 4 tasks became an example \(0 correct"):
        improve(RestEm(samples=2), model, TASKS, rounds=1, out=tmp_path / "r", trainer=rename)


def test_tasks_of_one_id_are_refused(tmp_path: Path) -> None:
    for tasks, test in (([TASKS[0], TASKS[0]], []), (TASKS, [TASKS[0]])):
        with pytest.raises(UserError, match="two tasks have the id 't0'"):
            improve(RestEm(samples=2), Scripted(rule), tasks, rounds=1, out=tmp_path / "r", test=test, trainer=rename)
    assert not (tmp_path / "r").exists()


def test_a_shorter_run_in_the_same_folder_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    out = tmp_path / "r"
    improve(RestEm(samples=6), Scripted(rule), TASKS, rounds=3, out=out, test=TEST, trainer=rename)
    again = improve(RestEm(samples=2), Scripted(rule), TASKS, rounds=1, out=out, test=TEST, trainer=rename)
    fresh = improve(RestEm(samples=2), Scripted(rule), TASKS, rounds=1, out=tmp_path / "f", test=TEST, trainer=rename)
    assert again.rounds[0].tally == fresh.rounds[0].tally
    assert query(out, "SELECT round FROM rounds ORDER BY 1") == [(0,), (1,)]
    assert query(out, "SELECT DISTINCT round FROM examples") == [(1,)]


def test_a_folder_of_another_run_is_named_with_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(samples: int) -> str:
        manifest = {"method": "RestEm", "settings": {"method": {"samples": samples}, "out": tmp_path}}
        method = RestEm(samples=samples)
        improve(method, Scripted(rule), TASKS, rounds=1, out=tmp_path, trainer=rename, manifest=manifest)
        return capsys.readouterr().err

    assert "made otherwise" not in run(2)
    again = run(2)
    assert "made otherwise" not in again
    assert "collect 1 sample: 8 of 8 attempts are in the ledger already" in again
    more = run(4)
    assert "holds a run made otherwise (method.samples 2 -> 4)" in more
    assert "collect 1 sample: 8 of 16 attempts are in the ledger already" in more


def test_tasks_with_places_and_any_meta_are_stored(tmp_path: Path) -> None:
    placed = Task("p", "what is here?", (Image.of(PIXEL),), "7", places=(5,), meta={"seen": {1, 2}})
    done = improve(RestEm(samples=2), Scripted(rule), [placed], rounds=1, out=tmp_path / "r", trainer=rename)
    assert done.rounds[0].tally.examples == 1
    assert '"places": [5]' in query(tmp_path / "r", "SELECT task FROM tasks")[0][0]


@dataclass(frozen=True)
class Longest:
    """An example kind of a method's own."""

    needs_reference: ClassVar[bool] = True
    attempts: tuple[Rollout, ...]
    margin: float = 0.5

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        return self.attempts


@dataclass(frozen=True)
class Own:
    start: Literal["base", "last"] = "base"

    def collect(self, run: Run, tasks: Sequence[Task]) -> list[Longest]:
        return [Longest(g.rollouts) for g in run.sample(tasks, 2)]


def test_a_method_may_bring_examples_of_its_own_kind(tmp_path: Path) -> None:
    from sharpen.train.batch import units
    from sharpen.train.trainer import needs_reference

    seen: list[Examples] = []

    def keep(start: Any, examples: Examples, *rest: Any) -> Scripted:
        seen.append(examples)
        return Scripted(rule, name="kept")

    improve(Own(), Scripted(rule), TASKS[:2], rounds=1, out=tmp_path / "r", trainer=keep)
    found = query(tmp_path / "r", "SELECT kind, other, numbers FROM examples ORDER BY position")
    assert [kind for kind, _, _ in found] == ["longest", "longest"]
    assert all(other is not None and '"margin": 0.5' in numbers for _, other, numbers in found)
    assert needs_reference(seen[0], Train())
    assert [len(u.rollouts) for u in units(seen[0])] == [2, 2]


def test_a_burst_of_attempts_is_durable_before_the_next_one_comes(tmp_path: Path) -> None:
    """A long pause after a burst, as between two batches of a large model: another connection sees the burst."""
    import time

    counts: list[int] = []

    class Bursts(Scripted):
        def write(self, requests: Sequence[Write]) -> Iterator[Written]:
            for i, written in enumerate(super().write(requests)):
                if i == 6:
                    time.sleep(0.8)
                    counts.append(query(tmp_path / "r", "SELECT count(*) FROM rollouts")[0][0])
                yield written

    with Store(tmp_path / "r") as store:
        Run({"policy": Bursts(rule)}, store).sample(TASKS, 2)
    assert counts == [6]


def test_a_prompt_too_long_to_be_asked_is_unknown_and_not_left_out_silently(store: Store) -> None:
    from sharpen.evaluate import evaluate

    long = replace(make_task("long"), question="x" * 300)
    found = evaluate(Run({"policy": Scripted(rule, context=200)}, store, scope="eval"), [TASKS[0], long], samples=2)
    assert found.greedy.n == 1
    assert found.unknown == 4  # greedy, two samples, and blind
