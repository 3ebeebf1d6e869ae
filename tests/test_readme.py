"""The README is true: its generated parts are current, its Python runs, its commands are understood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import options_unknown

from sharpen import methods
from sharpen.report.readme import README, generated

TEXT = README.read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]


def test_the_first_screen_has_one_sentence_and_two_commands() -> None:
    head = TEXT.splitlines()
    assert head[0] == "# sharpen"
    assert [line.split("#")[0].strip() for line in head if line.startswith("    make")] == ["make demo", "make test"]


def test_generated_parts_are_current_and_name_every_method() -> None:
    assert generated(TEXT) == TEXT, "run: python -m sharpen.report.readme"
    assert all(f"methods/{name}.py" in TEXT for name in methods.names())


def test_linked_files_exist() -> None:
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in target]
    assert linked
    assert [target for target in linked if not (README.parent / target).exists()] == []


def test_commands_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command with every option it shows is parsed; `--help` stops before anything runs."""
    assert len(COMMANDS) >= 2
    assert {command: unknown for command in COMMANDS if (unknown := options_unknown(command, capsys))} == {}


@pytest.mark.slow
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as printed, on fewer tasks."""
    monkeypatch.chdir(tmp_path)
    (example,) = [block for language, block in BLOCKS if language == "python" and "import sharpen" in block]
    small = example.replace("digits:200", "digits:30").replace("rounds=2", "rounds=1")
    assert small != example
    names: dict[str, object] = {}
    exec(compile(small, "README.md", "exec"), names)
    done = names["done"]
    assert len(done.rounds) == 1  # type: ignore[attr-defined]
    assert done.rounds[0].evaluation.greedy.n == 30  # type: ignore[attr-defined]
