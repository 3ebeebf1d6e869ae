"""`make bench`: one table of what all scripts found, and no failure that is not seen."""

from __future__ import annotations

import json
import sys

import pytest

from bench.__main__ import run
from bench.side import Result
from bench.training import agreement


def script(*lines: str, code: int = 0, noise: str = "") -> list[str]:
    """The command of a script that prints these lines."""
    ending = f"import sys; sys.stderr.write({noise!r}); sys.exit({code})"
    return [sys.executable, "-c", "; ".join([*(f"print({line!r})" for line in lines), ending])]


def printed(result: Result) -> str:
    return json.dumps(result.as_dict())


SAMPLING = Result("sampling", "tokens/s", 17_238.4, 4_994.0, 20_077.0, "theirs: generate", {"a line": "of its own"})
NONE = {"theirs": None, "ratio": None, "bound": None}
SHARES = {"name": "profile", "unit": "s of CPU time", "ours": 17.1, **NONE, "shares": {"model": 0.53, "all else": 0.47}}
ROWS = [{"tasks": 50, "seconds": 6.25}, {"tasks": 100, "seconds": 12.0, "peak_bytes": 2**20}]
GROWTH = {"name": "growth with tasks", "unit": "exponent", "ours": 0.93, **NONE, "bound": 1.0, "rows": ROWS}


def test_all_that_scripts_find_stands_in_one_table_with_their_own_lines_below(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scripts = {
        "sampling": script("a library says something", printed(SAMPLING), noise="and warns"),
        "others": script(json.dumps(GROWTH), json.dumps(SHARES)),
    }
    assert run(scripts) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["script", "unit", "ours", "theirs", "ratio", "bound", "of", "bound"] in lines
    assert ["sampling", "tokens/s", "17,238", "4,994", "3.45", "20,077", "86%"] in lines
    assert ["growth", "with", "tasks", "exponent", "0.93", "-", "-", "1.00", "93%"] in lines
    assert ["profile", "s", "of", "CPU", "time", "17.10", "-", "-", "-", "-"] in lines
    assert "sampling: theirs: generate\n  a line: of its own\n" in out
    assert "    tasks 50, seconds 6.25\n    tasks 100, seconds 12, peak_bytes 1,048,576\n" in out
    assert "  shares: model 0.53, all else 0.47\n" in out
    assert "warns" not in out + err
    assert "bench: others (2 of 2)" in err


def test_a_script_that_fails_is_named_with_its_last_lines_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing = script(printed(SAMPLING), code=3, noise="\n".join(["first", *"abcdefghijk", "ValueError: 7 is odd"]))
    quiet = script("nothing to compare")
    assert run({"half": failing, "quiet": quiet, "last": script(json.dumps(SHARES))}) == 1
    out, err = capsys.readouterr()
    assert "17,238" in out  # what it found before it failed
    assert "profile" in out
    said = err[err.index("bench: half failed (") :]
    assert "    ValueError: 7 is odd\n    exit code 3\n" in said
    assert "    a\n" in said
    assert "first" not in said
    assert "bench: quiet failed (python -m bench.quiet runs it alone)" in said
    assert "    nothing to compare\n    no comparison was printed\n" in said
    assert "last failed" not in err


def test_losses_that_differ_end_the_comparison() -> None:
    assert agreement("dpo", [0.9, 0.80005], [0.9, 0.8]).startswith("agree within 5.0e-05 over 2 steps")
    with pytest.raises(
        SystemExit, match=r"training dpo: the losses of 2 steps, .* differ by 2.0e-04, more than 0.0001"
    ):
        agreement("dpo", [0.9, 0.8002], [0.9, 0.8])
    with pytest.raises(SystemExit, match="nan"):
        agreement("sft", [0.9, float("nan")], [0.9, 0.8])
    with pytest.raises(ValueError, match="longer"):
        agreement("sft", [0.9], [0.9, 0.8])
