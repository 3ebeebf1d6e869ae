"""Answers graded per second, against math-verify called plainly on the same inputs, and what a hang costs.

python -m bench.grading            # about three minutes on two cores
python -m bench.grading --json
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import time
from collections.abc import Callable
from statistics import median

from sharpen.answers import Grader
from sharpen.grading import symbolic
from sharpen.types import Task

ROUNDS = 3
HANG = r"\prod_{n=1}^{1000000} n"
LIMIT_S = 2.0
LINES = "Let me look at the picture. There are several shapes in it, and I count them one by one. First the red ones.\n"
TRACE = LINES * 18  # about 2,000 characters
FORMULAS = (
    "So $x^2 + 3x = 4$ and \\(y = 2x\\), which gives 12 and 15.\nThen \\[ z = 3 \\] holds, and so on it goes.\n" * 20
)
CHOICES = ("red", "dark blue", "green", "yellow")

Row = tuple[str, str, bool]
"""Text, gold answer, and whether the one is the other."""
Maker = Callable[[int, int], Row]
"""A row that no other number gives, right where the offset is 0."""
Clock = Callable[[], float]
"""Easy answers take one process: its processor time does not depend on what else runs. The others take wall time."""

EASY: dict[str, Maker] = {
    "boxed number": lambda i, d: (rf"\boxed{{{i + d}}}", str(i), d == 0),
    "boxed number after a trace": lambda i, d: (TRACE + rf"\boxed{{{i + d}}}", str(i), d == 0),
    "tagged number after a trace": lambda i, d: (TRACE + f"<answer>{i + d}</answer>", str(i), d == 0),
    "loose number after a trace": lambda i, d: (TRACE + f"So it is {i + d} in all", str(i), d == 0),
    "loose number, one line": lambda i, d: (TRACE.replace("\n", " ") + f"So it is {i + d} in all", str(i), d == 0),
    "loose number after formulas": lambda i, d: (FORMULAS + f"So it is {i + d} in all", str(i), d == 0),
    "stated number after a trace": lambda i, d: (TRACE + f"The answer is {i + d}.", str(i), d == 0),
    "option letter after a trace": lambda i, d: (TRACE + f"Of {i}, the answer is ({'AB'[d > 0]}).", "A", d == 0),
    "decimal": lambda i, d: (f"{i + d}.50", f"{i}.5", d == 0),
    "fraction": lambda i, d: (rf"\boxed{{\frac{{{i + d}}}{{7}}}}", f"{i}/7", d == 0),
    "percent": lambda i, d: (rf"\boxed{{{i + d}\%}}", f"{i}%", d == 0),
    "number with a unit": lambda i, d: (rf"\boxed{{{i + d}\text{{ cm}}}}", f"{i} cm", d == 0),
    "thousands": lambda i, d: (f"{1000 + i + d:,}", f"{1000 + i}", d == 0),
    "date": lambda i, d: (f"May {i % 27 + 1}, {i % 8000 + 1111 + d}", f"{i % 8000 + 1111}-05-{i % 27 + 1:02}", d == 0),
    "yes or no": lambda i, d: (f"{'Yes' if d == 0 else 'No'}, as number {i} shows.", "yes", d == 0),
    "set of numbers": lambda i, d: (rf"\boxed{{\{{{i + d},{i + 9}\}}}}", rf"\{{{i + 9},{i}\}}", d == 0),
}


def symbolic_rows(sort: str, n: int, draw: random.Random) -> list[Row]:
    """Distinct pairs of one sort, half of them equal."""
    rows: dict[tuple[str, str], Row] = {}
    while len(rows) < n:
        same = len(rows) % 2 == 0
        gold, found = pair(sort, draw, 0 if same else draw.randint(1, 5))
        rows[gold, found] = (rf"\boxed{{{found}}}", gold, same)
    return list(rows.values())


def pair(sort: str, draw: random.Random, d: int) -> tuple[str, str]:
    """Gold and found, the same where d is 0."""
    a, b, c, q = draw.randint(2, 60), draw.randint(2, 60), draw.randint(2, 40), draw.choice([2, 3, 5, 7, 11, 13])
    v, w = draw.choice(["xy", "yz", "zt", "tx"])
    return {
        "surds": (rf"{a}\sqrt{{{b * b * q}}}", rf"{a * b + d}\sqrt{{{q}}}"),
        "surds in a denominator": (
            rf"\frac{{{a}}}{{\sqrt{{{b * b + 1}}}+{b}}}",
            rf"{a}\sqrt{{{b * b + 1}}}-{a * b + d}",
        ),
        "polynomials": (rf"({v}+{a})({b}{v}+{c})", rf"{b}{v}^2+{a * b + c}{v}+{a * c + d}"),
        "polynomials in two": (rf"({v}+{a}{w})^2+{c}", rf"{v}^2+{2 * a}{v}{w}+{a * a + d}{w}^2+{c}"),
        "rational functions": (rf"\frac{{{v}^2-{a * a}}}{{{v}-{a}}}+\frac{{{b}}}{{{c}}}",
                               rf"{v}+{a + d}+\frac{{{b}}}{{{c}}}"),
        "trigonometry": (rf"{a}\sin({2 * b}{v})+{c}", rf"{2 * a}\sin({b}{v})\cos({b}{v})+{c + d}"),
        "squares of sines": (rf"{a}-{2 * a}\sin^2({b}{v})", rf"{a}\cos({2 * b + d}{v})"),
        "angles": (rf"{a}\cos({b}^\circ)^2+{a}\sin({b}^\circ)^2+{c}", str(a + c + d)),
        "logarithms": (rf"\ln({a}{v}^{{{c}}})", rf"\ln {a + d}+{c}\ln {v}"),
        "exponentials": (rf"{a}e^{{{b}{v}+{c}}}", rf"{a}e^{{{c + d}}}\cdot e^{{{b}{v}}}"),
        "sets": (rf"\{{{v}+{a},\sqrt{{{4 * b}}}\}}", rf"\{{2\sqrt{{{b}}},{a + d}+{v}\}}"),
        "matrices": (rf"\begin{{pmatrix}}\frac{{{a}}}{{2}}&{b}{v}\\{c}&{v}^2\end{{pmatrix}}",
                     rf"\begin{{pmatrix}}{a / 2}&{v}\cdot {b + d}\\{c}&{v}\cdot {v}\end{{pmatrix}}"),
        "equations": (rf"{a}x-{b}y+{c}=0", rf"y=\frac{{{a}}}{{{b}}}x+\frac{{{c + d}}}{{{b}}}"),
        "inequalities": (rf"{v}\ge \frac{{{a}}}{{{b}}}", rf"[\frac{{{2 * a + d}}}{{{2 * b}}},\infty)"),
        "left to sympy: sums": (rf"\sum_{{n=1}}^{{{a}}} n+{b * c}", str(a * (a + 1) // 2 + b * c + d)),
        "left to sympy: derivatives": (rf"\frac{{d}}{{dx}}({a}x^2+{b}x+{c})", rf"{2 * a}x+{b + d}"),
    }[sort]  # fmt: skip


SORTS = [
    *("surds", "surds in a denominator", "polynomials", "polynomials in two", "rational functions", "trigonometry"),
    *("squares of sines", "angles", "logarithms", "exponentials", "sets", "matrices", "equations", "inequalities"),
]
FOR_SYMPY = ["left to sympy: sums", "left to sympy: derivatives"]


def ours(rows: list[Row], clock: Clock, choices: tuple[str, ...] = ()) -> tuple[float, int]:
    """Seconds, and how many verdicts are not the expected one."""
    items = [(text, Task(f"t{i}", "q", answer=gold, choices=choices)) for i, (text, gold, _) in enumerate(rows)]
    began = clock()
    verdicts = Grader().grade_all(items)
    seconds = clock() - began
    return seconds, sum(v.outcome != ("right" if row[2] else "wrong") for v, row in zip(verdicts, rows, strict=True))


def theirs(rows: list[Row], clock: Clock, choices: tuple[str, ...] = ()) -> tuple[float, int]:
    """The same with math-verify as its documentation calls it, in one process, limits on."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

    reads = (LatexExtractionConfig(), ExprExtractionConfig(), *([StringExtractionConfig()] if choices else []))
    began = clock()
    said = [verify(parse(rf"\boxed{{{gold}}}", reads), parse(text, reads)) for text, gold, _ in rows]
    return clock() - began, sum(s != row[2] for s, row in zip(said, rows, strict=True))


def compare(sorts: dict[str, Callable[[int], list[Row]]], clock: Clock) -> dict[str, dict[str, float]]:
    """Medians of alternating rounds; every round has new inputs, so that no cache helps."""
    table: dict[str, dict[str, float]] = {}
    for sort, rows_of in sorts.items():
        choices = CHOICES if sort.startswith("option") else ()
        rates: dict[str, list[float]] = {"ours": [], "theirs": []}
        bad = {"ours": 0, "theirs": 0}
        for k in range(ROUNDS):
            rows = rows_of(k)
            for name, grade in (("ours", ours), ("theirs", theirs)):
                seconds, wrong = grade(rows, clock, choices)
                rates[name].append(len(rows) / seconds)
                bad[name] += wrong
        table[sort] = {name: median(r) for name, r in rates.items()}
        table[sort]["ratio"] = table[sort]["ours"] / table[sort]["theirs"]
        table[sort] |= {**{f"{name} misgraded": n for name, n in bad.items()}, "of": ROUNDS * len(rows)}
    return table


def hang() -> dict[str, float]:
    """Wall seconds of 200 answers, some for sympy, with and without a hanging one among them."""
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for k in range(ROUNDS):
        draw = random.Random(1000 + k)
        for name in seconds:
            rows = [row for sort in SORTS for row in symbolic_rows(sort, 13, draw)][:180]
            rows += symbolic_rows(FOR_SYMPY[0], 20, draw)
            rows[100:100] = [(r"\boxed{5}", HANG + f"+{k}", False)] if name == "with" else []
            items = [(text, Task(f"t{i}", "q", answer=gold)) for i, (text, gold, _) in enumerate(rows)]
            began = time.perf_counter()
            verdicts = Grader(limit_s=LIMIT_S).grade_all(items)
            seconds[name].append(time.perf_counter() - began)
            assert sum(v.reason == "timeout" for v in verdicts) == (name == "with")
    return {"limit": LIMIT_S, **{name: median(s) for name, s in seconds.items()}}


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """Table, sort and column."""
    logging.disable(logging.CRITICAL)
    start = [(rf"\boxed{{{i}}}", rf"\sum_{{n=1}}^{{{i}}} 1", True) for i in range(2, 10)]
    (
        ours(start, time.perf_counter),
        theirs(start, time.perf_counter),
    )  # workers and sympy are there before the clock starts

    def easy(sort: str) -> Callable[[int], list[Row]]:
        return lambda k: [EASY[sort](100_000 * (k + 1) + 7 * i, i % 2) for i in range(200)]

    def algebra(sorts: list[str], n: int) -> Callable[[int], list[Row]]:
        return lambda k: [row for s in sorts for row in symbolic_rows(s, n, random.Random(f"{k}{s}{n}"))]

    return {
        "easy": compare({sort: easy(sort) for sort in EASY}, time.process_time),
        "symbolic": compare({sort: algebra([sort], 24) for sort in [*SORTS, *FOR_SYMPY]}, time.perf_counter),
        "mix": compare({
            "the 14 symbolic sorts": algebra(SORTS, 13),
            "with 1 in 20 for sympy": lambda k: algebra(SORTS, 14)(k) + algebra(FOR_SYMPY, 5)(k),
        }, time.perf_counter),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tables, cost = measure(), hang()
    symbolic.close()
    if options.json:
        flat = {sort: row for table in tables.values() for sort, row in table.items()}
        found = {name: {sort: row[name] for sort, row in flat.items()} for name in ("ours", "theirs", "ratio")}
        print(json.dumps({**found, "bound": None, "why no bound": "no physical bound", "rows": flat, "hang": cost}))
        return
    for name, table in tables.items():
        print(f"\n| {name}, answers/s | ours | math-verify | ratio | misgraded: ours | math-verify |")
        print("|---|---|---|---|---|---|")
        for sort, row in table.items():
            rates = " | ".join(f"{row[column]:,.0f}" for column in ("ours", "theirs", "ratio"))
            print(
                f"| {sort} | {rates} | {row['ours misgraded']:.0f} of {row['of']:.0f} | {row['theirs misgraded']:.0f} |"
            )
    print("\nA hanging input among 200 others, seconds: " + ", ".join(f"{k} {v:.2f}" for k, v in cost.items()))


if __name__ == "__main__":
    main()
