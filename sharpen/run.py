"""Run: the verbs that cost, each recorded in the ledger as it happens and replayed after a crash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Unpack

from .answers import Grader, Verdict
from .errors import ModelError, require
from .incoming import PORTION, portions, total_of
from .ledger.records import gold_key
from .models.model import Drawing, Model, Read, Sampling
from .plan import Counts, Job, Planned, Refused, given, per_job, plan
from .probes.vision_layer import best_layer
from .progress import Progress, give_back, say
from .scorers import Scorer
from .store import Place, Store
from .timing import Clock
from .types import Group, Part, Prefix, Reading, Rollout, Task, View

TRANSIENT = ("timeout", "crash")  # reasons of a verdict that is tried again, since it may have been the machine


class Run:
    """One round of one experiment: models, seed and ledger; the only object with effects.

    Every draw is addressed by (seed, scope, round, call, task, attempt), so batching, order and
    restarts change nothing; every result is stored under a hash of all it depends on, so resuming
    means computing the missing keys.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        store: Store,
        *,
        seed: int = 0,
        round: int = 0,
        scope: str = "collect",
        grader: Grader | None = None,
    ) -> None:
        self.models = models
        self.store = store
        self.seed = seed
        self.round = round
        self.scope = scope
        self.grader = grader or Grader()
        self.first: Sequence[Task] = ()  # tasks from which all portions of a round choose the same layer
        self._calls = 0
        self._clock = Clock(store, scope, round)

    def portions(self, tasks: Sequence[Task], size: int = PORTION) -> Iterator[tuple[Run, Sequence[Task]]]:
        """Split tasks so that memory does not grow with their number; no address, and so no draw, depends on `size`."""
        for number, some in enumerate(portions(tasks, size)):
            if (total := total_of(tasks)) is None or total > size:
                say(f"  tasks {number * size + 1} to {number * size + len(some)}" + (f" of {total}" if total else ""))
            run = Run(self.models, self.store, seed=self.seed, round=self.round, scope=self.scope, grader=self.grader)
            run.first = tasks[:PORTION]
            yield run, some
            give_back()

    def sample(
        self,
        tasks: Sequence[Task],
        n: Counts,
        *,
        view: View | None = None,
        model: str = "policy",
        **drawing: Unpack[Drawing],
    ) -> list[Group]:
        """Write n attempts (one number, or one per task) at tasks shown through `view`; a group per task, in order.

        `drawing` holds settings of `models.Sampling`, by name: temperature, top_p, top_k, min_p, stop, ….
        """
        jobs = [Job(t, view(t) if view else t) for t in tasks]
        sampling = self._sampling(model, drawing)
        return self._write("sample", jobs, n, model, sampling, view)

    def resume(
        self,
        prefixes: Sequence[Prefix],
        n: Counts,
        *,
        view: View | None = None,
        model: str = "policy",
        **drawing: Unpack[Drawing],
    ) -> list[Group]:
        """Write n continuations of each prefix, or as many as n says of each, asked with the task or its `view`.

        Returns one group per prefix, in order; `verbs.merge` joins those of one task. `max_tokens`
        bounds the whole response, prefix included.
        """
        jobs = [Job(p.parent.task, view(p.parent.task) if view else p.parent.task, p) for p in prefixes]
        sampling = self._sampling(model, drawing)
        return self._write("resume", jobs, n, model, sampling, view)

    def given(self, answers: Sequence[tuple[Task, Part | str]], *, model: str = "policy") -> list[Group]:
        """Record ready-made responses; one group each, in order, empty where prompt and response are too long.

        A text becomes a teacher's part, tokenised once, here; the ids of a part stay as they are.
        """
        writer = self.models[model]
        tasks = self.store.add_tasks([task for task, _ in answers])
        groups: list[Group] = []
        for task, (_, said) in zip(tasks, answers, strict=True):
            rollout = given(task, writer.part(said) if isinstance(said, str) else said)
            used = len(writer.prompt(task).ids) + len(rollout.ids)
            if used > writer.context:
                self.note("too long", f"prompt and given response exceed {writer.context} tokens", task=task)
            groups.append(Group(task, (rollout,) if used <= writer.context else ()))
        return self.store.add_given(self.scope, self.round, groups)

    def read(
        self,
        rollouts: Sequence[Rollout],
        *,
        view: View | None = None,
        model: str = "policy",
        top: int = 5,
        layers: Sequence[int] = (),
        maps: Sequence[Sequence[int]] | None = None,
    ) -> list[Reading]:
        """Measure each token by one teacher-forced pass, by default with what was shown; `maps`: per rollout."""
        reader = self.models[model]
        prompts = [reader.prompt(view(r.task) if view else r.seen) for r in rollouts]
        reads = [
            Read(prompt, r.ids, tuple(layers), top, tuple(tokens))
            for prompt, r, tokens in zip(prompts, rollouts, maps or [()] * len(rollouts), strict=True)
        ]
        keys = [read.key(reader.identity) for read in reads]
        found = self.store.readings(keys)
        missing = {key: read for key, read in zip(keys, reads, strict=True) if key not in found}
        order = list(missing)
        bar = Progress(f"{self.scope} {self.round} read", len(order))
        with self._clock.timed("read") as spent:
            for at, reading in bar.over(reader.read(list(missing.values()))):
                self.store.add_reading(order[at], reading)
                found[order[at]] = reading
                spent.tokens += len(reading.logprobs)
        return [found[key] for key in keys]

    def score(self, groups: Sequence[Group], *scorers: Scorer) -> list[Group]:
        """Judge every attempt by each scorer; the scores are on the returned attempts and in the ledger."""
        scored = list(groups)
        for scorer in scorers:
            with self._clock.timed(f"score {scorer.name}"):
                values = scorer(scored, self)
            for group, row in zip(scored, values, strict=True):
                if len(row) != len(group.rollouts):
                    raise ValueError(
                        f"scorer {scorer.name!r} gave {len(row)} scores for the {len(group.rollouts)} attempts "
                        f"at task {group.task.id!r}; it must give one for each"
                    )
            scored = [
                Group(g.task, tuple(r.scored(scorer, v) for r, v in zip(g.rollouts, row, strict=True)))
                for g, row in zip(scored, values, strict=True)
            ]
            self.store.add_scores(scorer.name, [(r.key, r[scorer]) for g in scored for r in g.rollouts])
        return scored

    def judge(self, rollouts: Sequence[Rollout], grader: Grader | None = None) -> list[Verdict]:
        """Say of each attempt whether it is right; a verdict of this grader on this gold answer is not given twice."""
        grader = grader or self.grader
        golds = [gold_key(r.task) for r in rollouts]
        held = self.store.verdicts(grader.name, [r.key for r in rollouts])
        found = {at: v for at, v in held.items() if v.reason not in TRANSIENT}
        new = {(r.key, gold): r for r, gold in zip(rollouts, golds, strict=True) if (r.key, gold) not in found}
        for at in new.keys() & held.keys():
            self.note("retried", f"a verdict that ended in {held[at].reason}", new[at])
        graded = grader.grade_all([(r.text, r.task) for r in new.values()])
        self.store.add_verdicts(grader.name, ((*at, v) for at, v in zip(new, graded, strict=True)))
        found.update(zip(new, graded, strict=True))
        return [found[r.key, gold] for r, gold in zip(rollouts, golds, strict=True)]

    def ask(self, tasks: Sequence[Task], *, model: str = "policy", max_tokens: int | None = None) -> list[str]:
        """Return one greedy answer in words per task, "" where the prompt was too long: for judges and proposers."""
        jobs = [Job(t, t) for t in self.store.add_tasks(tasks)]
        groups = self._write(
            "ask", jobs, 1, model, self._sampling(model, {"temperature": 0.0, "max_tokens": max_tokens})
        )
        return [g.rollouts[0].text if g.rollouts else "" for g in groups]

    def layer(self, chosen: int | Literal["auto"] | None, tasks: Sequence[Task] = ()) -> int:
        """Return a decoder layer of the policy: ⌊L/2⌋ for None, the best of `probes.vision_layer` for "auto"."""
        layers = self.models["policy"].layers
        automatic = best_layer(self, self.first or tasks) if chosen == "auto" else layers // 2
        layer = chosen if isinstance(chosen, int) else automatic
        require(0 <= layer < layers, "layer", layer, f"0 to {layers - 1}, the layers of this model")
        return layer

    def note(self, kind: str, reason: str, rollout: Rollout | None = None, task: Task | None = None) -> None:
        """Record that something was left out or could not be told; the round's report counts these."""
        owner = task or (rollout and rollout.task)
        self.store.add_event(self.scope, self.round, kind, reason, owner.id if owner else None, rollout and rollout.key)

    def drop(self, before: Iterable[Group], after: Iterable[Group], reason: str) -> None:
        """Record each attempt that is in `before` and no more in `after` as dropped."""
        kept = {r.key for g in after for r in g.rollouts}
        for rollout in (r for g in before for r in g.rollouts if r.key not in kept):
            self.note("dropped", reason, rollout)

    def _sampling(self, model: str, drawing: Drawing) -> Sampling:
        limit = drawing.get("max_tokens")
        settings: dict[str, Any] = {**drawing, "max_tokens": self.models[model].max_tokens if limit is None else limit}
        return Sampling(**settings)

    def _write(
        self, verb: str, jobs: Sequence[Job], n: Counts, model: str, sampling: Sampling, view: View | None = None
    ) -> list[Group]:
        writer = self.models[model]
        call = (self.seed, self.scope, self.round, self._calls, verb)
        self._calls += 1
        number = self.store.call(call, sampling.as_dict(), view)
        plans = [plan(writer, call, number, job, some, sampling) for job, some in per_job(jobs, n)]
        planned = [p for p in plans if isinstance(p, Planned)]
        for job, p in zip(jobs, plans, strict=True):
            if isinstance(p, Refused):
                self.note(p.kind, p.reason, job.prefix and job.prefix.parent, job.task)
        self.store.add_prompts(planned)
        known = self.store.rollouts({key: (p.job.task, p.job.seen) for p in planned for key in p.keys})
        missing = [(p, tuple(a for a, key in enumerate(p.keys) if key not in known)) for p in planned]
        missing = [(p, attempts) for p, attempts in missing if attempts]
        if known:
            wanted = sum(len(p.keys) for p in planned)
            say(f"  {self.scope} {self.round} {verb}: {len(known)} of {wanted} attempts are in the ledger already")
        self._ask(writer, verb, missing, known)
        self.store.use(self.scope, self.round, known.values())
        return [
            Group(job.task, tuple(known[key] for key in p.keys) if isinstance(p, Planned) else ())
            for job, p in zip(jobs, plans, strict=True)
        ]

    def _ask(
        self, writer: Model, verb: str, missing: Sequence[tuple[Planned, tuple[int, ...]]], known: dict[str, Rollout]
    ) -> None:
        """Have the missing attempts written, and add each to the ledger and to `known` as it finishes."""
        requests = [replace(p.request, attempts=attempts) for p, attempts in missing]
        total = sum(len(r.attempts) for r in requests)
        bar = Progress(f"{self.scope} {self.round} {verb}", total)
        before = len(known)
        with self._clock.timed(verb) as spent:
            for written in bar.over(writer.write(requests) if requests else ()):
                of = missing[written.request][0]
                place = Place(self.scope, self.round, verb, written.attempt)
                rollout = of.rollout(written, writer.identity)
                known[rollout.key] = self.store.add_rollout(rollout, of, place)
                spent.tokens += len(written.part.ids)
        if (came := len(known) - before) != total:
            raise ModelError(f"{writer.name} gave {came} of {total} attempts, its backend's fault; they are recorded")
