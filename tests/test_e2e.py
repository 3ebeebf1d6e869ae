"""The command line on the tiny model that ships: sample, repair, filter, train, measure; and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import query

from sharpen import cli, methods
from sharpen.improve import improve
from sharpen.ledger.check import faults
from sharpen.models.model import Model
from sharpen.train import Train
from sharpen.worlds import world

SIZES = ["--tasks", "digits:10", "--test", "digits:12", "--rounds", "1", "--eval-samples", "1"]
COMMAND = ["run", "vista", *SIZES, "--samples", "5", "--train.epochs", "1"]


@pytest.fixture(scope="module")
def tiny() -> Model:
    from sharpen.models import load

    return load("tiny")


def run(out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[dict[str, Any], str]:
    assert cli.run([*COMMAND, "--out", str(out), "--json", *more]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out), captured.err


def test_run_prints_what_it_did_and_the_same_command_does_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    found, told = run(out, capsys)
    assert {"method", "model", "tasks", "seed", "base", "rounds"} <= found.keys()
    assert (found["method"], found["model"], found["tasks"], found["seed"]) == ("vista", "tiny", "digits:10", 0)
    (first,) = found["rounds"]
    for accuracy in (found["base"]["accuracy"], first["accuracy"], first["blind_accuracy"]):
        assert accuracy.keys() == {"value", "low", "high", "n"}
        assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
        assert accuracy["n"] == 12
    assert first["attempts"] == 50
    assert first["correct"] + first["rescued"] - first["dropped"] == first["examples"] > 0
    assert first["unsolved_after"] <= first["unsolved_before"] <= 10
    assert first["seconds"] > 0
    assert first["tokens"] > 50
    assert f"= {first['examples']} examples" in told

    sampled = query(out, "SELECT count(*) FROM rollouts")
    again, _ = run(out, capsys)
    same = ("attempts", "correct", "rescued", "dropped", "examples", "accuracy", "sampled_accuracy")
    assert [again["rounds"][0][key] for key in same] == [first[key] for key in same]
    assert query(out, "SELECT count(*) FROM rollouts") == sampled

    # Another threshold re-uses every attempt and only selects and trains anew.
    looser, _ = run(out, capsys, "--threshold", "-9")
    assert looser["rounds"][0]["dropped"] == 0
    assert (
        query(out, "SELECT count(*) FROM rollouts WHERE scope = 'collect'")[0][0]
        == first["attempts"] + first["resumed"]
    )

    assert cli.run(["show", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "tokens/s" in shown
    assert "Vista: sharpen run vista --tasks digits:10" in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in methods.names() if name not in ("vista", "rest_em")])
def test_every_method_runs_on_the_tiny_model(name: str, tiny: Model, tmp_path: Path) -> None:
    """Few and short: that what each method makes can be trained on and is recorded whole."""
    few = {} if name == "sft_seed" else {"samples": 3, "temperature": 1.0}
    method = methods.find(name)(**few)
    tasks = world("digits").tasks("train", 10)
    done = improve(method, tiny, tasks, rounds=1, out=tmp_path / "r", settings=Train(epochs=1, checkpoints=0))
    tally = done.rounds[0].tally
    assert tally.examples > 0
    assert tally.attempts >= 30 or not few
    assert query(tmp_path / "r", "SELECT count(*) FROM examples") == [(tally.examples,)]
    assert list(faults(tmp_path / "r")) == []


@pytest.mark.slow
def test_compare_and_eval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tasks", "shapes:8", "--test", "shapes:20", "--rounds", "1", "--eval-samples", "2", "--seeds", "2"]
    assert cli.run(["compare", "vista", "rest_em", *options, "--out", str(tmp_path / "c"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [line["method"] for line in found["methods"]] == ["vista", "rest_em"]
    for line in found["methods"]:
        assert len(line["seeds"]["greedy"]) == 2
        assert line["greedy"]["value"] == pytest.approx(sum(line["seeds"]["greedy"]) / 2)
        assert line["greedy"]["n"] == 20
    assert found["methods"][0]["against_first"]["greedy"]["value"] == 0

    assert cli.run(["eval", "--tasks", "shapes:20", "--eval-samples", "2", "--out", str(tmp_path / "e"), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["accuracy"]["value"] == found["base"]["greedy"]["value"]
    assert cli.run(["eval", "--tasks", "shapes:20", "--eval-samples", "2", "--out", str(tmp_path / "e")]) == 0
    assert "accuracy, greedy:" in capsys.readouterr().out


@pytest.mark.slow
def test_the_demo_writes_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    sizes = ["--tasks", "12", "--test", "12", "--rounds", "1"]
    assert cli.run(["demo", *sizes, "--out", str(tmp_path / "d"), "--report", str(report), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["methods"]) == {"ReST-EM", "VISTA-SFT"}
    page = report.read_text()
    assert page.count("data:image/png") >= 2
    assert "rescued by prefix resampling" in page
