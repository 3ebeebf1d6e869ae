# pyright: strict
"""The value of a written calculation, at a cost bounded by its length.

`evaluate` knows numbers, + - * / ^ !, brackets, fractions, roots, binomials, pi and mod; it works
through an explicit stack, so depth costs nothing, with the numbers of `reals.py`, whose size is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import localcontext
from fractions import Fraction

from .reals import (
    CTX,
    PI,
    ULP,
    Ball,
    Number,
    Undefined,
    binomial,
    factorial,
    literal,
    negative,
    nth_root,
    over,
    plus,
    power,
    square_root,
    times,
)

MOST_FACTORIALS = 200  # each may cost half a millisecond
TOKEN = re.compile(
    r"\s+|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,18}(?!\d))?)"
    r"|\\(?P<word>d?t?c?frac|sqrt|cdot|times|div|pi|d?t?binom)(?![a-zA-Z])|(?P<op>[-+*/^!(){}\[\]])"
)
MIXED = (
    re.compile(r"(?<![\w.)}\]^!])(\d{1,30})\s*\\[dtc]?frac\s*\{\s*(\d{1,30})\s*\}\s*\{\s*(\d{1,30})\s*\}"),
    re.compile(r"(?<![\w.)}\]^!/])(\d{1,30})\s+(\d{1,30})\s*/\s*(\d{1,30})(?![\d.!^])"),
)
MOD = re.compile(r"\\(?:pmod|bmod|mod|operatorname\{mod\})(?![a-zA-Z])|(?<=[\s\d)}])mod(?=[\s\d({])")
BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "~": 3, "^": 4}


INFIX: dict[str, Callable[[Number, Number], Number]] = {
    "+": plus,
    "-": lambda a, b: plus(a, negative(b)),
    "*": times,
    "/": over,
    "^": power,
}
PREFIX: dict[str, tuple[int, Callable[..., Number]]] = {
    "frac": (2, over),
    "binom": (2, binomial),
    "sqrt": (1, square_root),
    "root": (2, nth_root),
}


@dataclass
class Frame:
    """One open bracket: the values and operators since, and the commands still waiting for arguments."""

    close: str = ""
    values: list[Number] = field(default_factory=list[Number])
    ops: list[str] = field(default_factory=list[str])
    waiting: list[tuple[str, list[Number]]] = field(default_factory=list[tuple[str, list[Number]]])
    ready: bool = False  # an operand has just ended

    def infix(self, op: str) -> None:
        if not self.ready and op in "+-" and not self.waiting:
            self.ops += ["~"] if op == "-" else []
            return
        if not self.ready:
            raise Undefined
        while self.ops and BINDS[self.ops[-1]] >= BINDS[op] and op != "^":
            self.reduce()
        self.ops.append(op)
        self.ready = False

    def reduce(self) -> None:
        op = self.ops.pop()
        last = self.values.pop()
        self.values.append(negative(last) if op == "~" else INFIX[op](self.values.pop(), last))

    def before_operand(self) -> None:
        if self.ready and not self.waiting:
            self.infix("*")

    def operand(self, value: Number) -> None:
        while self.waiting:
            name, args = self.waiting[-1]
            args.append(value)
            if len(args) < PREFIX[name][0]:
                return
            self.waiting.pop()
            value = PREFIX[name][1](*args)
        self.values.append(value)
        self.ready = True

    def end(self) -> Number:
        if not self.ready or self.waiting:
            raise Undefined
        while self.ops:
            self.reduce()
        if len(self.values) != 1:
            raise Undefined
        return self.values[0]


def evaluate(text: str) -> Number | None:
    """The value of `text`, or None where it is not a calculation with a known real value."""
    if len(text) > 100_000 or (not any(c.isdigit() for c in text) and "\\pi" not in text):
        return None
    if text.count("!") + text.count("binom") > MOST_FACTORIALS:
        return None
    for pattern in MIXED:
        text = pattern.sub(r"(\1+\2/\3)", text)
    try:
        with localcontext(CTX):
            halves = MOD.split(text)
            return remainder(*halves) if len(halves) == 2 else calculate(text)
    except (Undefined, ArithmeticError, ValueError, IndexError):
        return None


def remainder(text: str, modulus: str) -> Number:
    """`text` mod `modulus`; a power is never multiplied out."""
    m = calculate(modulus)
    if not isinstance(m, Fraction) or m.denominator != 1 or m <= 0:
        raise Undefined
    base, caret, exponent = text.strip().strip("()").partition("^")
    if caret:
        b, e = calculate(base), calculate(exponent)
        if isinstance(b, Fraction) and isinstance(e, Fraction) and b.denominator == 1 == e.denominator and e >= 0:
            return Fraction(pow(b.numerator, e.numerator, m.numerator))
    value = calculate(text)
    if not isinstance(value, Fraction) or value.denominator != 1:
        raise Undefined
    return value % m


def calculate(text: str) -> Number:
    """As `evaluate`, without mod; raises `Undefined`."""
    frames = [Frame()]
    at, previous = 0, ""
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Undefined
        at, frame = match.end(), frames[-1]
        number, word, op = match.group("number"), match.group("word"), match.group("op")
        if number:
            if frame.waiting and len(number) > 1:  # \frac12 and \sqrt35 take one digit
                at = match.start("number") + 1
                number = number[0]
            elif frame.ready and previous == "number":
                raise Undefined  # "1 1 1" is no product
            frame.before_operand()
            frame.operand(literal(number))
        elif word == "pi":
            frame.before_operand()
            frame.operand(Ball(PI, ULP))
        elif word in ("cdot", "times", "div"):
            frame.infix("/" if word == "div" else "*")
        elif word:
            frame.before_operand()
            frame.waiting.append((word.lstrip("dtc") if word != "cdot" else word, []))
        elif op:
            at = _operator(op, frames, text, at)
        if not match[0].isspace():
            previous = "number" if number else "other"
    if len(frames) != 1:
        raise Undefined
    return frames[0].end()


def _operator(op: str, frames: list[Frame], text: str, at: int) -> int:
    frame = frames[-1]
    if op in "+-*/^":
        if text.startswith("*", at) and op == "*":
            frame.infix("^")
            return at + 1
        frame.infix(op)
    elif op == "!":
        marks = 1
        while text.startswith("!", at):
            marks, at = marks + 1, at + 1
        if not frame.ready:
            raise Undefined
        frame.values[-1] = factorial(frame.values[-1], marks)
    elif op in "({[":
        if op == "[" and frame.waiting and frame.waiting[-1] == ("sqrt", []):
            frame.waiting[-1] = ("root", [])
        else:
            frame.before_operand()
        frames.append(Frame({"(": ")", "{": "}", "[": "]"}[op]))
    else:
        if op != frame.close:
            raise Undefined
        value = frames.pop().end()
        frames[-1].operand(value)
    return at
