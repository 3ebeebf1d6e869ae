# pyright: strict
"""What is wrong with a gold answer that looks like algebra and can be no answer.

Only what is damaged or has no value is a fault. Words, names, sentences, option letters and labels such as 65+
are no algebra, whatever their brackets; what is well formed, `unread` leaves to the parser of the workers.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .expressions import Node, names, parse, value
from .intervals import same_region
from .lists import items, rows, sides
from .moments import same_date, same_time
from .normal import prove
from .quantities import quantity
from .reals import ball
from .words import FUNCTIONS, WORDS, is_text, is_word

_SUSPECT = re.compile(r"[(){}\[\]\\/^_=*]|[-+]$|^=")
_COMMAND = re.compile(r"\\[A-Za-z]+|[{}^\\]")
_LABEL = re.compile(r"\(?[A-Za-z]\)?[.:)](?:\s.*)?|[\d,. ]+\+", re.S)
_BRACKET = re.compile(r"\\?[(){}\[\]]")
_ARGUMENT = r"\s*(?:\{\s*[^{}\s]|\{\s*\{|[A-Za-z0-9]|\\[A-Za-z])"
_BARE_COMMAND = re.compile(rf"\\sqrt(?![A-Za-z])(?!\s*(?:\[|\()|{_ARGUMENT})|\\frac(?![A-Za-z])(?!{_ARGUMENT})")
_BARE_FRACTION = re.compile(r"\\frac\s*\{[^{}]*\}\s*(?:$|\{\s*\}|[-+*/=^_,;)\]}])")
_CUT_OFF = re.compile(r"(?:[*/^_=\\]|(?<![-+])(?<![A-Za-z)\]]\^)[-+])$|^[*/^=]")
# between two operands; of the rest, \sim and \neg may stand before one
_INFIX = (
    r"(?:[*/=]|\\(?:cdot|times|div|le|ge|ne|lt|gt|in|cup|cap|parallel|perp|cong|equiv|approx|subset|to)(?![A-Za-z]))"
)
_MISPLACED = re.compile(
    rf"^\s*{_INFIX}|(?:{_INFIX}|\\(?:sim|neg)(?![A-Za-z])|[-+])\s*$|{_INFIX}\s*(?:{_INFIX}|[)\]}}])|[(\[{{]\s*{_INFIX}|\{{\s*\}}|_\s*$"
)
_LATEX = re.compile(
    r"\\(?:parallel|perp|cong|n?sim(?:eq)?|equiv|approx|propto|mid|nmid|angle|measuredangle|triangle|square|odot|bigcirc"
    r"|over(?:line|arc|rightarrow|leftrightarrow)|underline|widehat|hat|bar|vec|dot|tilde|arc|stackrel|overset|underset"
    r"|(?:long)?(?:left|right|leftright)arrow|(?:Long)?(?:Left|Right|Leftright)arrow|implies|iff|to|mapsto|rightleftharpoons"
    r"|uparrow|downarrow|land|lor|lnot|neg|wedge|vee|oplus|otimes|forall|n?exists|therefore|because|setminus|complement"
    r"|n?subset(?:eq)?|n?supset(?:eq)?|(?:not)?in|ni|cap|cup|emptyset|mathbb|mathcal|mathfrak|ell|Re|Im|hbar|nabla|partial"
    r"|frac|sqrt|cdot|times|div|pm|mp|le|ge|ne|lt|gt|ll|gg|infty|circ|ldots|cdots|dots|binom|pmod|bmod|mod"
    r"|lfloor|rfloor|lceil|rceil|langle|rangle|lim|sum|prod|int|iint|oint|det|gcd|max|min|sup|inf|log|ln|exp"
    r"|(?:arc)?(?:sin|cos|tan)h?|cot|sec|csc|begin|end|Delta|Gamma|Lambda|Omega|Phi|Pi|Psi|Sigma|Theta|Xi"
    r"|(?:var)?(?:epsilon|theta|phi|rho|sigma|pi)|alpha|beta|gamma|delta|zeta|eta|iota|kappa|lambda|mu|nu|xi|tau|upsilon"
    r"|chi|psi|omega|[{}%#&|])(?![A-Za-z])"
)
_ION = re.compile(r"(?:[A-Z][a-z]?(?:_?\d|_\{\d+\})?|[()])+\^(?:[-+]|\{\d?[-+]\})")
_OPENS = {"(": "(", "[": "(", "{": "{"}
_CLOSES = {")": "(", "]": "(", "}": "{"}
_ZERO = Node("num")


@lru_cache(maxsize=1 << 14)
def fault(gold: str) -> str | None:
    """Why a cleaned gold answer can be no answer; None where nothing is wrong with it."""
    if not _SUSPECT.search(gold):
        return None
    if not re.search(r"\w|\\", gold):
        return "a bracket by itself" if re.fullmatch(r"[(\[{)\]}]", gold) else None
    if not _is_algebra(gold):
        return None
    if not _balanced(gold):
        return "its brackets do not match"
    if _BARE_COMMAND.search(gold) or _BARE_FRACTION.search(gold) or re.search(r"[\^_]\s*(?:\{\s*\}|[)}\]])", gold):
        return "a part is missing"
    if not is_text(gold) and (_CUT_OFF.search(gold) or any(_CUT_OFF.search(x) for x in _parts(gold) if x != gold)):
        return "it is cut off"
    if "/" in gold or "\\" in gold or "^" in gold:
        return _undefined(gold)
    return None


def _is_algebra(text: str) -> bool:
    if _LABEL.fullmatch(text):
        return False
    words = [w for w in WORDS.findall(re.sub(r"\\[A-Za-z]+", " ", text)) if w.casefold() not in FUNCTIONS]
    return len(words) < 2 if _COMMAND.search(text) else not words


def _balanced(text: str) -> bool:
    """Whether the brackets match; round and square ones may, in half-open intervals, close each other."""
    if text.count("\\begin") != text.count("\\end"):
        return False
    if "\\begin" in text or re.fullmatch(r"\][^\[\](){}]*[\[\]]|[\[(][^\[\](){}]*\[", text):
        return True  # a system has a brace on one side, and ]1,2[ is an interval, too
    stack: list[str] = []
    for match in _BRACKET.finditer(text):
        mark = match[0][-1]
        if mark in _OPENS:
            stack.append(_OPENS[mark])
        elif not stack or stack.pop() != _CLOSES[mark]:
            return False
    return not stack


def _undefined(text: str) -> str | None:
    """Whether a part divides by what is nothing, or has another value that does not exist."""
    for part in _parts(text):
        tree = parse(part)
        if tree is not None and _has_no_value(tree):
            return "it has no value"
    return None


def _parts(text: str) -> list[str]:
    """The single expressions of equations, lists and matrices."""
    if len(equation := sides(text)) > 1:
        return [p for side in equation for p in _parts(side) if side]
    if listed := items(text):
        return [p for item in listed.parts for p in _parts(item)]
    return [p for row in rows(text) for cell in row for p in _parts(cell)] or [text]


def _has_no_value(tree: Node) -> bool:
    if any(_has_no_value(a) for a in tree.args):
        return True
    if tree.op == "div":
        return _is_nothing(tree.args[1])
    if tree.op == "pow":
        exponent = value(tree.args[1], {}) if not names(tree.args[1]) else None
        return exponent is not None and ball(exponent).mid < 0 and _is_nothing(tree.args[0])
    if tree.op in ("ln", "log"):
        return _is_nothing(tree.args[-1])
    if tree.op in ("tan", "sec", "cot", "csc"):
        return _is_nothing(Node("cos" if tree.op in ("tan", "sec") else "sin", tree.args))
    return False


def _is_nothing(tree: Node) -> bool:
    if tree.op in ("num", "var", "pi", "e"):
        return tree.op == "num" and not tree.value
    return prove(tree, _ZERO)


def unread(gold: str) -> list[str]:
    """The parts of a cleaned gold answer that only the parser of the workers can say to be readable."""
    return [part for part in _parts(gold) if _is_algebra(gold) and not _is_read(part)]


def is_notation(part: str) -> bool:
    """Whether a part that no parser reads is well-formed all the same, as one with a sign for parallel lines is.

    All its commands are LaTeX's, one of them at least, and no operator lacks an operand; such an answer can be
    compared as it is written, and in no other way.
    """
    bare = _LATEX.sub(" x ", part)
    return bare != part and "\\" not in bare and not _MISPLACED.search(part)


def _is_read(part: str) -> bool:
    if not part or is_word(part) or is_text(part) or quantity(part) or parse(part):
        return True
    if _ION.fullmatch(part) or not re.search(r"[\w\\]", part) or re.fullmatch(r"[\w\s.,:;'\"%#@~<>$&|+-]*", part):
        return True  # nothing of algebra in it but signs, which names and labels have, too
    return any(read(part, part) is not None for read in (same_date, same_time, same_region))
