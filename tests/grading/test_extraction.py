"""Searching from the end finds what a scan of the whole text finds."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.grading import extraction
from sharpen.grading.extraction import extract

WHOLE_LINE = re.compile(r"(?:^|\n)" + extraction._OPTIONS[1].pattern)
PIECES = st.sampled_from([
    *"0123456789abepxEPSZ$$((()[]{},.:%/*-+\\\n\n   '",
    *("$5", "$x=5$", "$$y$$", r"\(", r"\)", r"\[", r"\]", "[1, 2]", "(3,4)", "1,234.5", " 3 / 4", " percent", "1e5 "),
    *("answer", " answers is ", "Answer: ", "ANSWER", "answer is option ", "option ", "choice ", "Option is ", "(B)"),
    *(" A", "B.", "**C**", " I am", "答案是", "答案", "anſwer is ", "optıon", "optİon ", "İ", "é", "\n(D) "),
    *(" is wrong", " shows a", " is correct"),
    *(" so we count the red ones.\n", " and the next\n", "x" * 150, "because ", "the length of it is " * 6, " " * 40),
])  # fmt: skip


def last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def group(match: re.Match[str] | None) -> str | None:
    return match[match.re.groups] if match else None


@settings(max_examples=600, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join))
def test_the_last_match_from_the_end_is_the_last_of_a_scan(text: str) -> None:
    ours, scanned = extraction._last_candidate(text), last(extraction._CANDIDATE, text)
    assert (ours and ours.span()) == (scanned and scanned.span())
    stated = extraction._last_after(text, extraction._ANSWER_WORDS, extraction._STATED)
    scanned = last(extraction._STATED, text)
    assert (stated and stated.span()) == (scanned and scanned.span())
    text = text.rstrip()
    first, _, *others = extraction._OPTIONS
    expected = (group(last(p, text)) for p in (first, WHOLE_LINE, *others))
    span = extraction._letter(text)
    assert (span and text[slice(*span)]) == next(filter(None, expected), None)


def test_a_long_trace_gives_the_same_as_its_end() -> None:
    filler = "First I count 3 red ones and $x + 2$ others, so \\(y = 2\\).\n" * 40
    for end, found in [
        ("So it is 12 km/h here", "12 km/h"),
        ("That leaves 1,234.5 of them.", "1,234.5"),
        (r"It follows that \(x = 5\).", r"\(x = 5\)"),
        (r"Hence \[ x = 1", None),
        ("It costs $5.", "$5"),
        ("The answer is 7", "7"),
        ("All in all [1, 2] it seems", "[1, 2]"),
    ]:
        assert extract(filler + end) == found
        assert extract(filler.replace("\n", " ").replace("$", "") + end) == found
