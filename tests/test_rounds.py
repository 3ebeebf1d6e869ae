"""What a round says of itself: shares of what is not an example, and how fast it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sharpen.errors import UserError
from sharpen.ledger.tally import Tally
from sharpen.rounds import announce, announce_folder

TALLY = Tally(
    *(20, 80, 50), unknown=5, resumed=20, rescued=10, unfinished=25, unsolved_before=6, unsolved_after=3,
    dropped=15, examples=45, tokens=9000, unknown_resumed=2,
)  # fmt: skip
TIMINGS = {
    "collect sample": (2.0, 6000),
    "collect resume": (0.5, 3000),
    "collect read": (90.0, 1),
    "train train": (9, 1),
}


def test_shares_and_speed_are_those_of_all_attempts(capsys: pytest.CaptureFixture[str]) -> None:
    announce(TALLY, {("dropped", "too short"): 15}, TIMINGS)
    told = capsys.readouterr().err.splitlines()
    assert "  sampled in 2.5 s: 40.0 attempts/s, 3,600 tokens/s" in told
    assert "  5.0% cannot be told, 15.0% dropped, 25.0% unfinished at the limit of tokens" in told
    assert "  15 dropped: too short" in told
    assert told[-2].startswith("  25 of 100 attempts end at the limit of tokens; give a higher --max-tokens")
    assert told[:2] == [
        "  80 attempts at 20 tasks: 50 correct, 3 unknown, 6 tasks without a correct one",
        "  20 resumed from a prefix: 10 correct, 2 unknown, 3 tasks still without",
    ]
    assert told[-1] == "  50 + 10 correct - 15 dropped = 45 examples"


def test_a_few_attempts_that_are_cut_off_are_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    announce(replace(TALLY, unfinished=20), {}, TIMINGS)
    assert "--max-tokens" not in capsys.readouterr().err


def test_what_was_in_the_ledger_is_no_speed(capsys: pytest.CaptureFixture[str]) -> None:
    announce(replace(TALLY, tokens=10_000), {}, TIMINGS)
    assert "  sampled in 2.5 s: 3,600 tokens/s; 1,000 of 10,000 tokens were in the ledger already" in (
        capsys.readouterr().err.splitlines()
    )
    announce(TALLY, {}, {"collect sample": (0.1, 0), "train train": (9.0, 9)})
    assert "/s" not in capsys.readouterr().err


def test_a_run_of_another_method_is_not_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    """Its models are hours of work; other settings of one method replace its rounds, and say so."""
    before = {"method": "vista", "settings": {"method": {"threshold": 0.0}}}
    with pytest.raises(UserError, match=r"mine holds a run of vista, .* rest_em would be written over"):
        announce_folder(Path("mine"), before, {**before, "method": "rest_em"})
    announce_folder(Path("mine"), before, {"method": "vista", "settings": {"method": {"threshold": -0.5}}})
    assert "(method.threshold 0.0 -> -0.5): its rounds are replaced" in capsys.readouterr().err
    announce_folder(Path("mine"), {}, before)
    assert capsys.readouterr().err == ""


def test_one_of_a_thing_is_no_several(capsys: pytest.CaptureFixture[str]) -> None:
    announce(Tally(1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 9, 1), {}, {})
    assert capsys.readouterr().err.splitlines()[:2] == [
        "  1 attempt at 1 task: 0 correct, 0 unknown, 1 task without a correct one",
        "  1 resumed from a prefix: 0 correct, 1 unknown, 1 task still without",
    ]


def test_a_setting_that_is_no_more_set_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    before, now = ({"settings": {"test": test, "method": {"k": 2}}} for test in ("mine.jsonl", ""))
    announce_folder(Path("r"), before, now)
    assert "(test mine.jsonl -> none)" in capsys.readouterr().err
