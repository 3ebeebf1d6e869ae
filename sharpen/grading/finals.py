# pyright: strict
"""What is said about an answer and is no part of it: refusals, corrections, reasons, a second wording."""

from __future__ import annotations

import re

from .numerals import ordinal, spoken

_MOST = 300
_WITH = re.compile(r"[A-Za-z]{2}|[?!=]")
_LED = re.compile(
    r"^(?:exactly|precisely|definitely|certainly|clearly|surely|obviously|probably|likely|most likely|just|only|simply"
    r"|a total of|in total|it is|it's|i think|i would say|=)[,:]?\s+(?=\S)",
    re.I,
)
_NOT_BUT = re.compile(r"^(?:it is |it's )?not\s[^,;.\n]{1,60}?,?\s+but\s+(?:rather\s+)?(?=\S)", re.I)
_REASON = re.compile(
    r"(?<=\S)(?:,?\s+(?:and\s+|but\s+)?(?:not|rather than|instead of|because|since)\s\S.*|,\s+as\s\S.*"
    r"|\s+\((?:not|rather than|instead of|because|since|as)\s[^()]*\))$",
    re.I | re.S,
)
_AGAIN = re.compile(
    r"(.+?)(?:,?\s+\(?i\.\s?e\.?|(?:,\s+|\s+\()(?:that is|in other words))[,:]?\s+([^()]+)\)?", re.I | re.S
)
_PRAISED = re.compile(r"\s+is\s+(?:the\s+)?(?:correct|right|best)(?:\s+(?:answer|option|choice|one))?$", re.I)
_HARDLY = re.compile(
    r"^(?:nearly|almost|at least|at most|up to|no more than|no less than|no fewer than)\s+(?=\S)", re.I
)
_EXCLAIMED = re.compile(r"[-+]?[$\u20ac\u00a3]?[\d,]*\.?\d+[%\s]*!+")
_OTHER_THAN = re.compile(
    r"\b(?:not|more|less|fewer|greater|larger|smaller|over|under|above|below)(?:\s+than)?\s+$", re.I
)
_SINGLE = r"(?:[\[(*]{0,3}[A-Z][\])*]{0,3}|[-+]?[$]?\d[\d,]*(?:\.\d+)?%?(?:\s[A-Za-z]{1,12})?|(?i:yes|no|true|false))"
_CORRECTED = re.compile(
    r"(?i:(?:\b(?:(?:no,?\s)?wait(?:,?\sno)?|hold on|correction|scratch that|i mean|on second thought|sorry)\b[,:.]*\s+"
    r"|[.,;!?\u2026-]\s+(?:or\s)?(?:no|actually|rather)(?:,\s+|\s+(?=it)))"
    r"(?:actually,?\s+)?(?:(?:it is|it's|it must be|i mean|make that|the answer is|that is)\s+)?)"
    rf"({_SINGLE})[.!\s]*$"
)
_REFUSED_BEFORE = re.compile(
    r"(?:\b(?:not|nor|neither|isn't|instead of|unlike|except"
    r"|(?:rather|other|more|less|fewer|greater|larger|smaller) than)"
    r"\s+(?:(?:a|the|option|choice)\s+){0,2}"
    r"|(?:(?-i:(?<=[A-Z)]))\s+over|\b(?:better|clearer|closer) than)\s+(?:option\s+)?)"
    r"[\[(*_]*$",
    re.I,
)
_REFUSED_AFTER = re.compile(
    r"\s(?:is|was|are|would be)\s(?:wrong|incorrect|false|impossible|not\s(?:the|right|correct|it|possible|true))\b"
)
_TAKEN_BACK = ("wait", "hold on", "correction", "scratch", "mean", "thought", "sorry", "no", "actually", "rather")
_DENIED = ("not", "nor", "neither", "n't", "instead", "unlike", "except", "than", "over")
_NUMBERS = "one|two|three|four|five|six|seven|eight|nine|ten"
_PLACES = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last"
_NUMBERED = re.compile(
    rf"\b(?:the )?(?:(?:option|choice)\s+(?:number\s+|no\.\s*|#\s*)?(?:(\d{{1,2}})(?![\w%]|[.,]\d)|({_NUMBERS})\b)"
    rf"|({_PLACES}|\d{{1,2}}(?:st|nd|rd|th))\s+(?:option|choice)\b(?!\s+[A-Z]\b))",
    re.I,
)
_BESIDE = re.compile(r"(?:\s*(?:[.:,(]|-+\s)\s*([^()]*)\)?)?")
_NONE_OF = re.compile(r"(?:it is |it's )?(?:not|neither)\s+(?=\S)", re.I)


def bare(text: str) -> str | None:
    """A cleaned answer without what is said about it, "7" for "exactly 7, not 8"; None where that is the text."""
    if len(text) > _MOST or not _WITH.search(text):
        return None
    left = _NOT_BUT.sub("", _LED.sub("", text))
    left = _PRAISED.sub("", _REASON.sub("", left)).rstrip("?").strip(" ,*")
    if left.endswith("!") and not _EXCLAIMED.fullmatch(left) and re.fullmatch(r"[A-J]!+|.*[^\W\d_]{2}!+", left, re.S):
        left = left.rstrip("!")
    left = _LED.sub("", left)
    return left if left and left != text else None


def refused(text: str) -> str | None:
    """What "not A or C" says that the answer is not; None where it says something else."""
    match = _NONE_OF.match(text)
    return re.sub(r"\bnor\b", "or", text[match.end() :]) if match else None


def said_again(text: str) -> tuple[str, str] | None:
    """The two wordings of "7, i.e. seven"."""
    match = _AGAIN.fullmatch(text) if len(text) <= _MOST else None
    return (match[1], match[2]) if match else None


def bounded(text: str) -> str | None:
    """The number of "almost 7" or "at least 7", which says of it that it may be another."""
    left = _HARDLY.sub("", text) if len(text) <= _MOST else text
    return left if left != text else None


def is_other_than(text: str, at: int) -> bool:
    """Whether the number at `at` is one that the answer is said not to be: "more than 7"."""
    return _OTHER_THAN.search(text, max(0, at - 20), at) is not None


def calmed(said: str) -> str:
    """A statement without the exclamation mark of its sentence, which is no factorial; "5! + 1" keeps its own."""
    return said.rstrip("!").rstrip() if said.endswith("!") and _EXCLAIMED.fullmatch(said) else said


def was_exclaimed(found: str, text: str) -> bool:
    """Whether a number was followed by an exclamation mark where it was taken from."""
    at = text.rfind(found)
    return at >= 0 and text.startswith("!", at + len(found))


def corrected(text: str) -> str | None:
    """The single letter, number, yes or no that takes back, at its very end, what a text said: "A, no wait, B"."""
    at = max(0, len(text) - 120)
    tail = text[at:].casefold()
    if not any(word in tail for word in _TAKEN_BACK):
        return None
    match = _CORRECTED.search(text, at)
    return match[1] if match and text[: match.start()].strip() else None


def refused_from(text: str, start: int, end: int) -> int | None:
    """Where the refusal of the candidate from `start` to `end` begins: "not 8", "8 is wrong"; None for none."""
    near = max(0, start - 40)
    before = text[near:start]
    if any(word in before.casefold() for word in _DENIED) and (match := _REFUSED_BEFORE.search(before)):
        return near + match.start()
    return start if _REFUSED_AFTER.match(text, end) else None


def numbered(text: str) -> re.Match[str] | None:
    """The match of "option 2" or "the second option" at the start of a text."""
    return _NUMBERED.match(text)


def all_numbered(text: str) -> list[re.Match[str]]:
    """All that `numbered` would find, anywhere in a text."""
    return list(_NUMBERED.finditer(text))


def position(text: str, of: int) -> tuple[int, str] | None:
    """The position, from 0, that "option 2: red" or "the second option" names, and the text beside it.

    The position is `of`, the number of choices, where none has it; None where the text names none by its number.
    """
    match = _NUMBERED.match(text)
    if match is None or (beside := _BESIDE.fullmatch(text, match.end())) is None:
        return None
    if match[3]:
        n = of if match[3].casefold() == "last" else ordinal(match[3])
    else:
        n = int(match[1]) if match[1] else int(spoken(match[2]) or 0)
    return (n - 1 if n and 1 <= n <= of else of), beside[1] or ""
