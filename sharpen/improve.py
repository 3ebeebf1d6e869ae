"""The loop, once for all methods: collect, train, evaluate, next round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import canary
from .answers import Grader
from .data.contamination import Overlap
from .evaluate import SAMPLES, Evaluation, evaluate
from .examples import Examples
from .incoming import PORTION, distinct
from .ledger.left_out import recorded
from .methods import Method, require_plan
from .models.model import Model
from .progress import say
from .report.cards import write_cards, write_run_card
from .rounds import Improved, Round, announce, announce_events, announce_folder, flat, made_of, require_work, summarise
from .run import Run
from .statistics import span
from .store import Store
from .trackers import Tracking
from .train import Train, Trainer, rated, record, shared
from .types import Task
from .verbs import rollouts_of
from .views import asked


def improve(
    method: Method,
    model: Model,
    tasks: Sequence[Task],
    *,
    rounds: int,
    out: Path | str,
    test: Sequence[Task] = (),
    settings: Train | None = None,
    seed: int = 0,
    samples: int = SAMPLES,
    trainer: Trainer | None = None,
    base: Evaluation | None = None,
    grader: Grader | None = None,
    manifest: Mapping[str, object] | None = None,
    left_out: Sequence[tuple[str, str]] = (),
    contaminated: Sequence[Overlap] = (),
    track: Sequence[str] = (),
) -> Improved:
    """Improve a model by its own attempts, `rounds` times; the same call again goes on where it stopped.

    `tasks` are learnt from, `test` is measured on, with `samples` attempts each (nothing where it is
    empty); `out` is the run's folder; `grader` says what is right. `base` spares measuring the base model
    where that is known; `manifest` is written beside the ledger, `left_out` names rows that became no task,
    with reasons, and `contaminated` tasks that `test` repeats: both may grow while `tasks` are read, which is when the
    run comes to them. `track` names trackers that are told of losses and rounds. Cards say in words what came out.
    Raises UserError where a round has nothing to work or train on.
    """
    require_plan(method, rounds, tasks)
    distinct([*tasks[:PORTION], *test])
    settings, grader = settings or Train(), grader or Grader()
    with Store(Path(out)) as store:
        announce_folder(store.folder, store.manifest(), manifest or {})
        made = made_of(method, model, (tasks, test), settings, (seed, samples), grader)
        tracking = Tracking(track, store.folder, made, flat(manifest or {}))
        store.write_manifest(manifest or {}, made)
        unseen = store.add_tasks(test)
        held = recorded(store, tasks, test, left_out, contaminated)
        loop = Loop(
            *(method, model, held, unseen),
            *(store, settings, seed, samples, trainer or shared(tracking), grader, tracking),
        )
        first = [*held[:PORTION], *unseen]
        if model.neural:
            canary.check(model, first)
        base = base or loop.measure(model, 0)
        loop.finish(0, base.as_dict() if base else {})
        current, done = model, list[Round]()
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            current, result = loop.round(number, current)
            done.append(result)
        store.forget_after(rounds)
        write_run_card(store)
    tracking.end()
    return Improved(base, done, current)


@dataclass(frozen=True)
class Loop:
    """What stays the same from round to round."""

    method: Method
    base: Model
    tasks: Sequence[Task]
    test: Sequence[Task]
    store: Store
    settings: Train
    seed: int
    samples: int
    trainer: Trainer
    grader: Grader
    tracking: Tracking

    def round(self, number: int, current: Model) -> tuple[Model, Round]:
        """Collect from the current model, train, measure."""
        models = {"policy": current, "base": self.base}
        run = Run(models, self.store, seed=self.seed, round=number, grader=self.grader)
        self.store.begin(run.scope, number)
        size = len(self.tasks) if getattr(self.method, "whole", False) else PORTION
        examples = [e for part, some in run.portions(self.tasks, size) for e in self.method.collect(part, some)]
        self.store.set_examples(number, examples)
        tally = self.store.tally(number, len(self.tasks), len(examples))
        announce(tally, self.store.events(run.scope, number), self.store.timings(number))
        require_work(tally, self.store.events(run.scope, number))
        role, start = ("base", self.base) if self.method.start == "base" else ("policy", current)
        folder = record.place(self.store.folder, number)
        with self.store.timed("train", number, "train"):
            settings = rated(self.settings, start, self.method)
            trained = self.trainer(start, examples, settings, folder, partial(logprobs, run, examples, role), self.seed)
        if trained.neural:
            canary.stops(trained, start, self.tasks)
        result = summarise(self.store, number, tally, self.measure(trained, number))
        self.finish(number, result.as_dict())
        return trained, result

    def finish(self, number: int, result: Mapping[str, object]) -> None:
        """Record a finished round, tell the trackers of it, and say it on the cards."""
        self.store.set_round(number, result, self.grader.name)
        self.tracking.round(number, result)
        write_cards(self.store, number)

    def measure(self, model: Model, number: int) -> Evaluation | None:
        """Evaluate a model on the test tasks, if there are any."""
        if not self.test:
            return None
        run = Run({"policy": model}, self.store, seed=self.seed, round=number, scope="eval", grader=self.grader)
        self.store.begin(run.scope, number)
        found = evaluate(run, self.test, samples=self.samples)
        announce_events(self.store.events(run.scope, number))
        say(f"  accuracy {span(found.greedy)} greedy, {span(found.sampled)} sampled, {span(found.blind)} blind")
        return found


def logprobs(run: Run, examples: Examples, role: str) -> dict[str, tuple[float, ...]]:
    """Read each attempt of the examples as its own task, with the model that training starts from."""
    rollouts = rollouts_of(examples)
    readings = run.read(rollouts, view=asked, model=role, top=1)
    return {r.key: reading.logprobs for r, reading in zip(rollouts, readings, strict=True)}
