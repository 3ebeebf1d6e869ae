# pyright: strict
"""Are two answers the same? Reads both as what they are — words, dates, quantities, lists, equations.

Only algebra is left to `decide`, which the caller supplies: in the parent it raises, in a worker of
`symbolic.py` it asks math-verify. Everything else is decided here, at a cost linear in the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

from .finals import is_other_than
from .golds import fault
from .identities import same_equations, same_expressions
from .intervals import JOINT, same_region
from .lists import Items, alternatives, items, rows, sides
from .moments import same_date, same_time
from .quantities import Ambiguous, Quantity, plain_number, quantity, same_quantity
from .shares import same_in_base, same_range, same_share
from .spelling import SIMPLE, clean
from .words import LETTERS, WORDS, is_text, is_word, same_words

LONGEST = 100_000
DEEPEST = 25
_ALSO = {
    **{"y": True, "yep": True, "yeah": True, "t": True, "correct": True},
    **{"n": False, "nope": False, "f": False, "incorrect": False},
}
YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_YES_AND_NO = re.compile(
    r"(?:either |both |neither )?(yes|no|true|false)\b(?:,?\s+(?:and|or|and/or)\s+|\s*[/&|]\s*)(yes|no|true|false)\b",
    re.I,
)
_ALONE = re.compile(r"(?:^|[.!?\n])\s*(yes|no|true|false)\s*(?=[.!?\n]|$)", re.I)
_LAST = re.compile(r"(?:[.!?\n,;:]|\bbut)\s*(?:(?:so|thus|hence|therefore)\b,?\s*)?(yes|no|true|false)[.!*]*$", re.I)
_IN = re.compile(r"^[A-Za-z](?:_\{?\w+\}?)?\s*\\in(?![a-zA-Z])")
_NAME = re.compile(
    r"(?:[A-Za-z]|\\[A-Za-z]+)(?:_?\{?\w{1,9}\}?)?'*\s*(?:\(\s*[a-z]\s*\))?"
    r"|(?:m\s*)?(?:\\angle|\\triangle)\s*\w+|\\overline\s*\{[A-Z]{1,2}\}|[A-Za-z ]+"
)
_COMPARES = re.compile(r"[<>]|\\(?:le|ge|lt|gt)(?![a-zA-Z])")
_SAID = re.compile(r"^(?:the )?(?:option|choice) (?=\(?[A-Ja-j]\b)", re.I)
_POINT = re.compile(r"[A-Z] ?(?=\([^()]*,[^()]*\)$)")
_OPTION = re.compile(r"\(?([A-J])\)?[.:)]\s*(.*)|\(?([a-j])\)\s*(.*)|([A-J])", re.S)
_NUMBER_IN_PROSE = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?\s*%?")


_JOINING = re.compile(r"\s(?:and|or|&)\s|[/&]", re.I)
_MIXED = re.compile(r"\d+ and \d+\s*/\s*\d+")
_MEASURED = re.compile(r"\d+(?:\.\d+)? ?(?:%|(?!am\b|pm\b)[A-Za-z]{1,2})")
_WHOLE = re.compile(r"-?[0-9]+")
_WHOLE_SET = re.compile(r"\\\{-?[0-9]{1,15}(?:(?:, -?[0-9]{1,15})+|(?:,-?[0-9]{1,15})+)\\\}")


class BadGold(Exception):
    """The gold answer cannot be read."""


Decide = Callable[[str, str], bool]
"""Whether two algebraic expressions, gold first, are the same."""


def same(gold: str, found: str, decide: Decide, tolerance: float | None = None) -> bool:
    """Whether `found` states the answer `gold`.

    Raises:
        Ambiguous: both verdicts could be defended.
        BadGold: `gold` cannot be read.
        Whatever `decide` raises.
    """
    if SIMPLE.fullmatch(gold) and SIMPLE.fullmatch(found) and "." not in gold + found and not tolerance:
        digits = gold.lstrip("-0")  # as text: a number of a million digits costs nothing
        return digits == found.lstrip("-0") and (not digits or (gold[0] == "-") == (found[0] == "-"))
    g, p = clean(gold), clean(found)
    g, p = (x[4:] if x[:4].casefold() == "the " and x[4:5].isdigit() else x for x in (g, p))
    if _WHOLE_SET.fullmatch(g) and _WHOLE_SET.fullmatch(p) and not tolerance:
        return {int(n) for n in _WHOLE.findall(g)} == {int(n) for n in _WHOLE.findall(p)}
    if a := plain_number(g):
        if g == p:
            return True
        if b := plain_number(p):
            return bool(same_quantity(a, b, tolerance))
    elif not g or fault(g):
        raise BadGold
    if gold.strip() == found.strip() or g == p:
        return True
    if not p or max(len(g), len(p)) > LONGEST:
        return False
    if nesting(p) > DEEPEST and quantity(p) is None:
        if nesting(g) > DEEPEST:
            raise TimeoutError
        return False
    if (truth := YES_NO.get(g.casefold())) is not None:
        return _ALSO.get(p.casefold(), yes_no(p)) is truth
    if (verdict := _labelled(g, p)) is not None:
        return verdict
    if _JOINING.search(p):
        p = _undivided(g, p, decide, tolerance)
    return _same(g, p, decide, tolerance)


def _undivided(g: str, p: str, decide: Decide, tolerance: float | None) -> str:
    """The found answer, with "3 and 1/2" as a mixed number.

    Raises Ambiguous where it states several answers and the gold, which is one, is among them; and where it
    states as alternatives what the gold states together.
    """
    ours, theirs = alternatives(g), alternatives(p)
    listed = items(g)
    if ours and " and " in g and " or " in p and "=" not in p and sorted(ours) == sorted(theirs):
        raise Ambiguous
    if theirs and all(_COMPARES.search(part) for part in theirs) and JOINT.search(p):
        return p  # x > 1 and x < 3 is one region
    if len(theirs) < 2 or ours or (listed and not listed.kind) or quantity(p):
        return p
    if _MIXED.fullmatch(p):
        return p.replace("and ", "")
    if any(_same(g, part, decide, tolerance) for part in theirs):
        raise Ambiguous
    return p


def nesting(text: str) -> int:
    """How deep the brackets go."""
    if text.count("(") + text.count("[") + text.count("{") <= 1:
        return text.count("(") + text.count("[") + text.count("{")
    depth = deepest = 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        deepest = max(deepest, depth)
    return deepest


def yes_no(text: str) -> bool | None:
    """What a text that begins or, as a clause of its own, ends with yes, no, true or false says.

    Raises Ambiguous where it says both.
    """
    if (both := _YES_AND_NO.match(text)) and YES_NO[both[1].casefold()] != YES_NO[both[2].casefold()]:
        raise Ambiguous
    if len({word.casefold() in ("yes", "true") for word in _ALONE.findall(text)}) > 1:
        raise Ambiguous
    first, last = re.match(r"[A-Za-z]+(?![\w'-])", text), _LAST.search(text, max(0, len(text) - 40))
    said = {YES_NO.get(found.casefold()) for found in (first and first[0], last and last[1]) if found} - {None}
    if len(said) > 1:
        raise Ambiguous
    return said.pop() if said else None


def _labelled(gold: str, found: str) -> bool | None:
    """Option letters of tasks that do not list their choices: "A", "(A)" and "A. red"."""
    gold, found = (_SAID.sub("", x) if " " in x else x for x in (gold, found))
    if len(gold) == len(found) == 1 and gold != found and gold in "ABCDFGHJ" and gold == found.upper():
        raise Ambiguous  # an option or a variable; e and i are numbers
    g, p = _OPTION.fullmatch(gold), _OPTION.fullmatch(found)
    if g and p:
        letters = [next(filter(None, (m[1], m[3], m[5]))).upper() for m in (g, p)]
        texts = [(m[2] or m[4] or "").casefold() for m in (g, p)]
        return letters[0] == letters[1] and (not all(texts) or texts[0] == texts[1])
    for one, other in ((g, found), (p, gold)):
        if one and (text := one[2] or one[4]):
            return True if text.casefold() == other.casefold() else None
    return None


def _same(g: str, p: str, decide: Decide, tolerance: float | None) -> bool:
    if g == p or (g.casefold() == p.casefold() and is_word(g)):
        return True
    measured = _MEASURED.fullmatch(g) and _MEASURED.fullmatch(p)  # by far the commonest
    for typed in () if measured else (same_date, same_time):
        if (verdict := typed(g, p)) is not None:
            return verdict
    for typed in () if measured else (same_share, same_range, same_in_base):
        if (verdict := typed(g, p)) is not None:
            return verdict
    if g[:1] == "(" and p[-1:] == ")" and (label := _POINT.match(p)):
        p = p[label.end() :]  # A(1,2) is the point, C(5,2) against a number a binomial
    elif p[:1] == "(" and g[-1:] == ")" and (label := _POINT.match(g)):
        g = g[label.end() :]
    ours, theirs = quantity(g), quantity(p)
    if ours and theirs:
        verdict = same_quantity(ours, theirs, tolerance)
        if verdict is not None:
            return verdict
        raise TimeoutError  # both too large, or too close, to tell apart
    if not tolerance and (verdict := same_region(g, p)) is not None:
        return verdict
    if len(sides(g)) > 1 or len(sides(p)) > 1:
        return _same_equation(g, p, decide, tolerance)
    left, right = items(_IN.sub("", g).strip()), items(_IN.sub("", p).strip())
    if left or right:
        return _same_items(left, right, g, p, decide, tolerance)
    return _same_atom(g, p, ours, theirs, decide, tolerance)


def _same_atom(
    g: str, p: str, ours: Quantity | None, theirs: Quantity | None, decide: Decide, tolerance: float | None
) -> bool:
    if ("_" in g + p or "^" in g + p) and "\\" not in g + p and _formula(g) == _formula(p):
        return True  # CO2 for CO_2
    if is_word(g) or is_word(p) or (LETTERS.fullmatch(g) and LETTERS.fullmatch(p)):
        # single letters are names, of which case is part; words are not
        return same_words(g, p) if len(g) > 1 and len(p) > 1 else g == p
    if is_text(g) or is_text(p):
        numbers = list(_NUMBER_IN_PROSE.finditer(p))
        inside = quantity(numbers[0][0].strip()) if len(numbers) == 1 and len(WORDS.findall(p)) >= 2 else None
        if ours and inside and not is_other_than(p, numbers[0].start()):
            return bool(same_quantity(ours, inside, tolerance))
        return same_words(g, p)
    if (ours and not _is_algebra(p)) or (theirs and not _is_algebra(g)):
        return False
    if g.count("'") != p.count("'"):
        return False  # math-verify drops primes
    cells = [rows(g), rows(p)]
    if cells[0] and cells[1]:
        return _same_cells(cells[0], cells[1], decide, tolerance)
    verdict = same_expressions(g, p, tolerance)
    if verdict is None:
        return ("\\" in g and _unspaced(g) == _unspaced(p)) or decide(g, p)
    return verdict


def _formula(text: str) -> str:
    """A chemical formula as it is written without LaTeX: an index or a charge is no power."""
    return re.sub(r"[_{}]", "", re.sub(r"\^\{?(\d?[-+])\}?$", r"\1", text))


def _unspaced(text: str) -> str:
    """LaTeX without the spaces that mean nothing."""
    return re.sub(r"\s+", "", re.sub(r"(\\[A-Za-z]+)", "\\1\0", text))


def _same_cells(g: list[list[str]], p: list[list[str]], decide: Decide, tolerance: float | None) -> bool:
    if [len(row) for row in g] != [len(row) for row in p]:
        return False
    pairs = [pair for ours, theirs in zip(g, p, strict=True) for pair in zip(ours, theirs, strict=True)]
    return all(_same(a, b, decide, tolerance) for a, b in pairs)


def _is_algebra(text: str) -> bool:
    return re.search(r"[\\A-Za-z|]", text) is not None


# ---- equations and lists


def _same_equation(g: str, p: str, decide: Decide, tolerance: float | None) -> bool:
    """A chain of equations states a value only if every side has it: 7 = 5 is not 5, x = 10/2 = 5 is."""
    if items(g) or items(p):
        left, right = items(g), items(p)
        return _same_items(left, right, g, p, decide, tolerance)
    ours, theirs = (sides(g), sides(p))
    if not all(ours):
        raise BadGold
    if not all(theirs):
        return False
    names = [_NAME.fullmatch(side[0]) is not None and len(side) > 1 for side in (ours, theirs)]
    if len(ours) > 1 and len(theirs) > 1 and not all(names):
        if len(theirs) != len(ours):
            return False
        verdict = same_equations(ours, theirs)
        return decide(g, p) if verdict is None else verdict
    if all(names) and ours[0] != theirs[0] and not (is_word(ours[0]) or is_word(theirs[0])):
        return decide(g, p) if any(re.search(r"[A-Za-z]", s) for s in ours[1:]) else False
    values = [side[1:] if name else side for side, name in zip((ours, theirs), names, strict=True)]
    if len(values[0]) > 1 and not names[0]:
        return False  # the gold is an equation, the found answer is not
    return all(_same(values[0][-1], v, decide, tolerance) for v in values[1])


def _same_items(
    ours: Items | None, theirs: Items | None, g: str, p: str, decide: Decide, tolerance: float | None
) -> bool:
    if ours is None or theirs is None:
        if theirs and not theirs.kind and is_text(p) and len(_NUMBER_IN_PROSE.findall(p)) == 1:
            return _same_atom(g, p, quantity(g), None, decide, tolerance)
        one, other = (ours, p) if ours else (theirs, g)
        if one is not None and len(one.parts) == 1:
            return _same(one.parts[0], p, decide, tolerance) if ours else _same(g, one.parts[0], decide, tolerance)
        algebra = re.search(r"\\(?:le|ge|cup|cap|begin|mathbb|lt|gt)(?![a-zA-Z])|[<>]", other)
        return decide(g, p) if algebra else False
    if {ours.kind, theirs.kind} == {"()", ""}:
        point, named = (ours, theirs) if ours.kind else (theirs, ours)
        if (values := _coordinates(named)) and len(values) == len(point.parts):
            left, right = (point.parts, values) if ours.kind else (values, point.parts)
            return all(_same(a, b, decide, tolerance) for a, b in zip(left, right, strict=True))
    if ours.kind != theirs.kind and (ours.kind, theirs.kind) not in {
        ("", "{}"),
        ("{}", ""),
        ("", "[]"),
        ("[]", ""),
    }:
        return False
    if "{}" in (ours.kind, theirs.kind) or ours.kind == theirs.kind == "":
        return _same_bag(ours.parts, theirs.parts, "{}" in (ours.kind, theirs.kind), decide, tolerance)
    if len(ours.parts) != len(theirs.parts):
        return False
    return all(_same(a, b, decide, tolerance) for a, b in zip(ours.parts, theirs.parts, strict=True))


def _coordinates(listed: Items) -> tuple[str, ...]:
    """The values of x=2, y=3; in the order of the alphabet; none where the parts are something else."""
    pairs = [sides(part) for part in listed.parts]
    if any(len(pair) != 2 or len(pair[0]) != 1 or not pair[0].isalpha() for pair in pairs):
        return ()
    return tuple(value for _, value in sorted(pairs)) if len({name for name, _ in pairs}) == len(pairs) else ()


def _same_bag(
    ours: tuple[str, ...], theirs: tuple[str, ...], as_sets: bool, decide: Decide, tolerance: float | None
) -> bool:
    """Compare without order; as sets, repeats do not count."""
    if not as_sets and len(ours) != len(theirs):
        return False
    keys = [[q.value if (q := quantity(x)) and not q.unit else None for x in side] for side in (ours, theirs)]
    if max(len(ours), len(theirs)) > 30 or all(isinstance(k, Fraction) for side in keys for k in side):
        whole = [
            [x if k is None else k for x, k in zip(t, s, strict=True)]
            for t, s in zip((ours, theirs), keys, strict=True)
        ]
        alike = set(whole[0]) == set(whole[1]) if as_sets else Counter(whole[0]) == Counter(whole[1])
        if alike or not tolerance:
            return alike
    left = list(theirs)
    for x in ours:
        twin = next((y for y in left if _same(x, y, decide, tolerance)), None)
        if twin is None:
            return False
        if not as_sets:
            left.remove(twin)
    return not as_sets or all(any(_same(x, y, decide, tolerance) for x in ours) for y in theirs)
