"""Rounds done again: an interrupted run takes nothing away, and the time of every process is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import TASKS, measure, rule
from support import query

from sharpen import cli
from sharpen.improve import improve
from sharpen.ledger.check import faults
from sharpen.ledger.history import processes
from sharpen.methods.vista import Vista
from sharpen.models.scripted import Asked, Scripted
from sharpen.store import Store

SEEN = {
    "rounds": "SELECT round, json_extract(result, '$.attempts'), json_extract(result, '$.accuracy.value') FROM rounds",
    "examples": "SELECT round, position, kind, rollout, numbers FROM examples ORDER BY round, position",
    "uses": "SELECT scope, round, rollout FROM uses ORDER BY 1, 2, 3",
    "events": "SELECT scope, round, kind, reason, task, rollout FROM events ORDER BY 1, 2, 3, 4, 5, 6",
}


def rename(start: Any, examples: Any, settings: Any, place: Path, *rest: Any) -> Scripted:
    return Scripted(rule, measure, name=place.name)


def stopped_at(name: str) -> Callable[..., Scripted]:
    """A trainer that is interrupted in a round."""

    def train(start: Any, examples: Any, settings: Any, place: Path, *rest: Any) -> Scripted:
        if place.name == name:
            raise KeyboardInterrupt
        return rename(start, examples, settings, place)

    return train


def run(folder: Path, trainer: Callable[..., Scripted] = rename, samples: int = 4, **options: Any) -> None:
    test = TASKS[:1] if options.pop("measured", False) else []
    method = Vista(samples=samples, resamples=2, max_tokens=34)
    model = options.pop("model", Scripted(rule, measure))
    options = {"rounds": 2, "manifest": {"command": "x"}, **options}
    improve(method, model, TASKS[1:], out=folder, test=test, samples=2, trainer=trainer, **options)


def seen(folder: Path) -> dict[str, list[Any]]:
    return {name: query(folder, sql) for name, sql in SEEN.items()}


@pytest.mark.parametrize("stop", ["round-1", "round-2"])
def test_a_finished_run_that_is_done_again_and_interrupted_has_lost_nothing(stop: str, tmp_path: Path) -> None:
    run(tmp_path, measured=True)
    before = seen(tmp_path)
    assert [number for number, *_ in before["rounds"]] == [0, 1, 2]
    with Store(tmp_path, read_only=True) as store:
        told = [store.rounds(), store.tally(2, 4, 0), store.events("collect", 2)]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stopped_at(stop), measured=True)
    after = seen(tmp_path)
    assert after["rounds"] == before["rounds"]
    assert set(before["examples"]) == set(after["examples"])
    assert list(faults(tmp_path)) == []
    with Store(tmp_path, read_only=True) as store:
        rounds = store.rounds()
        assert [store.tally(2, 4, 0), store.events("collect", 2)] == told[1:]
        assert rounds[2] == told[0][2]
    run(tmp_path, measured=True)
    assert seen(tmp_path) == before  # and what the interrupted one left behind is gone
    assert list(faults(tmp_path)) == []


def test_a_run_made_otherwise_replaces_the_rounds_once_it_has_measured_its_base(tmp_path: Path) -> None:
    run(tmp_path, measured=True)

    def broken(asked: Asked) -> str:
        raise KeyboardInterrupt

    before = seen(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, samples=5, measured=True, model=Scripted(broken, name="another"))
    assert seen(tmp_path) == before
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stopped_at("round-1"), samples=5, measured=True)
    assert [number for number, *_ in seen(tmp_path)["rounds"]] == [0]
    assert list(faults(tmp_path)) == []


def test_a_round_that_comes_out_otherwise_takes_the_later_ones_with_it(tmp_path: Path) -> None:
    """Made alike, as where a verdict was retried: round 2 went on from a model that is no more."""
    run(tmp_path)
    with Store(tmp_path) as store:
        made = next(store.db.rows("SELECT made FROM runs"))[0]
        store.write_manifest({}, made)
        for number in (0, 1):
            store.set_round(number, {"round": number})
        assert [row["round"] for row in store.rounds()] == [0, 1]  # no examples, where there were some
    run(tmp_path / "same")
    with Store(tmp_path / "same") as store:
        store.write_manifest({}, next(store.db.rows("SELECT made FROM runs"))[0])
        store.set_round(0, {"round": 0})
        assert [row.get("round") for row in store.rounds()] == [0, 1, 2]


def test_a_longer_run_keeps_the_rounds_that_are_there_and_a_shorter_one_ends_where_it_ends(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stopped_at("round-1"), rounds=3)
    assert [number for number, *_ in seen(tmp_path)["rounds"]] == [0, 1, 2]
    run(tmp_path, rounds=1)
    assert [number for number, *_ in seen(tmp_path)["rounds"]] == [0, 1]


def test_seconds_and_tokens_of_every_process_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stopped_at("round-2"))
    with Store(tmp_path / "cut", read_only=True) as store:
        first = store.timings()
    run(tmp_path / "cut")
    with Store(tmp_path / "cut", read_only=True) as cut, Store(tmp_path / "whole", read_only=True) as whole:
        both, once = cut.timings(), whole.timings()
        assert processes(cut.db)[:2] == (2, 1)
        assert cut.peak_bytes()[0]
    assert {part: tokens for part, (_, tokens) in both.items()} == {part: tokens for part, (_, tokens) in once.items()}
    assert once["collect sample"][1] > 0
    assert all(both[part][0] > seconds for part, (seconds, _) in first.items())
    run(tmp_path / "cut", samples=5)  # of another make: it counts by itself
    with Store(tmp_path / "cut", read_only=True) as store:
        assert store.timings()["collect sample"][1] < once["collect sample"][1]
        assert processes(store.db)[:2] == (1, 1)
    capsys.readouterr()
    assert cli.run(["show", str(tmp_path / "whole")]) == 0
    assert "processes: 1, of which ended in order: 1; " in capsys.readouterr().out


def test_show_says_which_round_a_stopped_run_did_not_finish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = {"command": "sharpen run vista", "method": "Vista", "settings": {"rounds": 2}}

    def shown() -> tuple[list[str], int | None]:
        capsys.readouterr()
        assert cli.run(["show", str(tmp_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert cli.run(["show", str(tmp_path), "--json"]) == 0
        return lines[:2], json.loads(capsys.readouterr().out)["unfinished"]

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stopped_at("round-2"), manifest=manifest)
    told, number = shown()
    assert told == [
        "Vista: sharpen run vista",
        "round 2 is not finished: it was stopped, or is still at work; the same command goes on from there",
    ]
    assert number == 2
    run(tmp_path, manifest=manifest)
    told, number = shown()
    assert (told[1].split()[:2], number) == (["run", "round"], None)


def test_the_time_of_a_killed_process_is_known_from_its_last_sign_of_life(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.write_manifest({})
        store.db.run(("UPDATE runs SET started = '2026-01-01T00:00:00+00:00'", ()))
        store.db.beat = lambda: ("UPDATE runs SET seen = ?", ("2026-01-01T00:01:30+00:00",))
        store.db.sync()
        count, ended, seconds = processes(store.db)
    assert (count, ended) == (1, 0)
    assert seconds == pytest.approx(90, abs=0.1)
