"""What the demo says in words of the figures it shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from sharpen import cli
from sharpen.demo import at_the_end
from sharpen.evaluate import Evaluation
from sharpen.ledger.tally import Tally
from sharpen.rounds import LEGEND, Improved, Round, table
from sharpen.statistics import Interval

NONE = Interval(None, None, None, 0)


def improved(resumed: Sequence[int], greedy: float, sampled: float) -> Improved:
    """A run of eight tasks, all alike."""
    per_task = {column: {f"t{i}": value for i in range(8)} for column, value in
                (("greedy", greedy), ("sampled", sampled))}  # fmt: skip
    found = Evaluation(NONE, NONE, {}, {}, NONE, 0, 0, {}, per_task)
    tallies = [Tally(8, 80, 40, 0, n, 0, 0, 0, 0, 0, 40, 900) for n in resumed]
    return Improved(None, [Round(i, t, found, {}, {}, True) for i, t in enumerate(tallies, 1)], None)  # type: ignore[arg-type]


def test_a_difference_is_said_and_whether_it_is_beyond_chance_and_what_was_drawn_for_it() -> None:
    """Right in all of eight tasks instead of none: chance gives that once in 128; the same in all is no difference."""
    told = at_the_end(improved([0, 0], 0, 0.5), improved([1000, 500], 1, 0.5))
    assert told.startswith("VISTA-SFT - ReST-EM after round 2, on the same unseen tasks: greedy 100.0%")
    greedy, sampled = told.split(": ", 1)[1].split("; ")
    assert greedy.endswith(", beyond chance")
    assert sampled.startswith("sampled 0.0%")
    assert ", no difference beyond chance at this size." in sampled
    assert "VISTA drew 1,500 continuations more" in told


def test_the_table_counts_continuations_beside_attempts_and_every_column_is_explained() -> None:
    rows = [r.as_dict() for r in improved([21], 1, 1).rounds]
    assert "80 + 21" in table({"VISTA-SFT": rows})
    assert " + " not in table({"ReST-EM": [r.as_dict() for r in improved([0], 1, 1).rounds]})
    for column in ("attempts", "none right", "greedy", "sampled", "blind"):
        assert f"{column}" in LEGEND


def test_the_first_line_says_how_long_the_usual_sizes_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sharpen.demo  # noqa: F401  # in sys.modules

    monkeypatch.setattr(sys.modules["sharpen.demo"], "demo", lambda *_: ("", {}))
    assert cli.run(["demo"]) == 0
    assert "about four minutes on two free cores" in capsys.readouterr().err.splitlines()[0]
    assert cli.run(["demo", "--rounds", "9"]) == 0
    assert capsys.readouterr().err == ""
