# pyright: strict, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# (sympy and its parser are untyped in parts)
"""Algebra with sympy and math-verify, for the worker processes of `symbolic.py` only: any call may hang.

Values decide before forms: two expressions that differ at a random point are not the same, and two that
agree to twenty-five digits at several points are. What has no value (sets, inequalities, systems) goes to
math-verify's own comparison.
"""

from __future__ import annotations

import logging
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from latex2sympy2_extended.latex2sympy2 import NormalizationConfig, latex2sympy, normalize_latex
from math_verify import verify
from math_verify.grader import should_treat_as_complex
from sympy import Eq, Expr, Float, I, MatrixBase, Rational

from .arithmetic import evaluate
from .equality import DEEPEST, BadGold, nesting, same
from .quantities import Ambiguous, Quantity, quantity, same_quantity
from .reals import Ball, Number

logging.disable(logging.CRITICAL)

BIGGEST_EXPONENT = 1000
BIGGEST_FACTORIAL = 1000
LONGEST = 1000
CLOSE, NOTHING = Float("1e-20", 30), Float("1e-25", 30)
POINTS = ("5/7", "13/11", "17/19", "-23/29", "31/13", "-3/37", "41/23", "-7/43")
CONFIG = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
_USUAL = (
    *(
        r"\frac{x^2+1}{\sqrt{2}y}",
        r"\sin(2x)+\log_2 8-e^{x}",
        "x<2",
        "y=2x-1",
        r"[1,2)\cup(3,\infty)",
        r"\{1,2\}",
    ),
    *(r"|x|\cdot\pi", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\int_0^1 x dx", r"1<x\le 2", "a_1+3i"),
    r"-\frac{1}{2}(x+1)(x-3)",
)
_FUNCTION = re.compile(
    r"(?<![\\A-Za-z])(arc(?:sin|cos|tan)|a?(?:sin|cos|tan)h?|cot|sec|csc|log|ln|exp|det)(?![A-Za-z])"
)
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\s*\\circ(?![a-zA-Z])")
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_FRACTION_THEN_NUMBER = re.compile(rf"(\\frac\s*{_GROUP}\s*{_GROUP})\s*(\d+\.\d+|\d{{2,}})")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{\w+\*?\}")
_RUN = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")


def answer(gold: str, found: str | None, tolerance: float | None) -> tuple[bool | None, str | None]:
    """Whether `found` is `gold`, or None and the reason why that cannot be told; without `found`, as `readable`."""
    try:
        if found is None:
            return readable(gold), None
        return same(gold, found, lambda g, p: equivalent(g, p, tolerance), tolerance), None
    except Ambiguous:
        return None, "ambiguous"
    except BadGold:
        return None, "gold_unparsable"
    except TimeoutError:
        return None, "timeout"


def equivalent(gold: str, found: str, tolerance: float | None = None) -> bool:
    """Whether two expressions, cleaned by `spelling.clean`, are the same."""
    g, p = _latex(gold), _latex(found)
    runs = [sorted(_RUN.findall(_ENVIRONMENT.sub("", x))) for x in (g, p)]
    if runs[0] != runs[1]:
        # letters side by side are read as a product, in which every anagram is the same
        if sorted("".join(runs[0])) == sorted("".join(runs[1])):
            raise Ambiguous
        if any(len(run) > 3 for side in runs for run in side):
            return False
    for text in (g, p):
        if _too_big(text):
            raise TimeoutError
    real = not (should_treat_as_complex(g) or should_treat_as_complex(p))
    try:
        a = _parse(g, real)
    except Exception as error:
        raise BadGold from error
    try:
        b = _parse(p, real)
    except Exception:
        return False
    verdict = _same_values(a, b, gold, found, tolerance, real)
    if verdict is not None:
        return verdict
    return bool(verify(a, b, allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=False))


def readable(gold: str) -> bool:
    """Whether the parser reads a gold answer, cleaned by `spelling.clean`; what is too big to try is."""
    g = _latex(gold)
    if not _too_big(g):
        try:
            _parse(g, not should_treat_as_complex(g))
        except Exception:
            return False
    return True


def warm_up() -> None:
    """Fill the parser's caches, so that every forked child has them."""
    for text in _USUAL:
        equivalent(text, text.replace("2", "5"))


def _latex(text: str) -> str:
    """Plain-text notation (sin(x), x**10, 2*x) as LaTeX."""
    text = _DEGREES.sub(r"(\\frac{\1 \\pi}{180})", text.replace("**", "^"))
    text = re.sub(r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    text = re.sub(r"\^\s*(-?\d{2,}|-\d)", r"^{\1}", text)
    text = re.sub(r"\^\s*\(([^()]*)\)", r"^{\1}", text)
    # the parser's own repairs would take the first digit alone: \frac{d}{dx} 30x^2 as 3 * 0x^2
    text = _FRACTION_THEN_NUMBER.sub(r"\1{\2}", text)
    return _FUNCTION.sub(r"\\\1 ", text).replace("*", r" \cdot ")


def _too_big(text: str) -> bool:
    """Whether sympy would multiply out a number, or parse a text, of absurd size."""
    if len(text) > LONGEST or nesting(text) > DEEPEST or re.search(r"\d{400}", text):
        return True
    for match in re.finditer(r"(?<!\^)(_\s*(?:\{[^{}]*\}|\w)\s*)?\^", text):
        if match[1]:
            continue  # the upper limit of a sum or an integral, or the exponent of a name
        value = evaluate(_group(text, match.end()))
        if value is not None and _size(value) > BIGGEST_EXPONENT:
            return True
    for match in re.finditer(r"(\d+|[)}])\s*!", text):
        inner = match[1] if match[1].isdigit() else _group_before(text, match.end(1))
        value = evaluate(inner)
        if value is not None and _size(value) > BIGGEST_FACTORIAL:
            return True
    return False


def _size(value: Number) -> Decimal:
    return abs(value.mid if isinstance(value, Ball) else Decimal(int(value)))


def _group(text: str, at: int) -> str:
    """The bracketed group that begins at `at`, or the number there."""
    if match := re.compile(r"\s*[-+]?[\d.]+").match(text, at):
        return match[0]
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth <= 0 and text[i] in ")]}":
            return text[at : i + 1]
    return text[at:]


def _group_before(text: str, end: int) -> str:
    depth = 0
    for i in range(end - 1, -1, -1):
        depth += (text[i] in ")]}") - (text[i] in "([{")
        if depth == 0:
            return text[i:end]
    return text[:end]


@lru_cache(maxsize=512)
def _parse(text: str, real: bool) -> Any:
    value: Any = latex2sympy(
        normalize_latex(text, config=CONFIG), is_real=real, convert_degrees=False, normalization_config=None
    )
    if isinstance(value, str) or value is None:
        raise ValueError(text)
    if not real and not re.search(r"_\{?i|i\s*=", text):  # no index: the imaginary unit
        value = value.subs({s: I for s in value.free_symbols if s.name == "i"})
    floats: Any = value.atoms(Float) if hasattr(value, "atoms") else ()
    return value.xreplace({f: Rational(str(f)) for f in floats}) if floats else value


def _same_values(a: Any, b: Any, gold: str, found: str, tolerance: float | None, real: bool) -> bool | None:
    """Compare by value where both sides have one."""
    if isinstance(a, MatrixBase) and isinstance(b, MatrixBase):
        if a.shape != b.shape:
            return False
        return _all(_same_values(x, y, "", "", tolerance, real) for x, y in zip(a.flat(), b.flat(), strict=True))
    if isinstance(a, Eq) and isinstance(b, Eq):
        left, right = (_residual(e) for e in (a, b))
        return _proportional(left, right)
    if not (isinstance(a, Expr) and isinstance(b, Expr)):
        return None
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    if not symbols:
        return _same_constants(a, b, gold, found, tolerance)
    points = 0
    for shift in range(4):
        at = _point(symbols, shift)
        x, y = _value(a, at), _value(b, at)
        if x is None or y is None:
            return None
        if real and not (x.is_real and y.is_real):
            continue  # outside the domain: ln(x^2) is 2 ln x wherever both exist
        points += 1
        if abs(x - y) > CLOSE * max(abs(x), abs(y)) + NOTHING:
            return False
    return True if points > 1 else None


def _residual(equation: Any) -> Any:
    return equation.lhs - equation.rhs


def _all(verdicts: Any) -> bool | None:
    known = list(verdicts)
    return False if False in known else None if None in known else True


def _point(symbols: list[Any], shift: int) -> dict[Any, Any]:
    return {s: Rational(POINTS[(i + 3 * shift) % len(POINTS)]) for i, s in enumerate(symbols)}


def _value(expression: Any, at: dict[Any, Any]) -> Any:
    """The number to thirty digits, or None where it has none."""
    value: Any = expression.evalf(30, subs=at)
    parts: Any = value.as_real_imag() if value.is_number else (value,)
    return value if all(part.is_Float or part.is_Rational for part in parts) else None


def _same_constants(a: Any, b: Any, gold: str, found: str, tolerance: float | None) -> bool | None:
    x, y = _value(a, {}), _value(b, {})
    if x is None or y is None:
        return None
    if not (x.is_real and y.is_real):
        return bool(abs(x - y) <= CLOSE * max(abs(x), abs(y)) + NOTHING)
    ours, theirs = (quantity(t) or _as_quantity(v) for t, v in ((gold, x), (found, y)))
    verdict = same_quantity(ours, theirs, tolerance)
    if verdict is None:
        raise TimeoutError
    return verdict


def _as_quantity(value: Any) -> Quantity:
    mid = Decimal(str(value))
    return Quantity(Ball(mid, abs(mid) * Decimal("1e-27") + Decimal("1e-32")))


def _proportional(a: Any, b: Any) -> bool | None:
    """Whether two equations, as residuals, differ by a constant factor; None says that this does not tell."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    ratios: list[Any] = []
    for shift in range(3):
        at = _point(symbols, shift)
        x, y = _value(a, at), _value(b, at)
        if x is None or y is None or abs(x) <= NOTHING or abs(y) <= NOTHING:
            return None
        ratios.append(x / y)
    alike = symbols and all(abs(r - ratios[0]) <= CLOSE * abs(ratios[0]) for r in ratios)
    return True if alike else None
