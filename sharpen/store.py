"""The ledger: one SQLite file per run folder, images by hash beside it.

Every attempt is written when it finishes, under a key that hashes all it depends on, so that
resuming is computing the keys that are missing and nothing is ever replayed for another question.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .answers import Verdict
from .errors import StoreError
from .examples import Examples
from .ledger import history
from .ledger.database import Database
from .ledger.files import put
from .ledger.pictures import Pictures
from .ledger.recorded import Recorded
from .ledger.records import asked_key, example_row, gold_key, seal, task_of, task_record, verdict_of
from .ledger.tally import Tally, tally
from .packing import DAMAGE, pack_numbers, pack_parts, pack_reading, unpack_parts, unpack_reading
from .plan import Planned
from .progress import peak_memory
from .types import Group, Image, Part, Reading, Rollout, Score, Task, View, digest

INSERT = f"INSERT OR REPLACE INTO rollouts VALUES ({','.join('?' * 18)})"
UNPACKED = 1024
"""Attempts whose parts are held unpacked at a time; the others are read again when they are looked at."""


@dataclass(frozen=True)
class Place:
    """Where an attempt was made: which verb of which round, and its number among those at the prompt."""

    scope: str
    round: int
    verb: str
    attempt: int


class Store:
    """A run folder's ledger: one writing process at a time; what was written is there after a kill.

    Raises StoreError where the folder is in use, not writable, full, damaged, or holds something
    else. With `read_only` it looks at a folder that another process may be writing to; without
    `create` it does not make a ledger where there is none.
    """

    def __init__(self, folder: Path, *, read_only: bool = False, create: bool = True) -> None:
        self.folder = folder
        self.images = folder / "images"
        self._pictures = Pictures(self.images)
        self.db = Database(folder, read_only, create)
        self._unpacked: OrderedDict[str, tuple[Part, ...]] = OrderedDict()
        self._named: dict[str, tuple[Task, str, str]] = {}
        self._run: int | None = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._run is not None and kind is None:
            self.db.run(("UPDATE runs SET ended = ? WHERE id = ?", (now(), self._run)))
        with suppress(StoreError) if kind else nullcontext():  # the first error says more than the one it leads to
            self.db.close()

    # --- what the run is made of -----------------------------------------------------------------

    def write_manifest(self, manifest: Mapping[str, object], made: str = "") -> None:
        """Begin a run: record what it is made of, in the ledger and in words beside it, whole or not at all.

        `made` is a hash of what decides its rounds, by default of the manifest: rounds and timings of runs made alike
        belong together.
        """
        text, command, started = json.dumps(manifest, indent=1, default=str), manifest.get("command"), now()
        made = made or digest(text)
        row = (started, started, command, text, made, seal(started, command, text, made))
        self.db.run(("INSERT INTO runs (started, seen, command, manifest, made, seal) VALUES (?, ?, ?, ?, ?, ?)", row))
        self._run = next(self.db.rows("SELECT max(id) FROM runs"))[0]
        self.db.beat = lambda: ("UPDATE runs SET seen = ? WHERE id = ?", (now(), self._run))
        put([(self.folder / "manifest.json", text.encode())])

    def manifest(self) -> dict[str, Any]:
        """Return what the folder's last run was made of; empty where nothing says so."""
        found = list(self.db.rows("SELECT manifest FROM runs ORDER BY id DESC LIMIT 1"))
        with self._whole("the last run's manifest"):
            return dict(json.loads(found[0][0]).items()) if found else {}

    def begin(self, scope: str, round: int) -> None:
        """Forget what this run, or one that was interrupted in it, counted in the round; a finished one stays.

        Attempts, scores, verdicts, readings and timings stay, too: whatever still fits is used again.
        """
        history.begin(self.db, scope, round, self._run or 0)

    def set_aside(self, scope: str, round: int) -> None:
        """Begin a round anew that was only tried; `history.aside` counts what that took."""
        history.set_aside(self.db, scope, round, self._run or 0)

    def add_tasks(self, tasks: Sequence[Task]) -> list[Task]:
        """Record tasks and put their images beside the ledger, each once.

        Returns the tasks with those images, so that a run does not depend on files that may go away. A task that asks
        something else under the same id is recorded beside the old one; another gold answer replaces the old one.
        """
        # Images first, so that no row ever names one that is not there, whenever this is killed.
        held = self.add_images(image for task in tasks for image in task.images)
        rows = ((t.id, asked_key(t), t.fingerprint, json.dumps(task_record(t), default=str)) for t in tasks)
        self.db.write("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", rows)
        return [replace(t, images=tuple(held[i.sha256] for i in t.images)) if t.images else t for t in tasks]

    def tasks(self, ids: Sequence[str]) -> dict[str, Task]:
        """Return the recorded tasks among the wanted ids, as they were asked last; StoreError for a damaged one."""
        return {task.id: task for task in self.questions(ids).values()}

    def questions(self, ids: Sequence[str]) -> dict[tuple[str, str], Task]:
        """Return all that was ever asked under the wanted ids, by id and `asked_key`, the last one last."""
        found: dict[tuple[str, str], Task] = {}
        for _, name, asked, record in sorted(
            self.db.among("SELECT rowid, id, asked, task FROM tasks WHERE id IN", ids)
        ):
            with self._whole(f"task {name!r}"):
                found[name, asked] = task_of(record, self.images)
        return found

    def add_images(self, images: Iterable[Image]) -> dict[str, Image]:
        """Write images that are missing or damaged under their hashes; return them as they lie there, by hash."""
        return self._pictures.add(images)

    # --- attempts --------------------------------------------------------------------------------

    def add_prompts(self, plans: Sequence[Planned]) -> None:
        """Record what attempts are shown: ids, spans and images of each distinct prompt."""
        prompts = {plan.prompt: plan.request.prompt for plan in plans}
        known = {key for (key,) in self.db.among("SELECT key FROM prompts WHERE key IN", list(prompts))}
        # A view may show another image than the task's.
        self.add_images(i for key, p in prompts.items() if key not in known for i in p.task.images)
        rows = (
            (key, pack_numbers(p.ids), p.spans, json.dumps([i.sha256 for i in p.task.images]))
            for key, p in prompts.items()
            if key not in known
        )
        self.db.write("INSERT OR IGNORE INTO prompts VALUES (?, ?, ?, ?)", rows)

    def call(self, address: Sequence[object], settings: Mapping[str, object], view: View | None = None) -> int:
        """Return the number of a call of a verb, known by its address, its sampling settings and the view's name."""
        values = (json.dumps(address), json.dumps({**settings, "view": view.__name__} if view else settings))
        self.db.run(("INSERT OR IGNORE INTO calls (address, settings) VALUES (?, ?)", values))
        return int(next(self.db.rows("SELECT id FROM calls WHERE address = ? AND settings = ?", values))[0])

    def add_rollout(self, rollout: Rollout, plan: Planned, place: Place) -> Rollout:
        """Record one finished attempt and return it as the ledger holds it."""
        self.db.write_one(INSERT, self._row(rollout, place, plan.origin))
        self._hold(rollout.key, tuple(rollout.parts))
        return replace(rollout, parts=Recorded(self, rollout.key))

    def add_given(self, scope: str, round: int, groups: Sequence[Group]) -> list[Group]:
        """Record attempts that nobody sampled here, such as a teacher's, and return them as the ledger holds them."""
        new = {r.key: r for g in groups for r in g.rollouts}
        for (key,) in self.db.among("SELECT key FROM rollouts WHERE key IN", list(new)):
            del new[key]
        rows = [self._row(r, Place(scope, round, "given", i), ("", 0, 0, "[]")) for i, r in enumerate(new.values())]
        self.db.write(INSERT, rows)
        return [Group(g.task, tuple(replace(r, parts=Recorded(self, r.key)) for r in g.rollouts)) for g in groups]

    def _row(self, r: Rollout, place: Place, origin: tuple[object, ...]) -> tuple[object, ...]:
        """Return an attempt as a row, its pictures written: those that a tool put into it."""
        tokens = 0
        drawn: list[Image] = []
        for i, part in enumerate(r.parts):
            if part.image:
                drawn.append(part.image)
            tokens += len(part.ids) if i >= r.given else 0
        if drawn:
            self.add_images(drawn)
        blob, (asked, _) = pack_parts(r.parts), self._names(r.task)
        where = (place.scope, place.round, place.verb, r.task.id, asked, place.attempt)
        return (
            *(r.key, *where, r.parent, r.given, blob, r.finish, r.model, tokens),
            *(*origin, seal(r.key, asked, blob, r.finish)),
        )

    def _names(self, task: Task) -> tuple[str, str]:
        """Return the hashes of a task's question and of its gold answer; attempts at one come together."""
        held = self._named.get(task.id)
        if held is None or held[0] is not task:
            if len(self._named) >= UNPACKED:
                self._named.clear()
            held = self._named[task.id] = (task, asked_key(task), gold_key(task))
        return held[1:]

    def parts(self, key: str) -> tuple[Part, ...]:
        """Return the parts of a recorded attempt; raises StoreError where it is not in the ledger."""
        held = self._unpacked.get(key)
        if held is None:
            found = list(self.db.rows("SELECT parts FROM rollouts WHERE key = ?", (key,)))
            if not found:
                raise StoreError(f"{self.db.path} has no attempt {key}; give the command that sampled it again")
            held = self._hold(key, self.unpack(key, found[0][0]))
        return held

    def unpack(self, key: str, parts: bytes) -> tuple[Part, ...]:
        """Return the parts that an attempt's row holds; raises StoreError for a damaged one."""
        with self._whole(f"attempt {key}"):
            return unpack_parts(parts, self.images)

    @contextmanager
    def _whole(self, what: str) -> Generator[None]:
        try:
            yield
        except DAMAGE as error:
            advice = f"`sharpen check {self.folder}` names all that is; restore it, or give another --out"
            raise StoreError(f"{self.db.path}: {what} is damaged ({error}); {advice}") from error

    def _hold(self, key: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        self._unpacked[key] = parts
        if len(self._unpacked) > UNPACKED:
            self._unpacked.popitem(last=False)
        return parts

    def rollouts(self, wanted: Mapping[str, tuple[Task, Task]]) -> dict[str, Rollout]:
        """Return the recorded attempts among the wanted keys, given each one's task and what it was shown."""
        found: dict[str, Rollout] = {}
        for key, parent, given, finish, model in self.db.among(
            "SELECT key, parent, given, finish, model FROM rollouts WHERE key IN", list(wanted)
        ):
            task, seen = wanted[key]
            found[key] = Rollout(key, task, seen, Recorded(self, key), finish, model, given, parent)
        return found

    def use(self, scope: str, round: int, rollouts: Iterable[Rollout]) -> None:
        """Count these attempts, as ones at their tasks' gold answers, in the round, whenever they were sampled."""
        rows = ((scope, round, self._run or 0, r.key, self._names(r.task)[1]) for r in rollouts)
        self.db.write("INSERT OR REPLACE INTO uses VALUES (?, ?, ?, ?, ?)", rows)

    def collected(self, round: int, tasks: Mapping[str, Task]) -> list[Rollout]:
        """Return the attempts at these tasks that a round counted, with their scores."""
        rows = self.db.rows(
            "SELECT r.key, r.task FROM uses u JOIN rollouts r ON r.key = u.rollout "
            "WHERE u.scope = 'collect' AND u.round = ? AND u.run = ? ORDER BY r.task, r.verb DESC, r.attempt, r.key",
            (round, self._seen(round)),
        )
        wanted = {key: (tasks[task], tasks[task]) for key, task in rows if task in tasks}
        found = self.rollouts(wanted)
        scores: dict[str, dict[str, Score]] = {}
        for key, scorer, value in self.db.among(
            "SELECT rollout, scorer, value FROM scores WHERE rollout IN", list(wanted)
        ):
            scores.setdefault(key, {})[scorer] = value
        return [replace(found[key], scores=scores.get(key, {})) for key in wanted]

    # --- judgements ------------------------------------------------------------------------------

    def add_scores(self, scorer: str, values: Iterable[tuple[str, Score]]) -> None:
        """Record one scorer's judgement of attempts by key."""
        rows = ((key, scorer, None if value is None else float(value)) for key, value in values)
        self.db.write("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", ((*row, seal(*row)) for row in rows))

    def add_verdicts(self, grader: str, verdicts: Iterable[tuple[str, str, Verdict]]) -> None:
        """Record what a grader says of attempts, by key and gold answer."""
        rows = ((key, grader, gold, v.outcome, v.reason, v.found) for key, gold, v in verdicts)
        self.db.write(
            "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?)", ((*row, seal(*row)) for row in rows)
        )

    def verdicts(self, grader: str, keys: Sequence[str]) -> dict[tuple[str, str], Verdict]:
        """Return what a grader, by its name with version, said of attempts, by key and gold answer."""
        query = "SELECT rollout, grader, gold, outcome, reason, found FROM verdicts WHERE rollout IN"
        found: dict[tuple[str, str], Verdict] = {}
        for key, by, gold, *said in self.db.among(query, keys):
            if by == grader:
                found[key, gold] = self.verdict(key, *said)
        return found

    def verdict(self, key: str, outcome: str, reason: str | None, found: str | None) -> Verdict:
        """Return a verdict from its row; raises StoreError for a damaged one."""
        with self._whole(f"a verdict on attempt {key}"):
            return verdict_of(outcome, reason, found)

    def add_reading(self, key: str, reading: Reading) -> None:
        """Record one reading."""
        row = (key, pack_reading(reading))
        self.db.write_one("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", (*row, seal(*row)))

    def readings(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return the recorded readings among the wanted keys."""
        rows = self.db.among("SELECT key, reading FROM readings WHERE key IN", keys)
        found: dict[str, Reading] = {}
        for key, blob in rows:
            with self._whole(f"reading {key}"):
                found[key] = unpack_reading(blob)
        return found

    # --- what happened ---------------------------------------------------------------------------

    def add_event(self, scope: str, round: int, kind: str, reason: str, task: str | None, rollout: str | None) -> None:
        """Record that something was left out or could not be told, once per reason and place."""
        row = (scope, round, self._run or 0, kind, reason, task, rollout)
        self.db.write_one("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?,?)", row)

    def events(self, scope: str, round: int) -> dict[tuple[str, str], int]:
        """Return how often each (kind, reason) was recorded in a round."""
        rows = self.db.rows(
            "SELECT kind, reason, count(*) FROM events WHERE scope = ? AND round = ? AND run = ? GROUP BY kind, reason",
            (scope, round, self._seen(round)),
        )
        return {(kind, reason): count for kind, reason, count in rows}

    def noted(self, scope: str, round: int, kind: str) -> set[str]:
        """Return the keys of the attempts that events of this kind name."""
        here = "WHERE scope = ? AND round = ? AND run = ? AND kind = ?"
        query = f"SELECT rollout FROM events {here} AND rollout NOT NULL"
        return {key for (key,) in self.db.rows(query, (scope, round, self._seen(round), kind))}

    def _seen(self, round: int) -> int:
        """Return the run whose round is looked at: this one's, or the one's that finished it."""
        return history.seen_run(self.db, round) if self._run is None else self._run

    def add_timing(
        self, scope: str, round: int, part: str, seconds: float, tokens: int, memory: tuple[int, int | None]
    ) -> None:
        """Record what one piece of work took; `memory` is the peak so far in bytes, of the process and the device."""
        row = (scope, round, self._run or 0, part, seconds, tokens, *memory)
        self.db.write("INSERT INTO timings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [row])
        self.db.sync()

    @contextmanager
    def timed(self, scope: str, round: int, part: str) -> Generator[None]:
        """Record what a piece of work without tokens took, whether it came to its end or not."""
        began, ended = time.monotonic(), False
        try:
            yield
            ended = True
        finally:
            with nullcontext() if ended else suppress(StoreError):  # the first error says more than this one
                self.add_timing(scope, round, part, time.monotonic() - began, 0, peak_memory())

    def timings(self, round: int | None = None) -> dict[str, tuple[float, int]]:
        """Return seconds and tokens by part, over one round or all, of every process that did this work."""
        run = history.seen_run(self.db, round) if self._run is None else self._run
        return history.timings(self.db, round, run)

    def peak_bytes(self) -> tuple[int | None, int | None]:
        """Return the most memory that process and device were seen to use, None where nothing was recorded."""
        process, device = next(self.db.rows("SELECT max(peak_bytes), max(device_peak_bytes) FROM timings"))
        return process, device

    # --- rounds ----------------------------------------------------------------------------------

    def set_examples(self, round: int, examples: Examples) -> None:
        """Replace the run's examples of a round; attempts that nobody sampled here, such as a teacher's, come along."""
        run = self._run or 0
        unfinished = "run = ?2 OR run NOT IN (SELECT run FROM rounds WHERE round = ?1)"
        self.db.run((f"DELETE FROM examples WHERE round = ?1 AND ({unfinished})", (round, run)))
        foreign = [Group(r.task, (r,)) for e in examples for r in e.rollouts if not isinstance(r.parts, Recorded)]
        self.add_given("collect", round, foreign)
        rows = (example_row(round, run, i, e) for i, e in enumerate(examples))
        self.db.write("INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.db.sync()

    def set_round(self, round: int, result: Mapping[str, object], grader: str = "") -> None:
        """Record a finished round, judged by this grader, in the place of an earlier run's."""
        history.finish(self.db, round, self._run or 0, grader, result)
        self.db.sync()

    def forget_after(self, round: int) -> None:
        """Forget the rounds after the last one of this run, which a longer one had left."""
        history.forget_after(self.db, round)

    def rounds(self) -> list[dict[str, object]]:
        """Return the results of all finished rounds, in order."""
        with self._whole("a round's result"):
            rows = self.db.rows("SELECT result FROM rounds ORDER BY round")
            return [dict(json.loads(result).items()) for (result,) in rows]

    def tally(self, round: int, tasks: int, examples: int, scorer: str = "correct") -> Tally:
        """Count what a round's collection brought, by the scores in the ledger."""
        return tally(self.db, round, self._seen(round), tasks, examples, scorer)


def now() -> str:
    """Return the time as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
