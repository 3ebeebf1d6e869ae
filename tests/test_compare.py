"""Cells of a comparison: paired by task, equal in what they spend, read back when finished, reported when failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support import make_task

from sharpen.budget import Budgeted
from sharpen.cells import Cell, Shared, held, imbalance, work
from sharpen.compare import Grid, beside, compare
from sharpen.comparison import Comparison, by_seed, together
from sharpen.comparison_text import accuracy, by_round
from sharpen.errors import UserError
from sharpen.examples import Examples
from sharpen.ledger.check import faults
from sharpen.ledger.history import aside
from sharpen.methods import Method
from sharpen.methods.rest_em import RestEm
from sharpen.methods.sft_seed import SftSeed
from sharpen.methods.star import Star
from sharpen.models.scripted import Asked, Scripted
from sharpen.report.comparison import write_comparison
from sharpen.run import Run
from sharpen.statistics import Interval, Paired
from sharpen.store import Store
from sharpen.train import Train
from sharpen.types import Task

TASKS = [make_task(f"t{i}") for i in range(12)]
TEST = [replace(make_task(f"u{i}"), meta={"kind": "odd" if i % 2 else "even"}) for i in range(4)]


def rule(asked: Asked) -> str:
    """Right every second time; 18 characters and the end of turn."""
    return f"<answer>{7 if asked.attempt % 2 == 0 else 8}</answer>"


def rename(
    start: Any,
    examples: Examples,
    settings: Train,
    folder: Path,
    reference: Callable[[], Mapping[str, Sequence[float]]],
    seed: int,
) -> Scripted:
    """A trainer whose result is right at `u` tasks by the number of its examples."""
    return Scripted(rule, name=f"{folder.name} of {len(examples)}")


def run(out: Path, methods: Mapping[str, Method], model: Scripted | None = None, **more: Any) -> Comparison:
    settings: dict[str, Any] = {"seeds": [0, 1], "rounds": 1, "trainer": rename, "samples": 2, "equal": "none", **more}
    return compare(methods, model or Scripted(rule), TASKS, TEST, out=out, **settings)


def test_pairs_by_task_and_varies_both_sides_with_the_seed(tmp_path: Path) -> None:
    def seeded(asked: Asked) -> str:
        return f"<answer>{7 if asked.seed % 3 else 8}</answer>"

    methods = {"a": RestEm(samples=4), "b": RestEm(samples=2)}
    found = run(tmp_path, methods, Scripted(seeded), seeds=[0, 1, 2])
    assert [line.name for line in found.lines] == ["a", "b"]
    assert len(found.base.seeds["sampled"]) == 3
    for line in found.lines:
        assert line.columns["greedy"].value == 1  # the trained model's rule is another one
        base = found.base.columns["greedy"].value
        assert base is not None
        assert line.against_base["greedy"].difference.value == pytest.approx(1 - base)
        assert line.curve["greedy"][0].value == base
        assert line.curve["greedy"][1].value == 1
        assert line.columns["pass@2"].value == 1
        assert line.kinds["odd"]["sampled"].value == 0.5
        assert line.kinds["odd"]["sampled"].n == 2
    assert found.lines[1].against_first["greedy"].difference.value == 0
    assert "greedy - a" in found.table()
    with pytest.raises(UserError, match="0 seeds"):
        run(tmp_path, methods, seeds=[])
    with pytest.raises(UserError, match="own name"):
        run(tmp_path, {"base": RestEm()})


@pytest.mark.parametrize(("equal", "samples", "tokens"), [("tokens", 4, 912), ("attempts", 4, 912), ("none", 10, 2280)])
def test_a_method_spends_what_the_first_one_spends(tmp_path: Path, equal: str, samples: int, tokens: int) -> None:
    """12 tasks, 19 tokens an attempt: 4 samples are 912 tokens; a trial of 5 is 1,140, and 5 × 912 / 1,140 = 4."""
    more = {"b:samples=3": RestEm(samples=3), "greedy": RestEm(samples=1, temperature=0)}
    methods = {"a": RestEm(samples=4), "b": RestEm(samples=10), **more}
    found = run(tmp_path, methods, equal=equal, seeds=[0])
    assert [line.rounds[0].samples for line in found.lines] == [(4, 4), (samples, samples), (3, 3), (1, 1)]
    assert [line.tokens for line in found.lines] == [912, tokens, 684, 228]
    assert [line.tokens_per_correct for line in found.lines] == [38, 38, 28.5, 19]
    assert ("Each round was to spend" in found.table()) == (equal != "none")
    assert ("b:samples=3, greedy: own spending" in found.table()) == (equal != "none")


def test_half_the_tokens_are_half_the_samples_whatever_an_attempt_costs(store: Store) -> None:
    long = Scripted(lambda asked: "so it is " * 10 + "<answer>7</answer>")  # 108 tokens and the end of turn
    store.begin("collect", 1)
    budgeted = Budgeted(RestEm(samples=4), 4, "tokens", (12 * 19 * 20,))
    examples = budgeted.collect(Run({"policy": long}, store, round=1), store.add_tasks(TASKS))
    assert budgeted.chosen == {1: 3}  # 20 short attempts cost what 3.5 long ones do; 2 × 4,560 / 2,616 is 3.49
    assert len(examples) == 36
    assert store.tally(1, 12, 36).tokens == 12 * 109 * 3
    assert aside(store.db, 1) == 0  # the trial's two samples are among the three
    assert store.events("collect", 1) == {("budget", "3 samples instead of 4, to spend 4,560 tokens"): 1}


def test_what_a_trial_generated_and_the_round_does_not_use_stands_beside_it(tmp_path: Path) -> None:
    """A trial of 5 samples, 19 tokens each at 12 tasks, for the 2 samples that the first method's tokens allow."""
    methods = {"a": RestEm(samples=2), "b": RestEm(samples=10)}
    first, other = run(tmp_path, methods, equal="tokens", seeds=[0]).lines
    assert (first.tokens, first.aside) == (2 * 12 * 19, 0)
    assert (other.tokens, other.aside) == (2 * 12 * 19, 3 * 12 * 19)
    assert other.as_dict()["tokens_aside"] == 684
    assert list(faults(tmp_path / "b-seed0")) == []
    again = run(tmp_path / "again", methods, equal="tokens", seeds=[0])  # a killed cell: its attempts are there
    (tmp_path / "again" / "b-seed0" / "cell.json").unlink()
    assert run(tmp_path / "again", methods, equal="tokens", seeds=[0]).lines[1].rounds == again.lines[1].rounds


def test_each_round_is_told_with_the_base_model_before_it(tmp_path: Path) -> None:
    """Each round spends 2 · 12 attempts of 19 tokens, half of them right; the base model is right at no task."""
    model = Scripted(lambda asked: f"<answer>{7 if asked.task.id < 'u' and asked.attempt else 8}</answer>")
    found = run(tmp_path, {"a": RestEm(samples=2)}, model, rounds=2, seeds=[0])
    head, *rows = by_round(found)
    assert head == ["model", "round", "greedy", "sampled", "none right", "correct", "tokens", "examples"]
    assert [row[:2] for row in rows] == [["base", "0"], ["a", "1"], ["a", "2"]]
    assert rows[0][2].startswith("0.0% [0.0%")
    assert rows[0][4:] == ["-"] * 4
    assert rows[1][2].startswith("100.0%")
    assert rows[1][4:] == ["0.0 > 0.0", "12 of 24", "456", "12"]
    assert "By round" in found.table()


def test_p_is_adjusted_for_the_methods_beside_it() -> None:
    """Smallest of three times three, next times two; the first method stands with none."""

    def pair(p: float | None) -> dict[str, Paired]:
        return {"greedy": Paired(Interval(0.1, None, None, 9), p)}

    found = together([pair(0.03), pair(0.01), pair(0.2)])
    assert [row["greedy"].adjusted for row in found] == pytest.approx([0.06, 0.03, 0.2])
    assert together([pair(0.01), {}, pair(None)])[0]["greedy"].adjusted == 0.01


def test_a_comparison_tells_adjusted_p_values(tmp_path: Path) -> None:
    """All four unseen tasks differ one way: 2 / 16 by their signs, times three, for the base model is compared, too."""

    def trained(start: Any, examples: Examples, settings: Train, folder: Path, *_: Any) -> Scripted:
        good = "a-seed" in str(folder)
        return Scripted(lambda asked: f"<answer>{7 if good else 8}</answer>", name=str(folder))

    methods = {"a": RestEm(samples=4), "b": RestEm(samples=2), "c": RestEm(samples=3)}
    found = run(tmp_path, methods, trainer=trained)
    told: Any = found.lines[1].as_dict()
    assert (told["against_first"]["greedy"]["p"], told["against_first"]["greedy"]["p_holm"]) == (0.125, 0.375)
    assert found.lines[0].against_first["greedy"].adjusted is None
    assert [row[6] for row in accuracy(found)] == ["p", "1.000", "", "0.375", "0.375"]
    assert "adjusted (Holm) for the 3 comparisons with a" in found.table()


def test_a_trial_takes_back_what_it_counted_and_nothing_of_a_run_that_was_finished(tmp_path: Path) -> None:
    """Until the second run has finished the round itself, the ledger shows the first one's 48 attempts."""
    with Store(tmp_path) as store:
        store.write_manifest({}, "first")
        store.begin("collect", 1)
        RestEm(samples=4).collect(Run({"policy": Scripted(rule)}, store, round=1), store.add_tasks(TASKS))
        store.set_round(1, {})
    with Store(tmp_path) as store:
        store.write_manifest({}, "second")
        store.begin("collect", 1)
        budgeted = Budgeted(RestEm(samples=2), 2, "tokens", (12 * 19,))
        budgeted.collect(Run({"policy": Scripted(rule)}, store, round=1), store.add_tasks(TASKS))
        assert store.tally(1, 12, 0).attempts == 12
    with Store(tmp_path) as store:
        assert store.tally(1, 12, 0).attempts == 48


def test_what_the_first_method_does_not_spend_cannot_be_spent(tmp_path: Path) -> None:
    tasks = [replace(t, meta={"solution": "<answer>7</answer>"}) for t in TASKS]
    methods: dict[str, Method] = {"seed": SftSeed(), "greedy": RestEm(temperature=0), "a": RestEm(samples=4)}
    more: dict[str, Any] = {"seeds": [0], "rounds": 1, "trainer": rename, "samples": 2}
    found = compare(methods, Scripted(rule), tasks, TEST, out=tmp_path, equal="tokens", **more)
    assert [line.name for line in found.lines] == ["seed", "greedy"]
    why = "seed generates nothing to spend as much as; name another method first, or give --equal none"
    assert found.failed == [("a, seed 0", why)]


def test_what_is_told_or_tried_further_is_repair_and_no_plain_attempt(tmp_path: Path) -> None:
    """No attempt is right before the answer is told, each is when it is."""
    told = Scripted(lambda asked: f"<answer>{7 if 'answer is 7' in asked.task.question else 8}</answer>")
    found = run(tmp_path, {"star": Star()}, told).lines[0].rounds[0]
    assert (found.unsolved_before, found.unsolved_after) == (12, 0)


def test_seeds_vary_by_what_their_tasks_have_in_common() -> None:
    """Differences of 1, 1/2 and 0 by seed, as (1 + d) / 2: mean 3/4, variance 1/16, so 3 · (3/16) / (1/16) = 9 trials.

    4.303 is Student's point at two degrees.
    """
    ours = [{"greedy": {"t": a, "u": b}} for a, b in ((1.0, 1.0), (1.0, 0.0), (0.0, 0.0))]
    theirs = [{"greedy": {"t": 0.0, "u": 0.0}} for _ in ours]
    found = by_seed(ours, theirs)["greedy"]
    assert (found.value, found.n) == (0.5, 3)
    for end in (found.low, found.high):
        q = (1 + (end or 0)) / 2
        assert (q - 0.75) ** 2 == pytest.approx(4.302653**2 * q * (1 - q) / 9)
    assert by_seed([], []) == {}


def test_what_is_finished_is_read_back_and_the_rest_is_done(tmp_path: Path) -> None:
    def silent(asked: Asked) -> str:
        raise AssertionError("asked again")

    methods: dict[str, Method] = {"a": RestEm(samples=4)}
    before = run(tmp_path, methods)
    again = run(tmp_path, methods, Scripted(silent))
    assert again.as_dict() == before.as_dict()
    record = tmp_path / "a-seed1" / "cell.json"
    record.write_text(record.read_text()[:-20])  # a damaged record: the ledger has the attempts
    repaired = run(tmp_path, methods, Scripted(silent))
    assert repaired.lines[0].columns == before.lines[0].columns
    assert repaired.lines[0].untimed == 1
    assert "Seconds of 1 interrupted" in repaired.table()
    with_more = run(tmp_path, {**methods, "b": RestEm(samples=2)})
    assert [line.name for line in with_more.lines] == ["a", "b"]


def test_the_ledgers_of_all_cells_are_whole(tmp_path: Path) -> None:
    run(tmp_path, {"a": RestEm(samples=4), "b": RestEm(samples=10)}, equal="tokens", seeds=[0])
    assert {cell.name: list(faults(cell)) for cell in tmp_path.iterdir()} == {
        "base-seed0": [],
        "a-seed0": [],
        "b-seed0": [],
    }


def test_a_record_of_something_else_is_not_taken(tmp_path: Path) -> None:
    shared = Shared({"a": RestEm(samples=2)}, Scripted(rule), TASKS, TEST, 1, tmp_path, 2, trainer=rename)
    cell = Cell("a", 0)
    work(shared, cell)
    assert held(shared, cell) is not None
    assert held(shared, replace(cell, targets=(5.0,))) is None
    for other in (
        replace(shared, methods={"a": RestEm(samples=3)}),
        replace(shared, model=Scripted(rule, name="other")),
        replace(shared, tasks=TASKS[1:]),
        replace(shared, test=TEST[1:]),
        replace(shared, samples=3),
        replace(shared, rounds=2),
        replace(shared, settings=Train(epochs=9)),
    ):
        assert held(other, cell) is None


@dataclass(frozen=True)
class Fails:
    samples: int = 2
    start: Any = "base"

    def collect(self, run: Run, tasks: Sequence[Task]) -> Examples:
        if run.seed == 1:
            raise UserError("no luck")
        return RestEm(samples=2).collect(run, tasks)


def test_a_failed_cell_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    found = run(tmp_path, {"a": RestEm(samples=2), "b": Fails()})
    assert found.failed == [("b, seed 1", "no luck")]
    assert [len(line.seeds["greedy"]) for line in found.lines] == [2, 1]
    assert "FAILED b, seed 1: no luck" in found.table()
    equal = run(tmp_path / "equal", {"b": Fails(), "a": RestEm(samples=2)}, equal="tokens")
    assert equal.failed == [("b, seed 1", "no luck"), ("a, seed 1", "not run, since b failed with this seed")]
    with pytest.raises(UserError, match="no method came to an end; b, seed 1: no luck"):
        run(tmp_path / "none", {"b": Fails()}, seeds=[1])


class Recorded:
    """Works cells here, and notes in which order they began and what was done by then."""

    def __init__(self, shared: Shared, grid: Grid) -> None:
        self.shared, self.grid, self.stopped = shared, grid, False
        self.began: list[tuple[str, int, list[str]]] = []

    def __call__(self, cell: Cell) -> dict[str, Any]:
        self.began.append((cell.word, cell.seed, sorted({word for word, s in self.grid.done if s == cell.seed})))
        if cell.word == "stop":
            raise KeyboardInterrupt
        return work(self.shared, cell)

    def stop(self) -> None:
        self.stopped = True


def test_cells_beside_each_other_wait_for_what_they_need(tmp_path: Path) -> None:
    methods: dict[str, Method] = {"a": RestEm(samples=4), "b": RestEm(samples=2), "c": RestEm(samples=6)}
    shared = Shared(methods, Scripted(rule), TASKS, TEST, 1, tmp_path, 2, equal="tokens", trainer=rename)
    grid = Grid(shared, [0, 1])
    do = Recorded(shared, grid)
    beside(grid, do, 3)
    assert len(do.began) == len(grid.done) == 8
    for word, _, done in do.began:
        assert set(done) >= {"base": set(), "a": {"base"}}.get(word, {"base", "a"})
    assert not do.stopped


def test_an_interruption_stops_the_workers(tmp_path: Path) -> None:
    shared = Shared({"stop": RestEm()}, Scripted(rule), TASKS, TEST, 1, tmp_path, 2, trainer=rename)
    grid = Grid(shared, [0])
    do = Recorded(shared, grid)
    with pytest.raises(KeyboardInterrupt):
        beside(grid, do, 2)
    assert do.stopped


def test_the_imbalance_is_counted_by_task(store: Store) -> None:
    """Of four attempts task 0 has 4 right, task 1 has 2, task 2 none; at most 3 of a task are trained on."""
    texts = {"t0": "7777", "t1": "7887", "t2": "8888"}
    model = Scripted(lambda asked: f"<answer>{texts[asked.task.id][asked.attempt]}</answer>")
    store.begin("collect", 1)
    tasks = store.add_tasks(TASKS[:3])
    run = Run({"policy": model}, store, round=1)
    store.set_examples(1, RestEm(samples=4, most=3).collect(run, tasks))
    run.sample(tasks, 2)  # a later call, such as a repair: not what was sampled plainly
    assert imbalance(store, 1, tasks) == {"attempts": 4, "before": [1, 0, 1, 0, 1], "after": [1, 0, 1, 1]}


def test_the_page_shows_tables_and_figures_and_runs_nothing(tmp_path: Path) -> None:
    found = run(tmp_path, {"a": RestEm(samples=4), "<b>": RestEm(samples=2)})
    write_comparison(tmp_path / "page.html", "sharpen compare a '<b>'", found)
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "<script" not in page
    assert page.count('class="before"') > 2
    assert "12 tasks with 2 correct attempts" in page
