# pyright: strict
"""Proofs that two expressions are the same: both as quotients of polynomials in independent atoms.

Atoms are variables, pi, e, roots of primes, logarithms, exponentials and the sine and cosine of a smallest
angle; sums and multiples of angles, products under logarithms and the like are worked out. Every rewriting
is an identity wherever both sides exist, so that equal forms are a proof; unequal ones say nothing.
"""

from __future__ import annotations

import math
from fractions import Fraction

from .expressions import Node
from .polynomials import ONE, Exponent, Monomial, Polynomial, Unproven, add, constant, key, primes, single, whole

MOST_WORK = 20_000  # products of terms in one proof
MOST_POWER = 24
MOST_BITS = 2000


def same_equation(a: Node, b: Node) -> bool | None:
    """Whether two equations, as left side minus right, have the same solutions; None where that is not decided.

    They do where one is a multiple of the other. They do not where both are solved for the same variable,
    which stands by itself in each, and the polynomials left are not the same.
    """
    prover = _Prover()
    try:
        p, q = (prover.flat(prover.form(x)) for x in (a, b))
    except (_Again, Unproven, RecursionError):
        return None
    if not p or not q or (prover.split and prover.undone):
        return None
    (m, c), *_ = p.items()
    if m in q and not add(p, {n: d * c / q[m] for n, d in q.items()}, -1):
        return True
    plain = all(name[0] == "v" and isinstance(k, int) and k > 0 for side in (p, q) for n in side for name, k in n)
    return False if plain and _solved(p) & _solved(q) else None


def _solved(p: Polynomial) -> set[str]:
    """The variables that stand by themselves, and nowhere else."""
    lone = {m[0][0] for m in p if len(m) == 1 and m[0][1] == 1}
    return {name for name in lone if sum(name == other for m in p for other, _ in m) == 1}


class _Again(Exception):
    """An angle turned out to be a fraction of what was taken for the smallest."""


def prove(a: Node, b: Node) -> bool:
    """Whether the two are the same by proof; False says nothing."""
    prover = _Prover()
    for _ in range(6):
        try:
            (top, bottom), (other_top, other_bottom) = prover.form(a), prover.form(b)
            if not bottom or not other_bottom or (prover.split and prover.undone):
                return False
            return not add(prover.mul(top, other_bottom), prover.mul(other_top, bottom), -1)
        except _Again:
            continue
        except (Unproven, RecursionError):
            return False
    return False


Form = tuple[Polynomial, Polynomial]


class _Prover:
    """What one proof has to remember: what its atoms stand for, and the smallest angles."""

    def __init__(self) -> None:
        self.work = 0
        self.ids: dict[str, str] = {}
        self.exponents: dict[str, Monomial] = {}
        self.bases: dict[str, Polynomial] = {}
        self.angles: dict[Monomial, Fraction] = {}
        self.logs: dict[str, Polynomial] = {}
        self.split = self.undone = False  # a logarithm of a product was split; one was undone: not both

    def name(self, kind: str, of: str) -> str:
        """A short name of an atom; its first letter says what it is."""
        return kind + self.ids.setdefault(of, str(len(self.ids)))

    # ---- polynomials

    def mul(self, a: Polynomial, b: Polynomial) -> Polynomial:
        self.work += len(a) * len(b) + 1
        if self.work > MOST_WORK:
            raise Unproven
        total: Polynomial = {}
        for m, c in a.items():
            for n, d in b.items():
                if c.numerator.bit_length() + d.numerator.bit_length() > MOST_BITS:
                    raise Unproven
                exponents = dict(m)
                for name, k in n:
                    exponents[name] = exponents.get(name, 0) + k
                plain, coefficient, rest = self._reduced(exponents, c * d)
                term: Polynomial = {plain: coefficient}
                for factor in rest:
                    term = self.mul(term, factor)
                total = add(total, term)
        return total

    def _reduced(self, exponents: dict[str, Exponent], c: Fraction) -> tuple[Monomial, Fraction, list[Polynomial]]:
        """The monomial with squares of sines, whole powers of roots and the like taken out."""
        rest: list[Polynomial] = []
        kept: list[tuple[str, Exponent]] = []
        for name, k in exponents.items():
            kind = name[0]
            if kind == "#":  # a prime
                n = math.floor(k)
                if abs(n) > MOST_BITS // 10:
                    raise Unproven
                c, k = c * Fraction(int(name[1:])) ** n, k - n
            elif kind == "R" and k >= 1:
                n = math.floor(k)
                rest.append(self.power(self.bases[name], n))
                k -= n
            elif kind == "S" and k >= 2:
                square = add(constant(1), single("C" + name[1:], 2), -1)
                rest.append(self.power(square, math.floor(k) // 2))
                k -= math.floor(k) // 2 * 2
            elif kind == "A" and k >= 2:
                rest.append(single(name[1:], math.floor(k) // 2 * 2))
                k -= math.floor(k) // 2 * 2
            if k:
                kept.append((name, int(k) if whole(k) else k))
        return tuple(sorted(kept)), c, rest

    def power(self, p: Polynomial, n: int) -> Polynomial:
        if n > (MOST_POWER if len(p) > 1 else 4 * MOST_POWER):
            raise Unproven
        total = constant(1)
        for _ in range(n):
            total = self.mul(total, p)
        return total

    def times(self, a: Form, b: Form) -> Form:
        return self.mul(a[0], b[0]), self.mul(a[1], b[1])

    def plus(self, a: Form, b: Form, sign: int = 1) -> Form:
        if a[1] == b[1]:
            return add(a[0], b[0], sign), a[1]
        return add(self.mul(a[0], b[1]), self.mul(b[0], a[1]), sign), self.mul(a[1], b[1])

    # ---- expressions

    def form(self, tree: Node) -> Form:
        one = constant(1)
        op = tree.op
        if op == "num":
            return constant(tree.value), one
        if op in ("var", "pi", "e"):
            return single("v" + tree.name if op == "var" else "~" + op), one
        if op == "pow":
            return self._power(*tree.args)
        args = [self.form(a) for a in tree.args]
        first = args[0]
        if op == "add":
            for other in args[1:]:
                first = self.plus(first, other)
            return first
        if op == "neg":
            return self.plus((constant(0), one), first, -1)
        if op == "mul":
            return self.times(*args)
        if op == "div":
            return self.times(first, self._inverse(args[1]))
        if op == "root":
            degree = self._number(first)
            if degree is None or degree.denominator != 1 or degree < 1:
                raise Unproven
            return self._root(args[1], 1 / degree)
        if op == "factorial":
            n = self._number(first)
            if n is None or n.denominator != 1 or not 0 <= n <= 50:
                raise Unproven
            return constant(math.factorial(int(n))), one
        if op == "log":
            return self.times(self._ln(args[1]), self._inverse(self._ln(first)))
        return self._function(op, first)

    def _function(self, name: str, a: Form) -> Form:
        one = constant(1)
        if name == "ln":
            return self._ln(a)
        if name == "exp":
            return self._exp(a)
        if name in ("sinh", "cosh", "tanh"):
            up, down = self._exp(a), self._exp(self.plus((constant(0), one), a, -1))
            less, more = self.plus(up, down, -1), self.plus(up, down)
            half: Form = (constant(Fraction(1, 2)), one)
            return (
                self.times(less, self._inverse(more))
                if name == "tanh"
                else self.times(less if name == "sinh" else more, half)
            )
        if name in ("sin", "cos", "tan", "cot", "sec", "csc"):
            cosine, sine = self._circular(self.flat(a))
            top = {"sin": sine, "cos": cosine, "tan": sine, "cot": cosine}.get(name, one)
            bottom = {"tan": cosine, "cot": sine, "sec": cosine, "csc": sine}.get(name, one)
            return top, bottom
        p = self.flat(a)
        if name == "abs":
            p = min(p, add({}, p, -1), key=key)
            m, c = next(iter(p.items())) if len(p) == 1 else (ONE, Fraction(0))
            if len(m) == 1 and m[0][1] == 1 and m[0][0][0] == "v":
                return {(("A" + m[0][0], 1),): abs(c)}, one
        return single(self.name("F", name + key(p))), one

    @staticmethod
    def _inverse(a: Form) -> Form:
        if not a[0]:
            raise Unproven
        return a[1], a[0]

    @staticmethod
    def _number(a: Form) -> Fraction | None:
        if set(a[0]) <= {ONE} and set(a[1]) == {ONE}:
            return a[0].get(ONE, Fraction(0)) / a[1][ONE]
        return None

    def flat(self, a: Form) -> Polynomial:
        """A form without a denominator."""
        if len(a[1]) != 1:
            raise Unproven
        (m, c), *_ = a[1].items()
        if any(name[0] in "RSA" for name, _ in m):
            raise Unproven
        return self.mul(a[0], {tuple((name, -k) for name, k in m): 1 / c})

    def _power(self, base: Node, exponent: Node) -> Form:
        e = self.form(exponent)
        b = self.form(base)
        n = self._number(e)
        if n is None:
            if base.op == "e":
                return self._exp(e)
            value = self._number(b)
            if value is not None:
                return self._exp(self.times(e, self._ln(b)))
            if base.op == "var":
                atoms: Monomial = ()
                for m, c in self.flat(e).items():
                    name = self.name("X", f"{base.name}{m!r}") if m else "v" + base.name
                    atoms = (*atoms, (name, int(c) if whole(c) else c))
                return {tuple(sorted(atoms)): Fraction(1)}, constant(1)
            raise Unproven
        if n.denominator != 1:
            return self._root(b, n)
        top, bottom = b if n >= 0 else self._inverse(b)
        return self.power(top, abs(int(n))), self.power(bottom, abs(int(n)))

    def _root(self, a: Form, q: Fraction) -> Form:
        """A power with a fraction; only of what has one sign where it exists."""
        if q < 0:
            return self._inverse(self._root(a, -q))
        p = self.flat(a)
        if not p:
            raise Unproven
        if len(p) > 1:
            content = Fraction(
                math.gcd(*(c.numerator for c in p.values())), math.lcm(*(c.denominator for c in p.values()))
            )
            p = {m: c / content for m, c in p.items()}
            name = self.name("R", key(p))
            self.bases[name] = p
            return self.mul(self._constant_root(content, q), self._raised(name, q)), constant(1)
        m, c = next(iter(p.items()))
        result = self._constant_root(c, q)
        if any(name[0] == "X" for name, _ in m):
            raise Unproven
        unsigned = [name for name, _ in m if name[0] not in "#E~A"]
        for name, k in m:
            if name in unsigned and q.denominator % 2 == 0:
                if len(unsigned) > 1 or not isinstance(k, int):
                    raise Unproven  # the root of xy exists where neither has one
                if k % 2 == 0:
                    if not whole(k * q) or name[0] != "v":
                        raise Unproven
                    name = "A" + name
            result = self.mul(result, self._raised(name, k * q))
        return result, constant(1)

    def _raised(self, name: str, k: Exponent) -> Polynomial:
        if k < 0 and name[0] in "RSA":
            raise Unproven
        return self.mul(constant(1), single(name, k))

    def _constant_root(self, value: Fraction, q: Fraction) -> Polynomial:
        result = constant(1)
        for p, k in primes(value).items():
            result = self.mul(result, single(f"#{p}", k * q))
        return result

    def _exp(self, a: Form) -> Form:
        result: Form = (constant(1), constant(1))
        for m, c in self.flat(a).items():
            logs = [name for name, k in m if name in self.logs and k == 1]
            if len(logs) == 1:
                others = tuple((name, k) for name, k in m if name != logs[0])
                base = self.logs[logs[0]]
                if others:  # 2 to the power x, and its multiples
                    step = self._exponential(m, c)
                else:
                    self.undone |= not logs[0].startswith("L#")
                    n = abs(int(c))
                    power = (self.power(base, n), constant(1)) if whole(c) else self._root((base, constant(1)), abs(c))
                    step: Form = power if c > 0 else self._inverse(power)
            else:
                step = self._exponential(m, c)
            result = self.times(result, step)
        return result

    def _exponential(self, m: Monomial, c: Fraction) -> Form:
        name = self.name("E", repr(m)) if m else "~e"
        self.exponents[name] = m
        return single(name, c), constant(1)

    def _ln(self, a: Form) -> Form:
        total = self._ln_of(a[0])
        if set(a[1]) != {ONE} or a[1][ONE] != 1:
            self.split |= set(a[1]) != {ONE}
            total = add(total, self._ln_of(a[1]), -1)
        return total, constant(1)

    def _ln_of(self, p: Polynomial) -> Polynomial:
        if not p:
            raise Unproven
        content = (
            next(iter(p.values()))
            if len(p) == 1
            else Fraction(math.gcd(*(c.numerator for c in p.values())), math.lcm(*(c.denominator for c in p.values())))
        )
        total: Polynomial = {}
        for prime, k in primes(content).items():
            total = add(total, self._log_atom(f"#{prime}", constant(prime)), k)
        if len(p) > 1:
            rest = {m: c / content for m, c in p.items()}
            return add(total, self._log_atom(key(rest), rest))
        atoms = next(iter(p))
        self.split |= len(atoms) > 1 or any(k != 1 for _, k in atoms)
        for name, k in atoms:
            known = self.exponents.get(name, ONE if name == "~e" else None)
            part = self._log_atom(name, single(name)) if known is None else {known: Fraction(1)}
            total = add(total, {m: c * k for m, c in part.items()})
        return total

    def _log_atom(self, name: str, of: Polynomial) -> Polynomial:
        atom = f"L{name}" if name[0] in "#v" else self.name("L", name)
        self.logs[atom] = of
        return single(atom)

    def _circular(self, angle: Polynomial) -> tuple[Polynomial, Polynomial]:
        """Cosine and sine of a sum, by those of its parts."""
        cosine, sine = constant(1), constant(0)
        for m, q in angle.items():
            if m == (("~pi", 1),) and 12 % q.denominator == 0:
                c, s = self._of_twelfths(int(q * 12) % 24)
            else:
                least = self.angles.setdefault(m, abs(q))
                if q % least:
                    top = math.gcd(q.numerator * least.denominator, least.numerator * q.denominator)
                    self.angles[m] = Fraction(top, q.denominator * least.denominator)
                    raise _Again
                cosine_atom, sine_atom = (single(self.name(kind, f"angle{m!r}")) for kind in "CS")
                c, s = self._turned(cosine_atom, sine_atom, abs(int(q / least)))
                s = s if q > 0 else add({}, s, -1)
            cosine, sine = (
                add(self.mul(cosine, c), self.mul(sine, s), -1),
                add(self.mul(sine, c), self.mul(cosine, s)),
            )
        return cosine, sine

    def _turned(self, c: Polynomial, s: Polynomial, n: int) -> tuple[Polynomial, Polynomial]:
        if n > MOST_POWER:
            raise Unproven
        cosine, sine = constant(1), constant(0)
        for _ in range(n):
            cosine, sine = (
                add(self.mul(cosine, c), self.mul(sine, s), -1),
                add(self.mul(sine, c), self.mul(cosine, s)),
            )
        return cosine, sine

    def _of_twelfths(self, n: int) -> tuple[Polynomial, Polynomial]:
        two, three = single("#2", Fraction(1, 2)), single("#3", Fraction(1, 2))
        six = self.mul(two, three)
        quarter = constant(Fraction(1, 4))
        c = self.mul(add(six, two), quarter)
        s = self.mul(add(six, two, -1), quarter)
        return self._turned(c, s, n)
