"""One cell of a comparison: a method with one seed in a folder of its own, and the record it leaves there.

The record is written last and whole, under a description of all that it depends on; a cell whose record fits
is read back, any other is run in its folder, where the ledger finds what it already holds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from . import canary
from .answers import Grader
from .budget import Budgeted, Equal, own_samples
from .evaluate import Evaluation, evaluate
from .improve import improve
from .incoming import identity_of
from .ledger import history
from .methods import Method
from .models.model import Model
from .probes import grounding
from .rounds import Improved
from .run import Run
from .store import Store
from .train import Train, Trainer
from .types import Task
from .variants import folder_name

if TYPE_CHECKING:
    from .data.contamination import Overlap

BASE = "base"
"""The cell that measures the base model with a seed; no method's word."""
RECORD = "cell.json"
FORMAT = 2
"""Of the record; another one is made anew."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Shared:
    """What all cells of a comparison have in common."""

    methods: Mapping[str, Method]
    model: Model
    tasks: Sequence[Task]
    test: Sequence[Task]
    rounds: int
    out: Path
    samples: int
    settings: Train = field(default_factory=Train)
    equal: Equal = "none"
    trainer: Trainer | None = None
    grader: Grader | None = None
    manifest: Mapping[str, object] = field(default_factory=dict[str, object])
    left_out: Sequence[tuple[str, str]] = ()
    contaminated: Sequence[Overlap] = ()


@dataclass(frozen=True)
class Cell:
    """A method by its word, or BASE, with a seed; `targets` is what it is to spend in each round, if anything."""

    word: str
    seed: int
    targets: tuple[float, ...] | None = None

    @property
    def label(self) -> str:
        """What a person calls it."""
        return f"{self.word}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"{folder_name(self.word)}-seed{self.seed}"


def depends_on(shared: Shared, cell: Cell) -> Record:
    """Return all that a cell's figures depend on, as JSON gives it back."""
    method = shared.methods.get(cell.word)
    said: Record = {
        "format": FORMAT,
        "method": [type(method).__name__, asdict(method)] if method else None,  # type: ignore[call-overload]
        "seed": cell.seed,
        "targets": [round(t) for t in cell.targets] if cell.targets else None,
        "unit": shared.equal if cell.targets else None,
        "model": shared.model.identity,
        "tasks": identity_of(shared.tasks) if method else None,
        "test": identity_of(shared.test),
        "rounds": shared.rounds if method else 0,
        "samples": shared.samples,
        "train": asdict(shared.settings) if method else None,
        "grader": (shared.grader or Grader()).name,
    }
    return json.loads(json.dumps(said, default=str))


def held(shared: Shared, cell: Cell) -> Record | None:
    """Return a finished cell's record; None where there is none that fits."""
    try:
        found: Any = json.loads((shared.out / cell.folder / RECORD).read_text())
    except (OSError, ValueError):  # no record, or half of one from a full disk: the ledger beside it is what counts
        return None
    fits = isinstance(found, dict) and cast("Record", found).get("depends_on") == depends_on(shared, cell)
    return cast("Record", found)["result"] if fits else None


def work(shared: Shared, cell: Cell) -> Record:
    """Run a cell to its end, write its record and return it."""
    folder = shared.out / cell.folder
    used = (folder / "ledger.db").exists()
    result = measure_base(shared, cell, folder) if cell.word == BASE else improve_by(shared, cell, folder)
    result["timed"] = not used  # what an earlier, interrupted run spent is in no clock of this one
    partial = folder / f"{RECORD}.partial"
    partial.write_text(json.dumps({"depends_on": depends_on(shared, cell), "result": result}))
    partial.rename(folder / RECORD)
    # As it is read back, so that a comparison shows the same whether or not its cells were there already.
    return json.loads(json.dumps(result))


def measure_base(shared: Shared, cell: Cell, folder: Path) -> Record:
    """Measure the base model as each method's last model is measured."""
    with Store(folder) as store:
        store.write_manifest(manifest_of(shared, cell, None))
        test = store.add_tasks(shared.test)
        if shared.model.neural:
            canary.check(shared.model, test)
        store.begin("eval", 0)
        run = Run({"policy": shared.model}, store, seed=cell.seed, scope="eval", grader=shared.grader)
        found = evaluate(run, test, samples=shared.samples)
        store.set_round(0, found.as_dict(), run.grader.name)
    with Store(folder) as store:  # opened anew, so that what is asked here counts in no round
        return {"evaluation": found.record(), "grounding": ground(shared, store, shared.model, cell.seed, 0)}


def improve_by(shared: Shared, cell: Cell, folder: Path) -> Record:
    """Improve the base model by a method and tell what its rounds came to."""
    base = held(shared, Cell(BASE, cell.seed))
    method: Method = shared.methods[cell.word]
    samples = own_samples(method)
    used = [samples] * shared.rounds if samples else None
    if cell.targets and samples and shared.equal != "none":
        method = Budgeted(method, samples, shared.equal, cell.targets)
    done = improve(
        method,
        shared.model,
        shared.tasks,
        rounds=shared.rounds,
        out=folder,
        test=shared.test,
        settings=shared.settings,
        seed=cell.seed,
        samples=shared.samples,
        trainer=shared.trainer,
        base=Evaluation.of(base["evaluation"]) if base else None,
        grader=shared.grader,
        manifest=manifest_of(shared, cell, shared.methods[cell.word]),
        left_out=shared.left_out,
        contaminated=shared.contaminated,
    )
    numbers = range(1, shared.rounds + 1)
    with Store(folder) as store:
        return {
            "evaluations": [r.evaluation.record() for r in done.rounds if r.evaluation],
            "rounds": [r.as_dict() for r in done.rounds],
            "samples": [method.chosen[n] for n in numbers] if isinstance(method, Budgeted) else used,
            "budgeted": isinstance(method, Budgeted),
            "seconds": spent_seconds(done),
            "aside": [history.aside(store.db, n) for n in numbers],
            "imbalance": [imbalance(store, n, shared.tasks) for n in numbers],
            "true_facts": [true_facts(store, n, shared.tasks) for n in numbers],
            "grounding": ground(shared, store, done.model, cell.seed, shared.rounds),
        }


def manifest_of(shared: Shared, cell: Cell, method: Method | None) -> Record:
    """Return what a cell is made of: the comparison's manifest with its own method and seed."""
    settings = cast("Record", shared.manifest.get("settings") or {})
    own = {"method": asdict(method)} if method else {}  # type: ignore[call-overload]  # a Method is a dataclass
    merged = {**settings, **own, "seed": cell.seed, "targets": cell.targets}
    return {**shared.manifest, "method": type(method).__name__ if method else None, "settings": merged}


def spent_seconds(done: Improved) -> float:
    """Return the seconds of all rounds without the measuring of their models."""
    return sum(s for r in done.rounds for part, s in r.seconds.items() if not part.startswith("eval "))


def ground(shared: Shared, store: Store, model: Model, seed: int, round: int) -> Record:
    """Probe what a model says of its images, in the evaluation's scope so that its attempts are used again."""
    run = Run({"policy": model}, store, seed=seed, round=round, scope="eval", grader=shared.grader)
    found = grounding.measure(run, store.add_tasks(shared.test))
    return {**found.as_dict(), "per_task": found.per_task}


def imbalance(store: Store, round: int, tasks: Sequence[Task]) -> Record:
    """Count tasks by their correct attempts in the round's first call of `sample`, and by the attempts trained on.

    The first call is what the method sampled plainly, before any repair, hint or filter; None where it sampled nothing.
    """
    query = (
        "SELECT r.task, count(*), count(CASE WHEN s.value = 1 THEN 1 END) FROM uses u "
        "JOIN rollouts r ON r.key = u.rollout JOIN calls c ON c.id = r.call "
        "LEFT JOIN scores s ON s.rollout = r.key AND s.scorer = 'correct' "
        "WHERE u.scope = 'collect' AND u.round = ? AND r.verb = 'sample' AND json_extract(c.address, '$[3]') = 0 "
        "GROUP BY r.task"
    )
    rows = {task: (n, right) for task, n, right in store.db.rows(query, (round,))}
    trained = (
        "SELECT r.task, count(DISTINCT r.key) FROM examples e JOIN rollouts r ON r.key = e.rollout "
        "WHERE e.round = ? GROUP BY r.task"
    )
    examples: dict[str, int] = dict(store.db.rows(trained, (round,)))
    after = Counter(examples.get(t.id, 0) for t in tasks)
    if not rows:
        return {"attempts": None, "before": None, "after": histogram(after)}
    before = Counter(rows[t.id][1] for t in tasks if t.id in rows)
    return {"attempts": max(n for n, _ in rows.values()), "before": histogram(before), "after": histogram(after)}


def histogram(counts: Mapping[int, int]) -> list[int]:
    """Return how many tasks have 0, 1, 2, … of something."""
    return [counts.get(i, 0) for i in range(max(counts, default=0) + 1)]


def true_facts(store: Store, round: int, tasks: Sequence[Task]) -> float | None:
    """Return the share of true facts in a round's training examples, the mean over those that state any."""
    query = "SELECT e.rollout, r.task FROM examples e JOIN rollouts r ON r.key = e.rollout WHERE e.round = ?"
    by_id = {t.id: t for t in tasks}
    shares = [
        grounding.true_share(by_id[task], "".join(part.text for part in store.parts(key)))
        for key, task in store.db.rows(query, (round,))
        if task in by_id
    ]
    known = [share for share in shares if share is not None]
    return fmean(known) if known else None
