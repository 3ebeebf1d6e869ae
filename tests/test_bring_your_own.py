"""The page for whoever brings a model and data is true: its commands run in its order, and say what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from support import options_unknown

from sharpen import cli
from sharpen.data.load import load_tasks

PAGE = (Path(__file__).parents[1] / "docs" / "bring-your-own.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
LATER = ["--samples", "4", "--resamples", "1", "--train.epochs", "1", "--train.checkpoints", "0", "--eval-samples", "1"]


def test_its_commands_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) >= 10
    assert {command: unknown for command in COMMANDS if (unknown := options_unknown(command, capsys))} == {}


def test_every_command_is_shown_with_its_page() -> None:
    assert {shlex.split(command)[1] for command in COMMANDS} == {"check", "eval", "run", "show", "export"}
    assert PAGE.startswith("# Bring your model and data\n")


def geometry3k(path: Path) -> None:
    """A file with the columns of EasyR1's Geometry3K, and questions that the tiny model can answer."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = [
        {"images": [{"bytes": t.images[0].read(), "path": None}], "problem": f"<image>{t.question}", "answer": t.answer}
        for t in load_tasks("digits:16")
    ]
    parquet.write_table(pa.Table.from_pylist(rows), path)


def flowing(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.slow
def test_its_commands_run_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (writing,) = [block for language, block in BLOCKS if language == "python"]
    exec(compile(writing, "bring-your-own.md", "exec"), {})
    geometry3k(tmp_path / "geometry3k.parquet")
    said: dict[str, str] = {}
    for command in COMMANDS:
        arguments = shlex.split(command.replace("Qwen/Qwen2.5-VL-3B-Instruct", "tiny"), comments=True)[1:]
        real = arguments[:2] == ["run", "vista"] and "geometry3k.parquet" in arguments
        code = cli.run([*arguments, *(["--rounds", "1", *LATER] if real else [])])
        captured = capsys.readouterr()
        said[command] = captured.out + captured.err
        assert code == (2 if "# stops" in command else 0), said[command]
    stops, left_out = (next(text for line, text in said.items() if mark in line) for mark in ("# stops", "--left-out"))
    before, after = re.findall(r"    (sharpen: .*?) (\S*)…/mine\. (Repair.*?)\n\n", PAGE, re.DOTALL)[0][::2]
    assert flowing(before) in flowing(stops)
    assert flowing(after) in flowing(stops)
    assert "digits-train-0-7" in left_out
    assert "asks what evaluation task 'digits-train-0-0' asks: the same picture, the same words" in left_out
    assert (tmp_path / "preflight.html").exists()
    assert (
        json.loads((tmp_path / "runs" / "g3k" / "manifest.json").read_text())["settings"]["tasks"]
        == "geometry3k.parquet"
    )
