# pyright: strict
"""Expressions as trees: what is written in LaTeX or plain text, where there is one way to read it.

Only notations whose reading is beyond doubt, and the same as math-verify's, are read; for all others
`parse` returns None and the workers decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import localcontext
from fractions import Fraction
from functools import lru_cache

from . import functions
from .arithmetic import MIXED
from .functions import FUNCTIONS
from .reals import CTX, PI, ULP, Ball, Number, Undefined, literal, negative, nth_root, over, plus, power, times

LONGEST = 400
DEEPEST = 20
MOST_FACTORS = 40  # a product is a tree as deep as it is long
_TOKEN = re.compile(r"\s+|(?P<number>\d+(?:\.\d+)?|\.\d+)|\\(?P<command>[A-Za-z]+)|(?P<word>[A-Za-z]+)|(?P<op>\*\*|.)")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\s*\\circ(?![a-zA-Z])")
_GREEK = {*("alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "rho", "sigma", "tau", "phi", "omega")}
_OTHER_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_NAMED = {*FUNCTIONS, *_OTHER_NAMES, "log"} - {"abs", "factorial"}
_BARE = {("command", c) for c in ("frac", "sqrt", "pi")}
_CLOSING = {"(": ")", "{": "}", "[": "]", "|": "|"}


class Unread(Exception):
    """Not a notation this module knows."""


@dataclass(frozen=True)
class Node:
    """`op` is num, var, pi, e, add, mul, div, neg, pow, root (degree first), log (base first) or a function."""

    op: str
    args: tuple[Node, ...] = ()
    value: Fraction = Fraction(0)
    name: str = ""


@lru_cache(maxsize=4096)
def parse(text: str) -> Node | None:
    """The tree of a text that `spelling.clean` has cleaned; None where its reading is in doubt."""
    if len(text) > LONGEST or re.search(r"\d[eE][-+]?\d|['=<>,;:&%$#]", text):
        return None
    for pattern in MIXED:
        text = pattern.sub(r"(\1+\2/\3)", text)
    text = _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    try:
        reader = _Reader(_tokens(text))
        tree = reader.sum(0)
        return tree if reader.at == len(reader.tokens) else None
    except Unread:
        return None


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        token = match[kind] if kind else ""
        if kind in ("word", "command") and token in _NAMED:
            tokens.append(("function", _OTHER_NAMES.get(token, token)))
        elif kind == "word":
            following = text[match.end() :].lstrip()[:1]
            if len(token) > 2 or following == "_" or re.match(r"d[a-z]", token):
                raise Unread
            if token[-1] in "fghFGHP" and following == "(":
                raise Unread
            tokens += [("name", c) for c in token]
        elif kind == "command" and token in _GREEK:
            tokens.append(("name", "\\" + token))
        elif kind == "command" and token in ("cdot", "times"):
            tokens.append(("op", "*"))
        elif kind == "command" and token == "div":
            tokens.append(("op", "/"))
        elif kind:
            tokens.append((kind, "^" if token == "**" else token))
    return tokens


class _Reader:
    """A descent over the tokens; `depth` bounds it."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ("", "")

    def take(self, token: str) -> bool:
        found = self.peek() == ("op", token)
        self.at += found
        return found

    def sum(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise Unread
        parts = [self.product(depth)]
        while self.peek() in (("op", "+"), ("op", "-")):
            minus = self.peek()[1] == "-"
            self.at += 1
            part = self.product(depth)
            parts.append(Node("neg", (part,)) if minus else part)
        return Node("add", tuple(parts)) if len(parts) > 1 else parts[0]

    def product(self, depth: int) -> Node:
        value = self.signed(depth)
        for _ in range(MOST_FACTORS):
            before = self.tokens[self.at - 1][0]
            if self.take("*"):
                value = Node("mul", (value, self.signed(depth)))
            elif self.take("/"):
                value = Node("div", (value, self.signed(depth)))
            elif self.opens_operand():
                if before == self.peek()[0] == "number":
                    raise Unread  # "1 1" is no product
                value = Node("mul", (value, self.power(depth)))
            else:
                return value
        raise Unread

    def opens_operand(self) -> bool:
        kind, token = self.peek()
        if kind == "command":
            return token in ("frac", "sqrt", "pi")
        return kind in ("number", "name", "function") or (kind == "op" and token in "({[")

    def signed(self, depth: int) -> Node:
        minus = False
        while self.peek() in (("op", "+"), ("op", "-")):
            minus ^= self.peek()[1] == "-"
            self.at += 1
        value = self.power(depth)
        return Node("neg", (value,)) if minus else value

    def power(self, depth: int) -> Node:
        value = self.operand(depth)
        if self.take("!"):
            if self.peek() == ("op", "!"):
                raise Unread
            value = Node("factorial", (value,))
        return Node("pow", (value, self.exponent(depth))) if self.take("^") else value

    def exponent(self, depth: int) -> Node:
        minus = self.take("-")
        if self.peek()[0] == "function" or depth > DEEPEST:
            raise Unread
        value = self.operand(depth + 1)
        if self.take("^"):
            value = Node("pow", (value, self.exponent(depth + 1)))
        return Node("neg", (value,)) if minus else value

    def operand(self, depth: int) -> Node:
        kind, token = self.peek()
        self.at += 1
        if kind == "number":
            number = literal(token)
            if not isinstance(number, Fraction):
                raise Unread
            return Node("num", value=number)
        if kind == "name":
            return Node("e") if token == "e" else Node("var", name=token)
        if kind == "function":
            return self.function(token, depth)
        if kind == "op" and token in _CLOSING:
            return self.closed(token, depth)
        if kind == "command" and token == "pi":
            return Node("pi")
        if kind == "command" and token == "frac":
            return Node("div", (self.argument(depth), self.argument(depth)))
        if kind == "command" and token == "sqrt":
            degree = Node("num", value=Fraction(2))
            if self.take("["):
                degree = self.closed("[", depth)
            argument = self.closed("(", depth) if self.take("(") else self.argument(depth)
            return Node("root", (degree, argument))
        raise Unread

    def closed(self, opening: str, depth: int) -> Node:
        inner = self.sum(depth + 1)
        if not self.take(_CLOSING[opening]):
            raise Unread
        return Node("abs", (inner,)) if opening == "|" else inner

    def argument(self, depth: int) -> Node:
        """Of a command: a group in braces, or one letter or digit."""
        kind, token = self.peek()
        if (kind, token) == ("op", "{"):
            self.at += 1
            return self.closed("{", depth)
        if kind == "name" or (kind == "number" and len(token) == 1):
            return self.operand(depth)
        raise Unread

    def function(self, name: str, depth: int) -> Node:
        """A function with its power, base and argument; after a bare argument nothing may follow that binds."""
        base = Node("num", value=Fraction(10))
        if name == "log" and self.take("_"):
            base = self.argument(depth)
        times_itself = None
        if self.take("^"):
            times_itself = self.argument(depth)
            if times_itself.op != "num":
                raise Unread  # an inverse, or a power yet to be told from one
        if self.peek() in (("op", "("), ("op", "{")):
            opening = self.peek()[1]
            self.at += 1
            inner = self.closed(opening, depth)
        else:
            inner = self.bare(depth)
        value = Node("log", (base, inner)) if name == "log" else Node(name, (inner,))
        return Node("pow", (value, times_itself)) if times_itself else value

    def bare(self, depth: int) -> Node:
        value: Node | None = None
        first = self.at
        while self.at < first + MOST_FACTORS and (self.peek() in _BARE or self.peek()[0] in ("number", "name")):
            factor = self.power(depth)
            value = Node("mul", (value, factor)) if value else factor
        kind, token = self.peek()
        if value is None or kind == "command" or (kind == "op" and token not in "+-)}]|"):
            raise Unread
        return value


def names(tree: Node) -> frozenset[str]:
    """The variables of a tree."""
    return frozenset([tree.name]) if tree.op == "var" else frozenset[str]().union(*map(names, tree.args))


def value(tree: Node, at: dict[str, Fraction]) -> Number | None:
    """The value at a point; None where there is no real one that this module knows."""
    try:
        with localcontext(CTX):
            return _value(tree, at)
    except (Undefined, ArithmeticError, ValueError):
        return None


def _value(tree: Node, at: dict[str, Fraction]) -> Number:
    op = tree.op
    if op == "num":
        return tree.value
    if op == "var":
        return at[tree.name]
    if op == "pi":
        return Ball(PI, ULP)
    if op == "e":
        return functions.exp(Fraction(1))
    args = [_value(a, at) for a in tree.args]
    if op == "add":
        total = args[0]
        for a in args[1:]:
            total = plus(total, a)
        return total
    if op == "neg":
        return negative(args[0])
    return _BINARY[op](*args) if op in _BINARY else FUNCTIONS[op](args[0])


_BINARY = {
    "mul": times,
    "div": over,
    "pow": power,
    "root": nth_root,
    "log": functions.log,
}
