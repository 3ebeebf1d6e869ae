# pyright: strict
"""Take the answer out of a text: a tag, a box, an option letter, or the last quantity.

What counts is the last match of a pattern in the whole text. Traces are long and answers stand at their
end, so patterns are tried from there, which finds the same match (`tests/grading/test_extraction.py`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from .finals import all_numbered, calmed, corrected, numbered, refused_from
from .units import parse_unit

Step = Literal["tag", "boxed", "option", "number"]

DEFAULT_STEPS: tuple[Step, ...] = ("tag", "boxed", "option", "number")

STATED_ANYWHERE: tuple[Step, ...] = ("tag", "boxed")

_TAG = re.compile(r"<(/?)answer>", re.I)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{|(\\?\w+))")
_STATED = re.compile(
    r"(?:\banswers?\b[*_]{0,3}\s{0,3}(?:is|are|was|must be|has to be|should be|:|=|\uff1a)|答案(?:是|为|:|\uff1a))"
    r"(?!\s*not\s+[-$]?\d)\s*:?[*_\s]{0,9}",
    re.I,
)
_SENTENCE_END = re.compile(r"\n|\.(?=\s|$)|</?[a-z]|$", re.I)
_HEADING = re.compile(r"#{1,6}\s+(?=\S[^\n]*$)")  # of Markdown, and GSM8K's mark of an answer
_ASIDE = re.compile(
    r"(?<=[\w)}%$]),\s+(?:not|rather than|instead of|as|that is|i\.?e\b)(?!\w)", re.I
)  # "7, not 8" is 7
_LETTER = r"[\[(]?[*_]{0,3}([A-Z])[*_]{0,3}[\])]?(?![\w'])"
_ALSO = r"(?:(?:,\s?|,?\s(?:and|or)\s)[\[(*_]{0,4}[A-Z][*_\])]{0,4}(?![\w'])){0,9}"  # B and C, after an A
_IS = (
    r"\s(?:is|are|was|were|seems?|looks?|must be|would be)\s(?:(?:[a-z]+ly|also|both|all|the|indeed|thus|then)\s){0,3}"
)
_GLOSS = r"(?:\s\([^()\n]{1,60}\))?"  # its text beside a letter
_REFUSED = (
    rf"{_GLOSS}{_ALSO}(?:{_IS}(?:not|wrong|incorrect|false|out|too|impossible|invalid|ruled out|eliminated|excluded)\b"
    r"|\s(?:cannot|(?:is|are|was|were|do|does|did|ca|could|would|must)(?:n't|\snot))\b)"
)
"""What follows letters that are spoken of and not chosen: "C is wrong", "A and C do not"."""
_TOLD_OF = (
    rf"{_GLOSS}{_ALSO}(?!{_IS}(?:correct|right|best|true|answer|one|most|closest)\b)\s(?!(?:as|this|thus|its)\b)"
    r"(?:[a-z]+s|an?|the|are|were|have|had|can|could|would|may|might|must|should|did|cannot|[a-z]+n't)\b"
)
"""What follows the letter of an option that is described: "option C shows a dog"; "option C is correct" chooses."""
_CALLED = (
    r"(?i:\b(?:answer|option|choice)s?[*_]{0,3}\s{0,3}(is|are|:|=|(?:would|must|has to|should) be)?\s{0,3}:?\s{0,3}"
    r"[*_]{0,3}(?:either |both )?(?:option |choice )?|(答案(?:是|为)?[:\uff1a]?\s?))"
    + _LETTER + r"(?!(?<=[AI])\s+(?!because|since|as\b|and\b|which)[a-z])"
)  # fmt: skip
_OPTIONS = (
    re.compile(rf"{_CALLED}(?(1)|(?(2)|(?!{_TOLD_OF})))"),
    re.compile(rf"[ \t]*{_LETTER}(?!\)?{_REFUSED})(?:[.:)][^\n]*)?\s*$"),
    re.compile(
        rf"(?<![\w'\[(*_])(?<!nor )(?<!not ){_LETTER}{_GLOSS}{_IS}"
        r"(?:correct|better|best|right(?!\s(?:of|side|next|there))|true|answer)\b"
    ),
    re.compile(
        r"(?i:\b(?:it(?:'s| is| must be| can only be| has to be| should be)|choose|pick|select|go with))"
        rf"\s+{_LETTER}(?=[.,;!]|\s*$|\s(?:because|since|as|over|rather)\b)"
    ),
    re.compile(
        rf"\A\s*{_LETTER}(?:,?\s(?:because|since|as)\b|(?:[.:)][^\n]*)?[ \t]*(?=\n\s{{0,9}}\S)"
        r"(?![\s\S]*\n[ \t]*[\[(]?[A-Z][.):]))"
    ),  # at the beginning, with the explanation after it; a list of all the options is none
    re.compile(rf"\(([A-Z])\)(?!{_REFUSED})"),
    re.compile(r"(?<![\w'])([A-Z])[.*\s]{0,5}$"),
    re.compile(rf"{_CALLED}(?!{_REFUSED})"),  # described, and no other is stated
)
_BETWEEN = r"[*_\])]{0,4}(?:\s?[/&]\s?|,?\s+(?:and/or|and|or)\s+(?:(?i:option|choice)\s+)?)[\[(*_]{0,4}"
_LETTER_BEFORE = re.compile(r"(?<![\w'])[A-Z]" + _BETWEEN + "$")
_LETTER_AFTER = re.compile(
    rf"(?:{_BETWEEN}|,\s?(?=[A-Z](?:,|\.|\s*$|,?\s(?:and|or)\s)))([A-Z])(?![\w'])(?![*_\])]{{0,4}}\s+(?!(?:and|or|because|since|as|which|are|both)\b)[a-z])"
)
_NUM = r"[-+\u2212]?[$\u20ac\u00a3\u00a5]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
_CANDIDATE = re.compile(
    r"\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,2000}\$|\\\((?:(?!\\[()]).){1,2000}\\\)|\\\[(?:(?!\\[\[\]]).){1,2000}\\\]"
    r"|[\[(]\s*" + _NUM + r"(?:\s*,\s*" + _NUM + r"){1,50}\s*[\])]"
    r"|(?<![\w.,/\\])" + _NUM + r"(?:\s*/\s*\d+(?![\d/]))?(?:\s*%|\s*percent\b)?",
    re.S,
)  # fmt: skip
_ONE = rf"(?:\$[^$\n]{{1,60}}\$|{_NUM}(?:\s*/\s*\d+)?(?:\s*%|\s*percent\b)?)"
_JOINED_BEFORE = re.compile(
    rf"(?<![\w.,/\\$])(?:{_ONE},\s+){{0,9}}{_ONE}(?:\s?([A-Za-z\u00b0\u00b5]+))?,?\s+(?:and/or|and|or)\s+$"
)
_JOINED_AFTER = re.compile(
    rf"(?:\s?([A-Za-z\u00b0\u00b5]+))?(?:,\s+{_ONE}){{0,9}},?\s+(?:and/or|and|or)\s+{_ONE}(?!\w)"
)
_SPAN = re.compile(
    r"(?i:from )?[$\d.,%]{1,20} to [$\d.,%]{1,20}(?: ?[^\W\d_]{1,20}){0,2}\.?"
    r"|(?i:quarter|half|[a-z]{3,9}|\d\d?)(?: minutes)? to \w{1,9}"
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_MOMENT = re.compile(
    rf"\b(?:{_MONTH}\s+{_DAY}(?:,?\s+\d{{4}}\b)?|(?:{_DAY}\s+(?:of\s+)?)?{_MONTH},?\s+\d{{4}}\b|{_DAY}\s+(?:of\s+)?{_MONTH}(?![a-z])"
    r"|\d{4}([-/.])\d{1,2}\1\d{1,2}\b|\d{1,2}([-/.])\d{1,2}\2\d{2,4}\b|\d{1,3}(?::\d{1,3}){1,2}(?:\s?[ap]\.?m\b\.?)?"
    r"|\d{1,2}(?:\s?[ap]\.?m\b\.?|\s+o'?clock)|(?:quarter|half|[a-z]+|\d{1,2})(?: minutes)? (?:past|to) \d{1,2}(?!:))",
    re.I,
)
_OF_TIME = {
    *("at", "on", "in", "the", "of", "past", "to", "morning", "afternoon", "evening", "night", "minutes"),
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "quarter", "half", "am", "pm"),
}
_CANDIDATE_STARTS = re.compile(r"[$\\\[(+\-\u2212\u20ac\u00a3\u00a5\d]")
_SEAM = re.compile(r"[abdf-moqs-zA-DF-Z]")  # in no candidate but a formula: those of "percent" and 1e5 are left out
_LINE_SEAM = re.compile(r"(?<=[A-Za-z.:!?*]\n)")  # with dollar signs: their formulas end with the line
_SQUARED = r"(?:\^?[23\u00b2\u00b3])?"
_UNIT = re.compile(r"\s?(?!in\s+\w)((?:\u00b0[CF]?|[A-Za-z\u00b5]+)" + _SQUARED + r"(?:/[A-Za-z]+" + _SQUARED + ")?)")
_PROSE = re.compile(
    r"\b(?:is|are|was|were|has|have|there|so|because|thus|(?-i:I)|we|it|this|that|to|answer|hence|therefore|since|can|shows|reads|says)\b",
    re.I,
)
_WORDS = re.compile(r"(?<![\\\w])[^\W\d_]{2,}")
_MOST_WORDS = 8
_MOST_REFUSED = 6
_TOLD = re.compile(_TOLD_OF)
_ANSWER_WORDS = ("answer", "答案")
_OPTION_WORDS = ("answer", "option", "choice", "答案")
_FOLDED = re.compile("[\u017f\u0130\u0131]")  # letters that match s and i without case, and lower() leaves


def extract(text: str, steps: Sequence[Step] = DEFAULT_STEPS) -> str | None:
    r"""Take the answer out of `text` by the first of `steps` that finds one.

    "tag" is the last complete <answer>…</answer>; "boxed" the last \boxed{…}; "option" the last option
    letter stated as the answer; "number" the text itself when it is nothing but an answer, else what
    follows the last "answer is" or "Answer:", else the last number or formula. What follows a closed
    </think> is searched first; in a <think> that is never closed only a tag or a box is an answer.
    """
    return take(text, steps, numeric=True)


def take(text: str, steps: Sequence[Step], numeric: bool, moment: bool = False) -> str | None:
    """As `extract`; without `numeric`, the number step takes only what is nothing but an answer.

    With `moment`, a number that is part of a date, a time or a ratio stands for all of that.
    """
    thought, _, said = text.rpartition("</think>")
    if unclosed(text):
        steps = [step for step in steps if step in STATED_ANYWHERE]
    for part in (said, text) if thought else (text,):
        final = corrected(part.rstrip())
        for step in steps:
            last = final if final and step in ("option", "number") else part
            found = _number(last, numeric, moment) if step == "number" else _STEPS[step](last)
            if found is not None and (found := found.strip()):
                return found
    return None


def unclosed(text: str) -> bool:
    """Whether a text ends in thought: its last number or letter is no answer yet."""
    return "<think>" in text and "</think>" not in text


def said_of(text: str) -> str:
    """What a text says after its thought, all of it where it has none; nothing where the thought goes on to the end."""
    return "" if unclosed(text) else text.rpartition("</think>")[2].strip()


def stated(text: str) -> str | None:
    """What follows the last "answer is" or "Answer:", to the end of its sentence."""
    match = _last_after(text, _ANSWER_WORDS, _STATED)
    if match is None:
        return None
    rest = text[match.end() :]
    end = _SENTENCE_END.search(rest)
    said = rest[: end.start() if end else None].strip(" *_")
    return calmed(said[: aside.start()] if (aside := _ASIDE.search(said)) else said)


def _tag(text: str) -> str | None:
    marks = list(_TAG.finditer(text))
    for opening, closing in zip(reversed(marks[:-1]), reversed(marks[1:]), strict=True):
        if not opening[1] and closing[1]:
            inner = text[opening.end() : closing.start()]
            return _boxed(inner) or inner
    return None


def _boxed(text: str) -> str | None:
    for match in list(_BOX.finditer(text))[-1:-4:-1]:
        inner = match[1] or _braced(text, match.end())
        if inner.strip(" {}$"):
            return inner
    return None


def _braced(text: str, at: int) -> str:
    """The group that opens at `at`; one that never closes ends with its line."""
    depth, i = 0, at
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 1
        elif c in "{}":
            depth += 1 if c == "{" else -1
            if depth == 0:
                return text[at + 1 : i]
        i += 1
    return text[at + 1 :].split("\n")[0].rstrip(" $")


def _option(text: str) -> str | None:
    text = whole = text.rstrip()
    for _ in range(_MOST_REFUSED):
        if (span := _letter(text)) is None:
            return _numbered(whole)
        start, end = _with_other_letters(text, span)
        if (cut := refused_from(text, start, end)) is None:
            return text[start:end] if (start, end) == span else re.sub(r"[\[\]()*_]", "", text[start:end])
        text = text[:cut].rstrip(" ,;")
    return None


def _numbered(text: str) -> str | None:
    """The last option that is named by its number and neither described nor refused: "the second option"."""
    if (said := stated(text)) is not None:
        return match[0] if (match := numbered(said)) else None
    for match in reversed(all_numbered(text)):
        if refused_from(text, match.start(), match.end()) is None and not _TOLD.match(text, match.end()):
            return match[0]
    return None


def _letter(text: str) -> tuple[int, int] | None:
    """Where the last option letter stands that is stated as the answer, in a text without space at its end."""
    stated, line, *anywhere, closing, described = _OPTIONS
    match = _last_after(text, _OPTION_WORDS, stated) or line.match(text, text.rfind("\n") + 1)
    for pattern in () if match else anywhere:
        if found := deque(pattern.finditer(text), maxlen=1):
            match = found.pop()
            break
    match = match or closing.search(text, max(0, len(text) - 6)) or _last_after(text, _OPTION_WORDS, described)
    return match.span(match.re.groups) if match else None


def _with_other_letters(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """The span of the letter, with those that "and", "or" or a slash joins to it: "B or C" is not C."""
    start, end = span
    while before := _LETTER_BEFORE.search(text[max(0, start - 30) : start]):
        start -= len(before[0])
    while after := _LETTER_AFTER.match(text, end):
        end = after.end(1)
    return start, end


def _number(text: str, numeric: bool = True, moment: bool = False) -> str | None:
    """The last quantity; without `numeric`, only a text or statement that is nothing but an answer."""
    text = _HEADING.sub("", text.strip())
    if max(text.rfind("\\["), text.rfind("\\(")) > max(text.rfind("\\]"), text.rfind("\\)")):
        return None  # it stops inside a formula
    if _is_bare(text):
        return (moment and _told(text)) or text
    if (said := stated(text)) is not None:
        if _is_bare(said):
            return said
        if numeric and (first := _CANDIDATE.search(said)):
            return (_moment(said, first) if moment else None) or _with_others(said, first)
    last = _unrefused(text) if numeric else None
    return ((_moment(text, last) if moment else None) or _with_others(text, last)) if last else None


def _unrefused(text: str) -> re.Match[str] | None:
    """The last candidate of which the text does not say that it is not the answer: 7 of "7, not 8"."""
    for _ in range(_MOST_REFUSED):
        last = _last_candidate(text)
        if last is None or (cut := refused_from(text, *last.span())) is None:
            return last
        text = text[:cut]
    return None


def _last_after(text: str, words: Sequence[str], pattern: re.Pattern[str]) -> re.Match[str] | None:
    """The last match of a pattern each of whose matches begins with one of `words`, in any case."""
    if not text.isascii() and _FOLDED.search(text):
        return deque(pattern.finditer(text), maxlen=1).pop() if pattern.search(text) else None
    low = text.lower()
    at = {word: low.rfind(word) for word in words}
    while (last := max(at.values())) >= 0:
        if match := pattern.match(text, last):
            return match
        word = next(w for w in words if at[w] == last)
        at[word] = low.rfind(word, 0, last)
    return None


def _last_candidate(text: str) -> re.Match[str] | None:
    """The last quantity or formula, as a scan of the whole text from its start would find it."""
    span = 200
    while span < len(text):
        at = _seam(text, len(text) - span)
        if at is not None and (last := _scan(text, at)):
            return last
        span *= 4
    return _scan(text, 0)


def _scan(text: str, at: int) -> re.Match[str] | None:
    last = None
    while start := _CANDIDATE_STARTS.search(text, at):
        match = _CANDIDATE.match(text, start.start())
        last, at = match or last, match.end() if match else start.end()
    return last


def _seam(text: str, least: int) -> int | None:
    """A position not before `least` that no candidate crosses, so that a scan may begin there."""
    if "$$" in text:
        return None
    seam = (_LINE_SEAM if "$" in text else _SEAM).search(text, least)
    if seam is None:
        return None
    at = seam.start()
    # a formula that is open here may cross it; one whose like has just been closed cannot
    closed = all(text.rfind(a, 0, at) <= text.rfind(b, 0, at) for a, b in (("\\(", "\\)"), ("\\[", "\\]")))
    return at if closed else None


def _with_unit(text: str, match: re.Match[str]) -> str:
    unit = _UNIT.match(text, match.end())
    known = unit and (unit_of := parse_unit(unit[1])) and not unit_of.noun
    return match[0] + (" " + unit[1] if unit and known else "")


def is_moment(text: str) -> bool:
    """Whether there is a date, a time or a ratio in a text."""
    return _MOMENT.search(text) is not None


def _told(text: str) -> str | None:
    """The only date or time in a text of other words, such as "The event started at 7 pm"."""
    found = list(_MOMENT.finditer(text))
    if len(found) != 1:
        return None
    others = _WORDS.findall(text[: found[0].start()] + " " + text[found[0].end() :])
    return found[0][0] if sum(w.casefold() not in _OF_TIME for w in others) > 1 else None


def _moment(text: str, number: re.Match[str]) -> str | None:
    """The date, time or ratio that a number is part of."""
    start = max(0, number.start() - 40)
    near = text[start : number.end() + 40]
    spans = (m.span() for m in _MOMENT.finditer(near))
    at = number.start() - start + len(number[0]) - len(number[0].lstrip(" -+"))
    return next((near[a:b] for a, b in spans if a <= at < b), None)


def _with_others(text: str, match: re.Match[str]) -> str:
    """The quantity with its unit, and with those that "and" or "or" join to it: "3 or 4" is not 4."""
    near = text[max(0, match.start() - 80) : match.start()]
    start = match.start()
    if near.rstrip().endswith(("and", "or")) and (before := _JOINED_BEFORE.search(near)) and _is_unit(before[1]):
        start -= len(near) - before.start()
    after = _JOINED_AFTER.match(text, match.end())
    if after and _is_unit(after[1]):
        end = _UNIT.match(text, after.end())
        return text[start : end.end() if end and _is_unit(end[1]) else after.end()]
    return text[start : match.start()] + _with_unit(text, match)


def _is_unit(text: str | None) -> bool:
    """Whether a text is no word or a unit of measurement."""
    return not text or ((unit := parse_unit(text)) is not None and not unit.noun)


def _is_bare(text: str) -> bool:
    """Whether a text is nothing but an answer: one line of few words, none of which makes a sentence."""
    if _SPAN.fullmatch(text):
        return True
    if not text or "\n" in text or "\\boxed" in text or _PROSE.search(text[:1000]):
        return False
    if len(text) > 1000:
        return _WORDS.search(text) is None
    words = _WORDS.findall(text)
    return len(words) <= _MOST_WORDS and all(len(w) <= 25 for w in words)


_STEPS: dict[Step, Callable[[str], str | None]] = {"tag": _tag, "boxed": _boxed, "option": _option}
