# pyright: strict
"""Are two answers the same? Reads both as what they are — words, dates, quantities, lists, equations.

Only algebra is left to `decide`, which the caller supplies: in the parent it raises, in a worker of
`symbolic.py` it asks math-verify. Everything else is decided here, at a cost linear in the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from .identities import same_equations, same_expressions
from .intervals import same_region
from .quantities import Quantity, plain_number, quantity, same_date, same_quantity, same_time
from .spelling import SIMPLE, clean

LONGEST = 100_000
DEEPEST = 25
YES_NO = {"yes": True, "true": True, "no": False, "false": False}
FUNCTIONS = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
    *("log", "ln", "exp", "det", "max", "min", "gcd", "lcm"),
}

_IN = re.compile(r"^[A-Za-z](?:_\{?\w+\}?)?\s*\\in(?![a-zA-Z])")
_NAME = re.compile(
    r"(?:[A-Za-z]|\\[A-Za-z]+)(?:_?\{?\w{1,9}\}?)?'*\s*(?:\(\s*[a-z]\s*\))?"
    r"|(?:\\angle |\\triangle )?[A-Za-z ]+"
)
_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '.\-])*")
_OPTION = re.compile(r"\(?([A-J])\)?[.:)]\s*(.*)|\(([A-Ja-j])\)|([A-J])", re.S)
_NUMBER_IN_PROSE = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?\s*%?")


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
    if not g:
        raise BadGold
    if gold.strip() == found.strip() or g == p:
        return True
    if (a := plain_number(g)) and (b := plain_number(p)):
        return bool(same_quantity(a, b, tolerance))
    if _WHOLE_SET.fullmatch(g) and _WHOLE_SET.fullmatch(p) and not tolerance:
        return {int(n) for n in _WHOLE.findall(g)} == {int(n) for n in _WHOLE.findall(p)}
    if not p or max(len(g), len(p)) > LONGEST:
        return False
    if nesting(p) > DEEPEST and quantity(p) is None:
        if nesting(g) > DEEPEST:
            raise TimeoutError
        return False
    if (truth := YES_NO.get(g.casefold())) is not None:
        return yes_no(p) is truth
    if (verdict := _labelled(g, p)) is not None:
        return verdict
    return _same(g, p, decide, tolerance)


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
    """What a text that begins with yes, no, true or false says."""
    first = re.match(r"[A-Za-z]+(?![\w'-])", text)
    return YES_NO.get(first[0].casefold()) if first else None


def _labelled(gold: str, found: str) -> bool | None:
    """Option letters of tasks that do not list their choices: "A", "(A)" and "A. red"."""
    g, p = _OPTION.fullmatch(gold), _OPTION.fullmatch(found)
    if g and p:
        letters = [next(filter(None, (m[1], m[3], m[4]))).upper() for m in (g, p)]
        texts = [(m[2] or "").casefold() for m in (g, p)]
        return letters[0] == letters[1] and (not all(texts) or texts[0] == texts[1])
    if g and g[2]:
        return True if g[2].casefold() == found.casefold() else None
    return None


def _same(g: str, p: str, decide: Decide, tolerance: float | None) -> bool:
    if g == p or (g.casefold() == p.casefold() and _is_word(g)):
        return True
    for typed in (same_date, same_time):
        if (verdict := typed(g, p)) is not None:
            return verdict
    ours, theirs = quantity(g), quantity(p)
    if ours and theirs:
        verdict = same_quantity(ours, theirs, tolerance)
        if verdict is not None:
            return verdict
        raise TimeoutError  # both too large, or too close, to tell apart
    if not tolerance and (verdict := same_region(g, p)) is not None:
        return verdict
    if len(_sides(g)) > 1 or len(_sides(p)) > 1:
        return _same_equation(g, p, decide, tolerance)
    left, right = _items(_IN.sub("", g).strip()), _items(_IN.sub("", p).strip())
    if left or right:
        return _same_items(left, right, g, p, decide, tolerance)
    return _same_atom(g, p, ours, theirs, decide, tolerance)


def _same_atom(
    g: str, p: str, ours: Quantity | None, theirs: Quantity | None, decide: Decide, tolerance: float | None
) -> bool:
    if _is_word(g) or _is_word(p) or (_LETTERS.fullmatch(g) and _LETTERS.fullmatch(p)):
        # single letters are names, of which case is part; words are not
        return _plain(g) == _plain(p) if len(g) > 1 and len(p) > 1 else g == p
    if _is_text(g) or _is_text(p):
        numbers = _NUMBER_IN_PROSE.findall(p)
        inside = quantity(numbers[0].strip()) if len(numbers) == 1 and len(_WORDS.findall(p)) >= 2 else None
        if ours and inside:
            return bool(same_quantity(ours, inside, tolerance))
        return _plain(g) == _plain(p)
    if (ours and not _is_algebra(p)) or (theirs and not _is_algebra(g)):
        return False
    if g.count("'") != p.count("'"):
        return False  # math-verify drops primes
    cells = [_cells(g), _cells(p)]
    if cells[0] and cells[1]:
        return _same_cells(cells[0], cells[1], decide, tolerance)
    verdict = same_expressions(g, p, tolerance)
    return decide(g, p) if verdict is None else verdict


_MATRIX = re.compile(r"\\begin\s*\{([pbB]matrix)\}((?:(?!\\begin).)*)\\end\s*\{\1\}", re.S)


def _cells(text: str) -> list[list[str]]:
    """The rows of a matrix; none where the text is something else, or a cell is empty."""
    match = _MATRIX.fullmatch(text)
    rows = [[c.strip() for c in row.split("&")] for row in re.split(r"\\\\", match[2].strip())] if match else []
    if rows and rows[-1] == [""]:
        rows.pop()
    return rows if all(cell for row in rows for cell in row) else []


def _same_cells(g: list[list[str]], p: list[list[str]], decide: Decide, tolerance: float | None) -> bool:
    if [len(row) for row in g] != [len(row) for row in p]:
        return False
    pairs = [pair for ours, theirs in zip(g, p, strict=True) for pair in zip(ours, theirs, strict=True)]
    return all(_same(a, b, decide, tolerance) for a, b in pairs)


def _is_word(text: str) -> bool:
    return len(text) > 2 and _LETTERS.fullmatch(text) is not None and text.casefold() not in FUNCTIONS


def _is_text(text: str) -> bool:
    """Prose, or something such as 1.2.3 that only looks like a number."""
    if "\\begin" in text:
        return False
    if re.fullmatch(r"\d+(?:\.\d+){2,}|\d+(?:-\d+)+|\d+(?:/\d+){2,}", text):
        return True
    words = [w for w in _WORDS.findall(re.sub(r"\\[A-Za-z]+", " ", text)) if w.casefold() not in FUNCTIONS]
    return len(words) >= 2 or any(len(w) > 3 for w in words)


def _is_algebra(text: str) -> bool:
    return re.search(r"[\\A-Za-z]", text) is not None


def _plain(text: str) -> str:
    """Words without case, articles, hyphens and punctuation."""
    words = re.findall(r"[^\W_]+|[^\w\s.,;:!?\"'\-]", text.casefold())
    return " ".join(w for i, w in enumerate(words) if i or w not in ("a", "an", "the"))


# ---- equations and lists


def _same_equation(g: str, p: str, decide: Decide, tolerance: float | None) -> bool:
    """A chain of equations states a value only if every side has it: 7 = 5 is not 5, x = 10/2 = 5 is."""
    if _items(g) or _items(p):
        left, right = _items(g), _items(p)
        return _same_items(left, right, g, p, decide, tolerance)
    ours, theirs = (_sides(g), _sides(p))
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
    if all(names) and ours[0] != theirs[0] and not (_is_word(ours[0]) or _is_word(theirs[0])):
        return decide(g, p) if any(re.search(r"[A-Za-z]", s) for s in ours[1:]) else False
    values = [side[1:] if name else side for side, name in zip((ours, theirs), names, strict=True)]
    if len(values[0]) > 1 and not names[0]:
        return False  # the gold is an equation, the found answer is not
    return all(_same(values[0][-1], v, decide, tolerance) for v in values[1])


def _sides(text: str) -> list[str]:
    """Cut at the equals signs outside brackets: those of sums and limits stay."""
    if "=" not in text:
        return [text]
    cuts, depth = [-1], 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c == "=" and depth == 0 and text[i - 1 : i] not in ("<", ">", "!", "\\"):
            cuts.append(i)
    return [text[a + 1 : b].strip() for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


@dataclass(frozen=True)
class Items:
    """Several answers in one: `kind` is the pair of brackets, empty for a bare list."""

    kind: str
    parts: tuple[str, ...]


def _items(text: str) -> Items | None:
    """Split a list, set, tuple or interval; None for a single answer."""
    kind, inner = "", text
    for opening, closing in (("\\{", "\\}"), ("{", "}"), ("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")):
        if text.startswith(opening) and text.endswith(closing) and _encloses(text):
            kind, inner = (opening + closing).replace("\\", ""), text[len(opening) : -len(closing)]
            break
    if not kind:
        inner = re.sub(r",?\s+(?:and|or)\s+", ", ", inner)
        if inner.count("\\pm") == 1:
            sign, expression = inner.split("\\pm")[0].strip(), inner
            parts = (expression.replace("\\pm", "+" if sign else " "), expression.replace("\\pm", "-"))
            return Items("", parts)
    parts = _split(inner)
    if len(parts) < 2:
        return Items(kind, tuple(parts)) if kind == "{}" and text.startswith("\\") and parts[0] else None
    if not all(parts) or (kind == "" and _is_text(text) and any(len(x.split()) > 6 for x in parts)):
        return None
    return Items(kind, tuple(parts))


def _encloses(text: str) -> bool:
    """Whether the first bracket is closed by the last one."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if depth == 0 and c in ")]}":
            return i == len(text) - 1
    return False


def _split(text: str) -> list[str]:
    """Cut at commas and semicolons outside brackets; only at ", " where there is one, to keep 1,000 whole."""
    cuts: list[tuple[int, bool]] = []
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c in ",;" and depth == 0:
            cuts.append((i, c == ";" or text[i + 1 : i + 2] == " "))
    if any(spaced for _, spaced in cuts):
        cuts = [cut for cut in cuts if cut[1]]
    edges = [-1, *(i for i, _ in cuts), len(text)]
    return [text[a + 1 : b].strip() for a, b in pairwise(edges)]


def _same_items(
    ours: Items | None, theirs: Items | None, g: str, p: str, decide: Decide, tolerance: float | None
) -> bool:
    if ours is None or theirs is None:
        one, other = (ours, p) if ours else (theirs, g)
        if one is not None and len(one.parts) == 1:
            return _same(one.parts[0], p, decide, tolerance) if ours else _same(g, one.parts[0], decide, tolerance)
        algebra = re.search(r"\\(?:le|ge|cup|cap|begin|mathbb|lt|gt)(?![a-zA-Z])|[<>]", other)
        return decide(g, p) if algebra else False
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
