"""The ledger: one SQLite file per run folder, images by hash beside it.

Every attempt is written when it finishes, under a key that hashes all it depends on, so that
resuming is computing the keys that are missing and nothing is ever replayed for another question.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast, overload

from .answers import Verdict
from .errors import StoreError
from .examples import Example, Examples
from .ledger.database import Database
from .ledger.records import task_of, task_record
from .ledger.tally import Tally, tally
from .packing import DAMAGE, pack_numbers, pack_parts, pack_reading, unpack_parts, unpack_reading
from .plan import Planned
from .types import Image, Part, Reading, Rollout, Score, Task

INSERT = f"INSERT OR REPLACE INTO rollouts VALUES ({','.join('?' * 17)})"
UNPACKED = 1024
"""Attempts whose parts are held unpacked at a time; the others are read again when they are looked at."""


class Recorded(Sequence[Part]):
    """The parts of a recorded attempt, read from the ledger when they are looked at.

    A round of a million attempts is held as a million keys, and a training set as its keys.
    """

    __slots__ = ("_key", "_store")

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    @overload
    def __getitem__(self, at: int) -> Part: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Part, ...]: ...
    def __getitem__(self, at: int | slice) -> Part | tuple[Part, ...]:
        return self._store.parts(self._key)[at]

    def __len__(self) -> int:
        return len(self._store.parts(self._key))

    def __iter__(self) -> Iterator[Part]:
        return iter(self._store.parts(self._key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorded | tuple) and tuple(self) == tuple(cast("Sequence[Part]", other))

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Recorded({self._key[:12]})"


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
    else. With `read_only` it looks at a folder that another process may be writing to.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self.images = folder / "images"
        self.db = Database(folder, read_only)
        self._unpacked: OrderedDict[str, tuple[Part, ...]] = OrderedDict()
        self._run: int | None = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._run is not None and kind is None:
            self.db.run(("UPDATE runs SET ended = ? WHERE id = ?", (now(), self._run)))
        with suppress(StoreError) if kind else nullcontext():  # the first error says more than the one it leads to
            self.db.close()

    # --- what the run is made of -----------------------------------------------------------------

    def write_manifest(self, manifest: Mapping[str, object]) -> None:
        """Begin a run: record what it is made of, in the ledger and in words beside it, whole or not at all."""
        text = json.dumps(manifest, indent=1, default=str)
        last = "INSERT INTO runs (started, command, manifest) VALUES (?, ?, ?)"
        self.db.run((last, (now(), manifest.get("command"), text)))
        self._run = next(self.db.rows("SELECT max(id) FROM runs"))[0]
        self._put(self.folder / "manifest.json", text.encode())

    def manifest(self) -> dict[str, Any]:
        """Return what the folder's last run was made of; empty where nothing says so."""
        found = list(self.db.rows("SELECT manifest FROM runs ORDER BY id DESC LIMIT 1"))
        with self._whole("the last run's manifest"):
            return dict(json.loads(found[0][0]).items()) if found else {}

    def begin(self, scope: str, round: int) -> None:
        """Forget what an earlier run, interrupted or with other settings, counted from this round on.

        Attempts, scores, verdicts and readings stay: whatever still fits is used again.
        """
        here = "WHERE scope = ? AND round >= ?"
        gone: list[tuple[str, Sequence[object]]] = [
            (f"DELETE FROM {table} {here}", (scope, round)) for table in ("uses", "events", "timings")
        ]
        if scope == "collect":
            gone.append(("DELETE FROM timings WHERE round >= ? AND scope <> 'eval'", (round,)))
            gone += [(f"DELETE FROM {table} WHERE round >= ?", (round,)) for table in ("examples", "rounds")]
        self.db.run(*gone)

    def add_tasks(self, tasks: Sequence[Task]) -> list[Task]:
        """Record tasks and put their images beside the ledger, each once.

        Returns the tasks with those images, so that a run does not depend on files that may go away.
        """
        # Images first, so that no row ever names one that is not there, whenever this is killed.
        held = {sha: self.add_image(image) for sha, image in {i.sha256: i for t in tasks for i in t.images}.items()}
        rows = ((t.id, t.fingerprint, json.dumps(task_record(t), default=str)) for t in tasks)
        self.db.write("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?)", rows)
        return [replace(t, images=tuple(held[i.sha256] for i in t.images)) if t.images else t for t in tasks]

    def tasks(self, ids: Sequence[str]) -> dict[str, Task]:
        """Return the recorded tasks among the wanted ids; raises StoreError for a damaged one."""
        found: dict[str, Task] = {}
        for name, record in self.db.among("SELECT id, task FROM tasks WHERE id IN", ids):
            with self._whole(f"task {name!r}"):
                found[name] = task_of(record, self.images)
        return found

    def add_image(self, image: Image) -> Image:
        """Write an image under its hash, whole or not at all, and return it as it lies there."""
        target = self.images / image.sha256
        if not target.exists():
            self._put(target, image.read())
        return Image(image.sha256, target)

    def _put(self, target: Path, data: bytes) -> None:
        partial = target.with_suffix(".partial")
        try:
            partial.write_bytes(data)
            partial.rename(target)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)  # half of it would take the space that is missing
            raise StoreError(
                f"cannot write {target} ({error.strerror}); free some space or make it writable, and give the same "
                "command again: what was recorded before is safe"
            ) from error

    # --- attempts --------------------------------------------------------------------------------

    def add_prompts(self, plans: Sequence[Planned]) -> None:
        """Record what attempts are shown: ids, spans and images of each distinct prompt."""
        prompts = {plan.prompt: plan.request.prompt for plan in plans}
        known = {key for (key,) in self.db.among("SELECT key FROM prompts WHERE key IN", list(prompts))}
        for image in {i.sha256: i for key, p in prompts.items() if key not in known for i in p.task.images}.values():
            self.add_image(image)  # a view may show another one than the task's
        rows = (
            (key, pack_numbers(p.ids), p.spans, json.dumps([i.sha256 for i in p.task.images]))
            for key, p in prompts.items()
            if key not in known
        )
        self.db.write("INSERT OR IGNORE INTO prompts VALUES (?, ?, ?, ?)", rows)

    def call(self, address: Sequence[object], settings: Mapping[str, object]) -> int:
        """Return the number of a call of a verb, known by its address and its sampling settings."""
        values = (json.dumps(address), json.dumps(settings))
        self.db.run(("INSERT OR IGNORE INTO calls (address, settings) VALUES (?, ?)", values))
        return int(next(self.db.rows("SELECT id FROM calls WHERE address = ? AND settings = ?", values))[0])

    def add_rollout(self, rollout: Rollout, plan: Planned, place: Place) -> Rollout:
        """Record one finished attempt and return it as the ledger holds it."""
        self.db.write_one(INSERT, self._row(rollout, place, plan.origin))
        self._hold(rollout.key, tuple(rollout.parts))
        return replace(rollout, parts=Recorded(self, rollout.key))

    def _row(self, r: Rollout, place: Place, origin: tuple[object, ...]) -> tuple[object, ...]:
        """Return an attempt as a row, its pictures written: those that a tool put into it."""
        tokens = 0
        for i, part in enumerate(r.parts):
            if part.image:
                self.add_image(part.image)
            tokens += len(part.ids) if i >= r.given else 0
        blob = pack_parts(r.parts)
        where = (place.scope, place.round, place.verb, r.task.id, place.attempt)
        return (
            *(r.key, *where, r.parent, r.given, blob, r.finish, r.model, tokens),
            *(*origin, seal(r.key, blob, r.finish)),
        )

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

    def use(self, scope: str, round: int, keys: Iterable[str]) -> None:
        """Count these attempts as part of the round, whenever they were sampled."""
        self.db.write("INSERT OR IGNORE INTO uses VALUES (?, ?, ?)", ((scope, round, key) for key in keys))

    def collected(self, round: int, tasks: Mapping[str, Task]) -> list[Rollout]:
        """Return the attempts at these tasks that a round counted, with their scores."""
        rows = self.db.rows(
            "SELECT r.key, r.task FROM uses u JOIN rollouts r ON r.key = u.rollout "
            "WHERE u.scope = 'collect' AND u.round = ? ORDER BY r.task, r.verb DESC, r.attempt, r.key",
            (round,),
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
        self.db.write("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", ((k, scorer, v) for k, v in values))

    def add_verdicts(self, grader: str, verdicts: Iterable[tuple[str, str, Verdict]]) -> None:
        """Record what a grader says of attempts, by key and gold answer."""
        rows = ((key, grader, gold, v.outcome, v.reason, v.found) for key, gold, v in verdicts)
        self.db.write("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", rows)

    def verdicts(self, grader: str, keys: Sequence[str]) -> dict[tuple[str, str], Verdict]:
        """Return what a grader, by its name with version, said of attempts, by key and gold answer."""
        query = "SELECT rollout, grader, gold, outcome, reason, found FROM verdicts WHERE rollout IN"
        rows = self.db.among(query, keys)
        return {
            (key, gold): Verdict(outcome, why, found) for key, by, gold, outcome, why, found in rows if by == grader
        }

    def add_reading(self, key: str, reading: Reading) -> None:
        """Record one reading."""
        self.db.write("INSERT OR REPLACE INTO readings VALUES (?, ?)", [(key, pack_reading(reading))])

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
        self.db.write(
            "INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?)", [(scope, round, kind, reason, task, rollout)]
        )

    def leave_out(self, rows: Iterable[tuple[str, str]]) -> None:
        """Record the rows of this run's data, and why, that became no task."""
        self.begin("import", 0)
        for name, reason in rows:
            self.add_event("import", 0, "left out", reason, name, None)

    def events(self, scope: str, round: int) -> dict[tuple[str, str], int]:
        """Return how often each (kind, reason) was recorded in a round."""
        rows = self.db.rows(
            "SELECT kind, reason, count(*) FROM events WHERE scope = ? AND round = ? GROUP BY kind, reason",
            (scope, round),
        )
        return {(kind, reason): count for kind, reason, count in rows}

    def noted(self, scope: str, round: int, kind: str) -> set[str]:
        """Return the keys of the attempts that events of this kind name."""
        query = "SELECT rollout FROM events WHERE scope = ? AND round = ? AND kind = ? AND rollout NOT NULL"
        return {key for (key,) in self.db.rows(query, (scope, round, kind))}

    def add_timing(
        self, scope: str, round: int, part: str, seconds: float, tokens: int, memory: tuple[int, int | None]
    ) -> None:
        """Record what one piece of work took; `memory` is the peak so far in bytes, of the process and the device."""
        row = (scope, round, part, seconds, tokens, *memory)
        self.db.write("INSERT INTO timings VALUES (?, ?, ?, ?, ?, ?, ?)", [row])
        self.db.sync()

    def timings(self, round: int | None = None) -> dict[str, tuple[float, int]]:
        """Return seconds and tokens by part of the work, over one round or all."""
        rows = self.db.rows(
            "SELECT scope || ' ' || part, sum(seconds), sum(tokens) FROM timings "
            "WHERE ? IS NULL OR round = ? GROUP BY scope, part",
            (round, round),
        )
        return {part: (seconds, tokens) for part, seconds, tokens in rows}

    def peak_bytes(self) -> tuple[int | None, int | None]:
        """Return the most memory that process and device were seen to use, None where nothing was recorded."""
        process, device = next(self.db.rows("SELECT max(peak_bytes), max(device_peak_bytes) FROM timings"))
        return process, device

    # --- rounds ----------------------------------------------------------------------------------

    def set_examples(self, round: int, examples: Examples) -> None:
        """Replace the round's training examples; attempts that nobody sampled here, such as a teacher's, come along."""
        self.db.run(("DELETE FROM examples WHERE round = ?", (round,)))
        written = {r.key: r for e in examples for r in e.rollouts if not isinstance(r.parts, Recorded)}
        known = {key for (key,) in self.db.among("SELECT key FROM rollouts WHERE key IN", list(written))}
        foreign = [r for key, r in written.items() if key not in known]
        given = [self._row(r, Place("collect", round, "given", i), ("", 0, 0, "[]")) for i, r in enumerate(foreign)]
        self.db.write(INSERT, given)
        rows = (example_row(round, i, e) for i, e in enumerate(examples))
        self.db.write("INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.db.sync()

    def set_round(self, round: int, result: Mapping[str, object]) -> None:
        """Record a finished round's result."""
        self.db.write("INSERT OR REPLACE INTO rounds VALUES (?, ?)", [(round, json.dumps(result))])
        self.db.sync()

    def rounds(self) -> list[dict[str, object]]:
        """Return the results of all finished rounds, in order."""
        with self._whole("a round's result"):
            rows = self.db.rows("SELECT result FROM rounds ORDER BY round")
            return [dict(json.loads(result).items()) for (result,) in rows]

    def tally(self, round: int, tasks: int, examples: int, scorer: str = "correct") -> Tally:
        """Count what a round's collection brought, by the scores in the ledger."""
        return tally(self.db, round, tasks, examples, scorer)


def now() -> str:
    """Return the time as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def seal(key: str, parts: bytes, finish: str) -> bytes:
    """Return a checksum over what an attempt's row says, so that a damaged row is found."""
    return blake2b(key.encode() + parts + finish.encode(), digest_size=8).digest()


def example_row(round: int, position: int, example: Example) -> tuple[object, ...]:
    """Return an example as a ledger row: kind, attempt, other attempt, and its numbers as JSON."""
    first, *others = example.rollouts
    numbers = {name: value for name, value in vars(example).items() if not isinstance(value, Rollout)}
    kind = type(example).__name__.lower()
    return (round, position, kind, first.key, others[0].key if others else None, json.dumps(numbers, default=str))
