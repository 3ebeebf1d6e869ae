"""`sharpen check`: an untouched folder has no fault, and each planted one is found and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import DRAWING, TASKS, measure, recorded_run, rule
from support import make_task, query

from sharpen import cli
from sharpen.answers import Grader, Verdict
from sharpen.evaluate import evaluate
from sharpen.ledger.check import Fault, faults
from sharpen.ledger.history import round_seal
from sharpen.ledger.records import seal
from sharpen.ledger.regrade import regrade
from sharpen.ledger.tally import ADDED
from sharpen.models.scripted import Asked, Scripted
from sharpen.packing import pack_parts
from sharpen.run import Run
from sharpen.store import Store
from sharpen.train import record
from sharpen.types import Part, Task

PICTURE = TASKS[0].images[0].sha256
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def found(folder: Path) -> list[Fault]:
    return list(faults(folder))


def change(folder: Path, sql: str, *values: object) -> None:
    database = sqlite3.connect(folder / "ledger.db")
    try:
        assert database.execute(sql, values).rowcount > 0, "nothing was damaged"
        database.commit()
    finally:
        database.close()


def sql(statement: str, *values: object) -> Damage:
    return lambda folder: change(folder, statement, *values)


ONE = "WHERE rowid = (SELECT min(rowid) FROM rollouts WHERE verb = '{}')"
RIGHT = "WHERE outcome = 'right' AND rollout IN (SELECT rollout FROM uses WHERE scope = 'collect' AND round = 1)"
SAMPLED, RESUMED, READY = (ONE.format(verb) for verb in ("sample", "resume", "given"))


def flip(folder: Path) -> None:
    """One bit in the middle of an attempt's parts."""
    ((blob,),) = query(folder, f"SELECT parts FROM rollouts {SAMPLED}")
    middle = len(blob) // 2
    change(
        folder,
        f"UPDATE rollouts SET parts = ? {SAMPLED}",
        blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1 :],
    )


def reseal(parts: bytes, where: str = SAMPLED) -> Damage:
    """Other parts with a seal that fits them."""

    def damage(folder: Path) -> None:
        ((key, asked, finish),) = query(folder, f"SELECT key, asked, finish FROM rollouts {where}")
        change(folder, f"UPDATE rollouts SET parts = ?, seal = ? {where}", parts, seal(key, asked, parts, finish))

    return damage


def recount(name: str, by: int) -> Damage:
    """A number of round 1 that is off."""

    def damage(folder: Path) -> None:
        ((text,),) = query(folder, "SELECT result FROM rounds WHERE round = 1")
        result = json.loads(text)
        result[name] += by
        change(folder, "UPDATE rounds SET result = ? WHERE round = 1", json.dumps(result))

    return damage


def forget(folder: Path, number: int, *names: str) -> None:
    """Take figures out of a round's result, as a program that did not know them left it."""
    ((run, grader, text),) = query(folder, f"SELECT run, grader, result FROM rounds WHERE round = {number}")
    result = json.loads(text)
    for name in names:
        del result[name]
    with Store(folder) as store:
        sealed = round_seal(store.db, number, run, grader, json.dumps(result))
    change(folder, f"UPDATE rounds SET result = ?, seal = ? WHERE round = {number}", json.dumps(result), sealed)


def test_a_folder_of_before_some_figures_were_counted_has_no_fault(folder: Path) -> None:
    forget(folder, 0, "no_answer")
    forget(folder, 1, "no_answer", "unknown_resumed")
    assert found(folder) == []


def remeasure(name: str, value: object, number: int = 1) -> Damage:
    """A measured number that does not follow from the verdicts, in a result whose seal fits it."""

    def damage(folder: Path) -> None:
        ((run, grader, text),) = query(folder, f"SELECT run, grader, result FROM rounds WHERE round = {number}")
        result = json.loads(text)
        assert name in result
        result[name] = value
        with Store(folder) as store:
            sealed = round_seal(store.db, number, run, grader, json.dumps(result))
        change(folder, f"UPDATE rounds SET result = ?, seal = ? WHERE round = {number}", json.dumps(result), sealed)

    return damage


def rejudge(folder: Path) -> None:
    """Another outcome in a verdict whose seal fits it: the accuracy is no more that of the verdicts."""
    key = query(folder, "SELECT rollout FROM uses WHERE scope = 'eval' AND round = 1 ORDER BY 1")[0][0]
    ((_, grader, gold, _, _, found),) = query(
        folder, f"SELECT rollout, grader, gold, outcome, reason, found FROM verdicts WHERE rollout = '{key}'"
    )
    ((finish,),) = query(
        folder, f"SELECT address FROM calls WHERE id = (SELECT call FROM rollouts WHERE key = '{key}')"
    )
    assert "eval" in finish
    row = (key, grader, gold, "right", None, found)
    change(
        folder,
        "UPDATE verdicts SET outcome = 'right', reason = NULL, seal = ? WHERE rollout = ?",
        seal(*row),
        key,
    )


def rescore(folder: Path) -> None:
    """Another score whose seal fits it."""
    key = query(folder, "SELECT rollout FROM scores WHERE scorer = 'correct' AND value = 0")[0][0]
    sealed = seal(key, "correct", 1.0)
    change(folder, "UPDATE scores SET value = 1, seal = ? WHERE rollout = ? AND scorer = 'correct'", sealed, key)


def model(damage: Callable[[Path], object] | None) -> Damage:
    """A trained model as the trainer records one, and what became of it."""

    def plant(folder: Path) -> None:
        place = folder / "models" / "round-1"
        (place / "adapter").mkdir(parents=True)
        (place / "model.safetensors").write_bytes(b"weights")
        (place / "adapter" / "a.json").write_text("{}")
        record.write(place, {"seconds": 1.0, "tokens": 5})
        if damage:
            damage(place)

    return plant


def retrained(folder: Path) -> None:
    """Round 1 says that it trained a model, which is not there."""
    remeasure("trained", True)(folder)


def image(sha: str, data: bytes | None) -> Damage:
    def damage(folder: Path) -> None:
        assert (folder / "images" / sha).exists()
        if data is None:
            (folder / "images" / sha).unlink()
        else:
            (folder / "images" / sha).write_bytes(data)

    return damage


def short(folder: Path) -> None:
    """A ledger that was cut short."""
    data = (folder / "ledger.db").read_bytes()
    (folder / "ledger.db").write_bytes(data[: len(data) * 2 // 3])


def misdirect(folder: Path) -> None:
    """An index that is not one of the column it is said to be of."""
    database = sqlite3.connect(folder / "ledger.db")
    database.execute("PRAGMA writable_schema = ON")
    database.execute("UPDATE sqlite_master SET sql = replace(sql, '(task)', '(model)') WHERE name = 'given_by_task'")
    database.commit()
    database.close()


KEY = "its key is not the one that follows"
COUNTS = (
    *("attempts", "correct", "resumed", "rescued", "unknown", "unknown_resumed", "unfinished", "dropped", "examples"),
    "tokens",
)
PARTS = pack_parts([Part((5, 6), "ab")])
PLANTED: dict[str, tuple[Damage, str, str]] = {
    "a truncated file": (short, "ledger.db", "damaged"),
    "an index that does not fit": (misdirect, "ledger.db", "missing from index given_by_task"),
    "a used attempt gone": (sql(f"DELETE FROM rollouts {SAMPLED}"), "uses", "is not in rollouts"),
    "a scored attempt gone": (sql(f"DELETE FROM rollouts {RESUMED}"), "scores", "is not in rollouts"),
    "a judged attempt gone": (sql(f"DELETE FROM rollouts {SAMPLED}"), "verdicts", "is not in rollouts"),
    "an example's attempt gone": (sql(f"DELETE FROM rollouts {READY}"), "examples", "its rollout 'teacher-1'"),
    "an example's other attempt unknown": (sql("UPDATE examples SET other = 'x'"), "examples", "its other 'x'"),
    "a task gone": (sql("DELETE FROM tasks WHERE id = 't1'"), "rollouts", "its task 't1' is not in tasks"),
    "a parent gone": (
        sql("DELETE FROM rollouts WHERE key = (SELECT max(parent) FROM rollouts)"),
        "rollouts",
        "what it was resumed from is lost",
    ),
    "a prompt gone": (sql("DELETE FROM prompts"), "rollouts", "what the model was shown is lost"),
    "a call gone": (sql("DELETE FROM calls WHERE id = 1"), "rollouts", "how it was sampled is lost"),
    "a task's image gone": (image(PICTURE, None), "tasks", f"its image {PICTURE} is not in images/"),
    "a prompt's image gone": (image(PICTURE, None), "prompts", f"its image {PICTURE} is not in images/"),
    "a part's image gone": (image(DRAWING.sha256, None), "rollouts", f"its image {DRAWING.sha256}"),
    "an image changed": (image(PICTURE, b"another one"), "images", "its sha256 is "),
    "an image's name no hash": (
        sql("UPDATE tasks SET task = replace(task, ?, '../lock') WHERE id = 't1'", PICTURE),
        "tasks",
        "'../lock' as an image, which is no sha256",
    ),
    "a task changed": (sql("UPDATE tasks SET task = replace(task, 'what', 'who')"), "tasks", "fingerprint"),
    "a task's id changed": (sql("UPDATE tasks SET id = 'other' WHERE id = 't1'"), "tasks", "fingerprint"),
    "a task's record broken": (sql("UPDATE tasks SET task = '{' WHERE id = 't1'"), "tasks", "cannot be read"),
    "a prompt's images changed": (sql("UPDATE prompts SET images = '[]' WHERE images <> '[]'"), "prompts", "its key"),
    "a prompt's spans cut": (sql("UPDATE prompts SET spans = x'00'"), "prompts", "1 spans for"),
    "a prompt broken": (sql("UPDATE prompts SET ids = x'00'"), "prompts", "does not unpack"),
    "a byte of the parts": (flip, "rollouts", "its seal does not fit"),
    "another finish": (sql(f"UPDATE rollouts SET finish = 'length' {RESUMED}"), "rollouts", "its seal does not fit"),
    "parts that do not unpack": (reseal(b"xx"), "rollouts", "its parts do not unpack"),
    "parts cut short": (
        reseal(zlib.compress(zlib.decompress(PARTS)[:-4])),
        "rollouts",
        "its parts do not unpack (4 bytes are left where 8 belong)",
    ),
    "parts with too much": (
        reseal(zlib.compress(zlib.decompress(PARTS) + b"0000")),
        "rollouts",
        "4 bytes are left over",
    ),
    "more parts given than there are": (
        sql(f"UPDATE rollouts SET given = 9 {SAMPLED}"),
        "rollouts",
        "9 parts are said",
    ),
    "tokens counted otherwise": (
        sql(f"UPDATE rollouts SET tokens = tokens + 1 {READY}"),
        "rollouts",
        "tokens are said to be sampled, it has 3",
    ),
    "another number of given ids": (
        sql(f"UPDATE rollouts SET address = replace(address, '2, [', '1, [') {RESUMED}"),
        "rollouts",
        "says that 2 ids were given, it has 3",
    ),
    "another attempt number": (sql(f"UPDATE rollouts SET attempt = attempt + 1 {SAMPLED}"), "rollouts", KEY),
    "another model": (sql(f"UPDATE rollouts SET model = 'x' {SAMPLED}"), "rollouts", KEY),
    "another room": (sql(f"UPDATE rollouts SET room = room + 1 {SAMPLED}"), "rollouts", KEY),
    "another prompt": (
        sql(f"UPDATE rollouts SET prompt = (SELECT key FROM prompts WHERE images = '[]') {RESUMED}"),
        "rollouts",
        KEY,
    ),
    "other given ids": (
        reseal(pack_parts([Part((1, 2), "ab"), Part((3,), "c"), Part((4,), "d")]), RESUMED),
        "rollouts",
        KEY,
    ),
    "another task in its row": (sql(f"UPDATE rollouts SET task = 't4' {SAMPLED}"), "rollouts", "its address is of"),
    "another parent in its row": (
        sql(f"UPDATE rollouts SET parent = (SELECT max(key) FROM rollouts) {RESUMED}"),
        "rollouts",
        "its address is of",
    ),
    "an address that is none": (sql(f"UPDATE rollouts SET address = '{{' {SAMPLED}"), "rollouts", "row cannot be read"),
    "text that is none": (
        sql(f"UPDATE rollouts SET model = CAST(x'ff1b' AS TEXT) {SAMPLED}"),
        "rollouts",
        KEY,
    ),
    "another setting of a call": (
        sql("UPDATE calls SET settings = replace(settings, '1.0', '0.5') WHERE address LIKE '%resume%'"),
        "rollouts",
        KEY,
    ),
    "another address of a call": (
        sql("UPDATE calls SET address = replace(address, 'collect', 'other') WHERE address LIKE '%collect%'"),
        "rollouts",
        "its call is of other",
    ),
    "a sampled attempt called ready-made": (
        sql(f"UPDATE rollouts SET verb = 'given' {SAMPLED}"),
        "rollouts",
        "it came ready-made, but names prompt",
    ),
    "an example gone": (
        sql("DELETE FROM examples WHERE round = 1 AND position = 0"),
        "rounds",
        "examples: its result says 6, the ledger holds 5",
    ),
    "a use gone": (
        sql("DELETE FROM uses WHERE rollout = (SELECT key FROM rollouts WHERE verb = 'resume' AND round = 1)"),
        "rounds",
        "resumed: its result says 20, the ledger holds 19",
    ),
    **{f"{name} of a round": (recount(name, 1), "rounds", f"{name}: its result says") for name in COUNTS},
    "tasks of a round": (recount("tasks", 1), "rounds", "unsolved_before: its result says 0, the ledger holds 1"),
    "unsolved of a round": (recount("unsolved_after", 2), "rounds", "unsolved_after: its result says 2"),
    "a round without counts": (
        sql("UPDATE rounds SET result = '{}' WHERE round = 2"),
        "rounds",
        "its result names None tasks",
    ),
    "a round's result broken": (sql("UPDATE rounds SET result = '[' WHERE round = 2"), "rounds", "cannot be read"),
    "a verdict changed": (sql(f"UPDATE verdicts SET outcome = 'wrong' {RIGHT}"), "verdicts", "its seal does not fit"),
    "a verdict not of its score": (sql(f"UPDATE verdicts SET outcome = 'wrong' {RIGHT}"), "verdicts", "its outcome is"),
    "a verdict gone": (sql(f"DELETE FROM verdicts {RIGHT}"), "verdicts", "the verdict of answers-5 is gone"),
    "a verdict that there is not": (
        sql(f"UPDATE verdicts SET outcome = 'banana' {RIGHT}"),
        "verdicts",
        "its outcome is 'banana', there is only right, wrong, unknown",
    ),
    "a verdict in an evaluation gone": (
        sql("DELETE FROM verdicts WHERE rollout IN (SELECT rollout FROM uses WHERE scope = 'eval' AND round = 1)"),
        "verdicts",
        "round 1 counts it in its accuracy: no verdict of answers-5",
    ),
    "a verdict in an evaluation changed": (rejudge, "rounds", "accuracy: its result says {'value': 0.0"),
    "a score changed": (sql("UPDATE scores SET value = 0.9 WHERE scorer <> 'correct'"), "scores", "its seal"),
    "a score not of its verdict": (rescore, "verdicts", "its outcome is wrong, its score in round 2 1.0"),
    "a reading changed": (
        sql("UPDATE readings SET reading = (SELECT max(reading) FROM readings)"),
        "readings",
        "its seal does not fit",
    ),
    "an example's numbers changed": (
        sql("UPDATE examples SET numbers = replace(numbers, '1.0', '9.0')"),
        "examples",
        "its seal does not fit",
    ),
    "an example's kind changed": (sql("UPDATE examples SET kind = 'prefer'"), "examples", "its seal does not fit"),
    "an event gone": (
        sql("DELETE FROM events WHERE kind = 'dropped' AND round = 2"),
        "events",
        "times 'dropped: vision-aware attention score below -0.5', the ledger holds 0",
    ),
    "an event made up": (
        sql("INSERT INTO events SELECT scope, round, run, 'odd', reason, task, rollout FROM events WHERE round = 2"),
        "events",
        "its result says 0 times 'odd: ",
    ),
    "an event of an evaluation made up": (
        sql("INSERT INTO events SELECT 'eval', 1, run, 'odd', 'x', NULL, NULL FROM runs t, uses LIMIT 1"),
        "rounds",
        "its seal does not fit",
    ),
    "an event at another attempt": (
        sql("UPDATE events SET rollout = rollout || 'x' WHERE kind = 'dropped' AND round = 2"),
        "rounds",
        "its seal does not fit",
    ),
    "a use in an evaluation gone": (
        sql("DELETE FROM uses WHERE scope = 'eval' AND round = 2"),
        "rounds",
        "it has an accuracy, and counts no attempt",
    ),
    "one use in the base's evaluation gone": (
        sql("DELETE FROM uses WHERE rollout = (SELECT max(rollout) FROM uses WHERE scope = 'eval' AND round = 0)"),
        "rounds",
        "its result says",
    ),
    "an accuracy": (remeasure("accuracy", {"value": 0.5}), "rounds", "accuracy: its result says {'value': 0.5}"),
    "a base accuracy": (remeasure("blind_accuracy", None, 0), "rounds", "blind_accuracy: its result says None"),
    "a pass rate": (remeasure("pass_at", {"2": 0.5}), "rounds", "pass_at: its result says"),
    "no answer of an evaluation": (remeasure("no_answer", 9), "rounds", "no_answer: its result says 9"),
    "unknown of an evaluation": (remeasure("unknown_in_test", 9), "rounds", "unknown_in_test: its result says 9"),
    "seconds of a round": (recount("seconds", 1), "rounds", "its seal does not fit"),
    "a run gone": (sql("DELETE FROM runs"), "rounds", "its run 1 is not in runs"),
    "a run among others gone": (lambda f: change(f, "UPDATE runs SET id = 2"), "runs", "it holds 1 of 2 runs"),
    "a run's manifest changed": (sql("UPDATE runs SET manifest = '{}'"), "runs", "its seal does not fit"),
    "a run's manifest broken": (sql("UPDATE runs SET manifest = '{'"), "runs", "its manifest cannot be read"),
    "a manifest changed": (
        lambda f: (f / "manifest.json").write_text("{}"),
        "manifest.json",
        "it is not that of the last run",
    ),
    "a manifest gone": (lambda f: (f / "manifest.json").unlink(), "manifest.json", "it cannot be read"),
    "another question": (sql(f"UPDATE rollouts SET asked = 'x' {SAMPLED}"), "rollouts", "is not in tasks"),
    "weights cut": (
        model(lambda f: (f / "model.safetensors").write_bytes(b"wei")),
        "models",
        "model.safetensors is not what training wrote",
    ),
    "an adapter gone": (model(lambda f: (f / "adapter" / "a.json").unlink()), "models", "adapter/a.json is not there"),
    "a training's record cut": (model(lambda f: (f / "training.json").write_text("{")), "models", "is damaged"),
    "a training's record gone": (model(lambda f: (f / "training.json").unlink()), "models", "is not there"),
    "a model that a round trained gone": (
        retrained,
        "models",
        "where it was deleted to save space all is in order: a run that needs it trains it anew",
    ),
    "a timing of no time": (sql("UPDATE timings SET seconds = 'x' WHERE rowid = 1"), "timings", "its seconds are 'x'"),
    "a timing below zero": (sql("UPDATE timings SET seconds = -1 WHERE rowid = 1"), "timings", "its seconds are -1.0"),
    "a timing without an end": (sql("UPDATE timings SET seconds = 9e999"), "timings", "its seconds are inf"),
    "a timing of bytes": (sql("UPDATE timings SET part = x'ff' WHERE rowid = 1"), "timings", "no part of the work"),
    "half a token": (sql("UPDATE timings SET tokens = 1.5 WHERE rowid = 1"), "timings", "its tokens is 1.5"),
    "memory below zero": (sql("UPDATE timings SET peak_bytes = -1"), "timings", "its peak_bytes is -1"),
    "a timing longer than its process": (
        sql("UPDATE timings SET seconds = 999 WHERE rowid = 1"),
        "timings",
        "it took 999 seconds, and the process that did it worked for ",
    ),
    "a timing of a finished round changed": (
        sql("UPDATE timings SET seconds = seconds + 1 WHERE round = 2 AND part = 'sample' AND scope = 'collect'"),
        "timings",
        "collect sample: its result says ",
    ),
    "a timing of a finished round's tokens": (
        sql("UPDATE timings SET tokens = tokens + 1 WHERE round = 1 AND part = 'sample'"),
        "timings",
        "are not those that it was finished with",
    ),
    "a timing of the base model gone": (sql("DELETE FROM timings WHERE round = 0"), "timings", "rows were changed or"),
    "a run that began at no time": (sql("UPDATE runs SET seen = 'never'"), "runs", "Invalid isoformat string: 'never'"),
    "a run heard of at a number": (sql("UPDATE runs SET seen = 7"), "runs", "when it started, was seen or ended"),
    "a run that ended at no time": (sql("UPDATE runs SET ended = x'00'"), "runs", "started, was seen or ended cannot"),
    "a run without a time zone": (
        sql("UPDATE runs SET ended = '2026-01-01T00:00:00'"),
        "runs",
        "'2026-01-01T00:00:00' has no time zone",
    ),
    "a run heard of before it started": (
        sql("UPDATE runs SET seen = '2001-01-01T00:00:00+00:00'"),
        "runs",
        "but it was last heard of at 2001-01-01T00:00:00+00:00: it was changed, or a clock was set back",
    ),
    "a run heard of in times to come": (
        sql("UPDATE runs SET seen = '2999-01-01T00:00:00+00:00', ended = NULL"),
        "runs",
        "it was last heard of at 2999-01-01T00:00:00+00:00, but now it is ",
    ),
    "a run that ended before it was last heard of": (
        sql("UPDATE runs SET ended = '2001-01-01T00:00:00+00:00'"),
        "runs",
        "but it ended at 2001-01-01T00:00:00+00:00: it was changed",
    ),
    "a run that ended after it was last heard of": (
        sql("UPDATE runs SET ended = '2999-01-01T00:00:00+00:00'"),
        "runs",
        "it ended at 2999-01-01T00:00:00+00:00, but it was last heard of at ",
    ),
    "a reading broken": (sql("UPDATE readings SET reading = x'00'"), "readings", "does not unpack"),
}


def test_an_untouched_folder_has_no_fault(whole: Path, folder: Path) -> None:
    assert found(whole) == []
    model(None)(folder)
    assert found(folder) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_named(name: str, folder: Path) -> None:
    damage, table, phrase = PLANTED[name]
    damage(folder)
    faults = found(folder)
    assert [f for f in faults if f.table == table and phrase in f.problem], faults
    assert all("\n" not in f.line and "\x1b" not in f.line for f in faults)


def test_a_round_recorded_before_a_count_was_added_is_whole(folder: Path) -> None:
    ((run, grader, text),) = query(folder, "SELECT run, grader, result FROM rounds WHERE round = 1")
    before = json.dumps({name: value for name, value in json.loads(text).items() if name not in ADDED})
    assert before != text
    with Store(folder) as store:
        sealed = round_seal(store.db, 1, run, grader, before)
    change(folder, "UPDATE rounds SET result = ?, seal = ? WHERE round = 1", before, sealed)
    assert list(faults(folder)) == []


def test_runs_follow_one_another_since_one_process_at_a_time_works(folder: Path) -> None:
    with Store(folder) as store:
        store.write_manifest({"command": "x"})
    assert found(folder) == []
    change(folder, "UPDATE runs SET seen = '2100-01-01T00:00:00+00:00', ended = NULL WHERE id = 1")
    told = [f.line for f in found(folder) if f.row == "2"]
    assert len(told) == 1
    assert told[0].startswith(
        "runs 2: the run before was last heard of at 2100-01-01T00:00:00+00:00, but it started at"
    )


def test_a_change_in_one_row_is_one_fault_with_the_rows_id(folder: Path) -> None:
    change(folder, f"UPDATE rollouts SET attempt = 3 {SAMPLED}")
    ((key,),) = query(folder, f"SELECT key FROM rollouts {SAMPLED}")
    (fault,) = found(folder)
    assert (fault.table, fault.row) == ("rollouts", key)
    assert fault.line.startswith(f"rollouts {key}: its key is not")


def test_what_may_look_wrong_and_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models measured in one go, prompts too long to be asked, kinds, workers that failed, and a regrade since."""
    tasks = [replace(t, meta={"kind": t.id[-1]}) for t in TASKS] + [replace(make_task("long"), question="x" * 300)]
    plain = Grader.grade_all

    def failing(self: Grader, items: Sequence[tuple[str, Task]]) -> list[Verdict]:
        return [Verdict("unknown", "timeout") if i % 3 == 0 else v for i, v in enumerate(plain(self, items))]

    monkeypatch.setattr(Grader, "grade_all", failing)
    with Store(tmp_path) as store:
        store.write_manifest({})
        held = store.add_tasks(tasks)
        models = [
            Scripted(rule, measure, context=200),
            Scripted(lambda asked: "<answer>7</answer>", measure, name="better", context=200),
        ]
        found = [evaluate(Run({"policy": m}, store, scope="eval"), held, samples=2) for m in models]
        assert found[0].greedy.value != found[1].greedy.value
        assert found[0].unknown > 4  # those of the long task, and those where workers failed
        store.set_round(0, found[0].as_dict(), Grader().name)
    assert list(faults(tmp_path)) == []
    recorded_run(tmp_path / "run")
    assert list(faults(tmp_path / "run")) == []
    monkeypatch.setattr(Grader, "grade_all", plain)
    for folder in (tmp_path, tmp_path / "run"):
        with Store(folder) as store:
            moved = regrade(store, Grader())
        assert moved.moves["answers-5"]["unknown", "right"]
        assert list(faults(folder)) == []


def test_exit_code_and_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", str(folder)]) == 0
    assert "is whole: 6 tasks" in capsys.readouterr().out
    (folder / "images" / PICTURE).unlink()
    assert cli.run(["check", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("tasks ") for line in lines) == 6
    assert "faults (6 in tasks, 1 in prompts)" in lines[-1]
    assert cli.run(["check", str(folder), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["whole"], said["faults"], said["by_table"], said["left_off"]) == (
        False,
        7,
        {"tasks": 6, "prompts": 1},
        0,
    )
    assert said["found"][0]["row"] == "unseen"


def test_what_is_no_run_folder_is_the_users_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["check"], ["regrade"], ["audit"], ["show", "--task", "a"]):
        assert cli.run([*command, str(tmp_path)]) == 2
        assert "is no run folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    for name in "gfedcba":
        (tmp_path / name).mkdir()
        (tmp_path / name / "ledger.db").touch()
    assert cli.run(["show", str(tmp_path)]) == 2
    five = ", ".join(str(tmp_path / name) for name in "abcde")
    assert f"it holds no ledger.db; give one of those in it: {five} and 2 more\n" in capsys.readouterr().err


def test_an_empty_ledger_is_not_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ledger.db").touch()
    assert cli.run(["check", str(tmp_path)]) == 1
    assert "is damaged or no ledger" in capsys.readouterr().out


def test_a_folder_that_is_being_written_to_is_whole_and_seen_in_one_state(folder: Path) -> None:
    seen: list[int] = []

    def looking(asked: Asked) -> str:
        seen.append(len(found(folder)))
        return "<answer>7</answer>"

    with Store(folder) as store:
        Run({"policy": Scripted(looking, name="new")}, store, round=9).sample(TASKS, 2)
        assert seen == [0] * 10
        (folder / "images" / PICTURE).unlink()
        begun = faults(folder)
        first = next(begun)
        store.db.run(("DELETE FROM rollouts", ()), ("UPDATE rounds SET result = '['", ()))
        # What had begun sees the ledger as it was then, and the writer did not wait for it.
        assert {f.table for f in (first, *begun)} == {"tasks", "prompts"}
        assert {f.table for f in found(folder)} >= {"uses", "rounds"}


def test_memory_does_not_grow_with_the_number_of_faults_in_json(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharpen.folder_commands.MOST_FAULTS", 5)
    change(folder, "UPDATE rollouts SET room = room + 1")
    assert cli.run(["check", str(folder), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert len(said["found"]) == 5
    assert said["faults"] == 94
    assert said["left_off"] == 89


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE runs SET manifest = '{'", "the last run's manifest is damaged"),
        ("UPDATE rounds SET result = '[]' WHERE round = 0", "a round's result is damaged"),
    ],
)
def test_a_damaged_record_is_one_line_and_no_traceback(
    statement: str, named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql(statement)(folder)
    assert cli.run(["show", str(folder)]) == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tasks SET id = x'ff' WHERE rowid = 1",
        "UPDATE rollouts SET task = x'ff' WHERE rowid = 1",
        "UPDATE verdicts SET grader = x'ff' WHERE rollout = (SELECT min(rollout) FROM verdicts)",
    ],
)
def test_a_name_that_became_bytes_is_a_fault_and_no_traceback(
    statement: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql(statement)(folder)
    assert cli.run(["check", str(folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["faults"]
    assert cli.run(["show", str(folder)]) == 0
    for command in (["audit", str(folder), "--out", str(tmp_path / "sheet.csv")], ["regrade", str(folder), "--json"]):
        assert cli.run(command) in (0, 2)
        assert "Traceback" not in capsys.readouterr().err
