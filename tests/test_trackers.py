"""Trackers: told of what happened and of nothing else, by their own names for it, and never able to stop a run."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from recorded import recorded_run
from support import make_task
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sharpen import cli
from sharpen.errors import UserError
from sharpen.improve import improve
from sharpen.methods.rest_em import RestEm
from sharpen.models.scripted import Scripted
from sharpen.trackers import Tracking, figures

ROUND = {
    **{"round": 1, "attempts": 80, "correct": 40, "dropped": 3, "examples": 37, "tokens": 900, "trained": True},
    "accuracy": {"value": 0.6, "low": 0.5, "high": 0.7, "n": 100},
    "sampled_accuracy": {"value": None, "low": None, "high": None, "n": 0},
    "pass_at": {"1": {"value": 0.5}, "2": {"value": None}},
    "events": {"dropped: too short": 3},
}
TOLD = {
    "round/attempts": 80, "round/correct": 40, "round/dropped": 3, "round/examples": 37, "round/tokens": 900,
    "round/accuracy": 0.6, "round/pass@1": 0.5,
}  # fmt: skip


class Fake:
    """The part of wandb and of trackio that is used, with what was asked of it; a word in `broken` raises."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.asked: list[tuple[str, Any]] = []

    def _ask(self, word: str, said: Any) -> None:
        self.asked.append((word, said))
        if word == self.broken:
            raise ConnectionError("no route to host\nand more")

    def init(self, **said: Any) -> Fake:
        print("a tracker's greeting")
        self._ask("init", said)
        return self

    def log(self, told: dict[str, float], step: int) -> None:
        self._ask("log", (step, told))

    def finish(self) -> None:
        self._ask("finish", None)

    Settings = SimpleNamespace


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_rounds_and_a_training_are_lines_of_their_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Fake()
    monkeypatch.setitem(sys.modules, name, fake)  # type: ignore[arg-type]
    tracking = Tracking([name], tmp_path / "g3k", "made", {"method": "Vista"})
    with tracking.line("round-1") as send:
        send(1, {"train/loss": 0.5, "train/note": "text", "train/bad": float("nan")})
        send(2, {"train/loss": 0.25})
    tracking.round(1, ROUND)
    tracking.round(2, ROUND)
    words = [word for word, _ in fake.asked]
    assert words == ["init", "log", "log", "finish", *["init", "log", "finish"] * 2]
    logged = [said for word, said in fake.asked if word == "log"]
    assert logged == [(1, {"train/loss": 0.5}), (2, {"train/loss": 0.25}), (1, TOLD), (2, TOLD)]
    lines = [said for word, said in fake.asked if word == "init"]
    assert [line["name"].removesuffix(line["name"][-9:] if name == "trackio" else "") for line in lines] == [
        "g3k-round-1", "g3k", "g3k",
    ]  # fmt: skip
    assert all((line["group"], line["project"], line["resume"]) == ("g3k", "sharpen", "allow") for line in lines)
    known = [line["id"] if name == "wandb" else line["name"] for line in lines]
    assert known[1] == known[2] != known[0]
    assert capsys.readouterr().out == ""
    other = Tracking([name], tmp_path / "g3k", "made otherwise", {})
    other.round(1, ROUND)
    assert known[1] not in fake.asked[-3][1].values()


@pytest.mark.parametrize("broken", ["init", "log", "finish"])
def test_a_tracker_that_fails_stops_nothing_is_said_once_and_counted(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, fake = Fake(), Fake(broken)
    monkeypatch.setitem(sys.modules, "wandb", fake)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "trackio", whole)  # type: ignore[arg-type]
    model = Scripted(lambda asked: f"<answer>{7 + asked.attempt % 2}</answer>")
    tasks, test = [make_task(f"t{i}") for i in range(3)], [make_task("u")]
    track = ("wandb", "trackio")
    done = improve(
        *(RestEm(samples=2), model, tasks), rounds=2, out=tmp_path, test=test, track=track, trainer=lambda *_: model
    )
    assert [r.tally.examples for r in done.rounds] == [3, 3]
    said = capsys.readouterr().err
    assert said.count("wandb was not told (ConnectionError: no route to host)") == 1
    sent = 3 if broken == "finish" else 0
    assert f"  wandb was told of {sent} steps, 3 were lost: what it shows is not whole" in said
    assert "  trackio was told of 3 steps\n" in said
    assert [said[0] for word, said in whole.asked if word == "log"] == [0, 1, 2]


def test_a_tracker_is_used_only_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    monkeypatch.setitem(sys.modules, "wandb", fake)  # type: ignore[arg-type]
    recorded_run(tmp_path / "run")
    assert fake.asked == []
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_a_tracker_that_is_not_there_is_refused_before_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    out = tmp_path / "run"
    for name, advice in (("wandb", "pip install 'sharpen[wandb]'"), ("mlflow", "wandb, trackio, tensorboard")):
        assert cli.run(["run", "vista", "--track", name, "--out", str(out)]) == 2
        assert advice in capsys.readouterr().err
        with pytest.raises(UserError, match=name):
            Tracking([name], out, "", {})
    assert not out.exists()


def test_tensorboard_holds_each_step_once_though_it_was_told_twice(tmp_path: Path) -> None:
    """The real package: a life that ends at step 4, and one that goes on from step 3 and tells of round 1 again."""
    for first in (1, 3):
        tracking = Tracking(["tensorboard"], tmp_path, "made", {"method": "Vista"})
        with tracking.line("round-1") as send:
            for step in range(first, 5):
                send(step, {"train/loss": 1 / step})
        tracking.round(1, ROUND)
        assert not tracking.lost
    group = tmp_path.name
    rounds, losses = (
        EventAccumulator(str(tmp_path / "tensorboard" / name)).Reload() for name in (group, f"{group}-round-1")
    )
    assert {t: [(s.step, s.value) for s in rounds.Scalars(t)] for t in rounds.Tags()["scalars"]} == {
        name: [(1, pytest.approx(value))] for name, value in TOLD.items()
    }
    told = [(s.step, s.value) for s in losses.Scalars("train/loss")]
    assert told == [(step, pytest.approx(1 / step)) for step in (1, 2, 3, 4)]


def test_what_is_unknown_is_no_zero() -> None:
    assert figures({})["round/accuracy"] is None
    assert "round/round" not in figures(ROUND)
