"""Inputs that hang or mis-grade math-verify 0.9, as a comparison with it found them, and more of their kinds."""

from __future__ import annotations

from graded_pairs import RIGHT, UNKNOWN, WRONG


def deep(before: str, inner: str, after: str, times: int) -> str:
    return "$" + before * times + inner + after * times + "$"


DET = r"\\".join("&".join(f"x_{{{8 * i + j}}}" for j in range(8)) for i in range(8))
SET_300 = (r"$\{" + ",".join(map(str, numbers)) + r"\}$" for numbers in (range(299, -1, -1), range(300)))

# Inputs that hang or stall math-verify (peers.md §6 A) and more of their kinds: decided without evaluating them.
HUGE = [
    ("9^9^9^9", "5", WRONG),
    ("2^10000000000", "5", WRONG),
    ("$9^{9^{9^9}}$", "$5$", WRONG),
    (r"\boxed{9^{9^{9}}}", "$5$", WRONG),
    ("$10^{10000000}$", "$5$", WRONG),
    ("$9^{9^8}$", "$9^{9^9}$", WRONG),
    ("$2^{-9^{9^9}}$", "$5$", WRONG),
    ("$(1/3)^{9^{9^9}}$", "$5$", WRONG),
    ("9^9^9", "0.5", WRONG),
    ("(10^9)^(10^9)", "5", WRONG),
    ("$10^{100000}!$", "$5$", WRONG),
    ("$1000000!$", "$5$", WRONG),
    ("$10000000!$", "$5$", WRONG),
    ("$1000000000!$", "$5$", WRONG),
    ("$((10!)!)!$", "$5$", WRONG),
    ("$9!!!!$", "$5$", WRONG),
    (r"$\binom{10^9}{5\cdot 10^8}$", "$5$", WRONG),
    (r"$\binom{1000000}{500000}$", "$5$", WRONG),
    (r"$\sum_{n=1}^{10000000} \frac{1}{n}$", "$5$", WRONG),
    (r"$7^{10^{20}} \mod 6$", "$1$", RIGHT),
    (deep(r"\frac{1}{", "2", "}", 50), "$5$", WRONG),
    (deep(r"\frac{1}{1+", "1", "}", 200), "$5$", WRONG),
    (deep(r"\frac{1}{1+", "1", "}", 2000), "$5$", WRONG),
    (deep("(", "5", ")", 30), "$5$", RIGHT),
    (deep("(", "5", ")", 200), "$5$", RIGHT),
    (deep("(", "5", ")", 1000), "$5$", RIGHT),
    (deep("{", "5", "}", 5000), "$5$", RIGHT),
    ("$" + "1+" * 19_999 + "1$", "$20000$", RIGHT),
    (r"$\{" + ",".join(map(str, range(3000))) + r"\}$", r"$\{1,2\}$", WRONG),
    (*SET_300, RIGHT),
    ("1" * 1_000_000, "5", WRONG),
    ("0." + "1" * 100_000, "0.5", WRONG),
    ("1 " * 20_000, "5", WRONG),
    # more of the same kinds
    ("8^8^8^8", "8^8^8", WRONG),
    ("$3^{10^{18}}$", "$3^{10^{18}+1}$", WRONG),
    ("$x+9^{9^{9^9}}$", "$x$", WRONG),
    ("$x$", "$x+9^{9^{9^9}}$", WRONG),
    ("$x+100000!$", "$x$", WRONG),
    (r"$3^{10^{30}} \bmod 7$", "$4$", RIGHT),
    ("$9^{9^9}$ apples", "5 apples", WRONG),
    ("1e999999999", "5", WRONG),
    ("$10^{10^{10}}+1$", "$10^{10^{10}}-9^{10^{10}}$", UNKNOWN),
    (deep("[", "5", "]", 3000), "$5$", RIGHT),
    (deep(r"\{", "5", r"\}", 3000), "$5$", WRONG),
    (deep(r"\{1,", "5", r"\}", 3000), "$5$", WRONG),
    (deep(r"\sqrt{", "5", "}", 2000), "$5$", WRONG),
    ("(" * 50_000, "5", WRONG),
    ("<answer>" + "^" * 50_000 + "</answer>", "5", WRONG),
    ("<answer>" + "1-" * 40_000 + "x</answer>", "5", UNKNOWN),
    ("<answer>" + "1,111," * 15_000 + "x</answer>", "5", WRONG),
]

# The others of that section: algebra that cannot be finished; only never the opposite of the truth.
STUBBORN = [
    (r"$\prod_{n=1}^{1000000} n$", "$5$"),
    (r"$\sum_{n=1}^{10^{9}} n^{n}$", "$5$"),
    (r"$\int_0^1 x^x e^{\sin x} dx$", "$5$"),
    (r"$\int_0^{\infty} \frac{\sin(x^3) e^{-x^2}}{1+x^4} dx$", "$5$"),
    (rf"$\det\begin{{pmatrix}}{DET}\end{{pmatrix}}$", "$5$"),
    (r"$x^7+\sin x+e^x=3$", "$x=5$"),
    (r"\[ " * 5000 + "5", "$5$"),
    (r"\( " * 5000 + "5", "$5$"),
    (r"$\sin(x)^{99999}+\sin(9^{9^9}x)$", "$x$"),
]

# math-verify calls these right (peers.md §6 B) …
FALSELY_RIGHT = [
    ("$7=5$", "$5$"),
    (r"\boxed{0=5}", "$5$"),
    (r"\boxed{silent}", r"\boxed{listen}"),
    (r"\boxed{DCA}", r"\boxed{ACD}"),
    (r"\boxed{e}", r"\boxed{E}"),
    ("50%", "50"),
    ("5", "5 percent"),
    (r"$5\text{ m}$", r"$5\text{ m}^2$"),
    (r"\boxed{60\text{ m/s}}", r"$60\text{ km/h}$"),
    ("1:3", "1:2"),
    (r"\boxed{0.2}", r"\boxed{3:15}"),
    ("1.2", "1.2.3"),
    ("-2", "3-5"),
    ("0.0000004", "0.0000001"),
    ("$1,2$", "$(1,2)$"),
    ("$f$", "$f'$"),
    (r"The final answer is 5. I hope it is correct. \boxed{7}", "$5$"),
]

# … and these wrong (C).
FALSELY_WRONG = [
    ("red", "red"),
    ("red", r"$\text{red}$"),
    ("<think>7</think><answer>5</answer>", "5"),
    ("Answer:5", "5"),
    (r"\boxed{5", "$5$"),
    (r"\fbox{5}", "$5$"),
    (r"\boxed{A. red}", r"\boxed{A}"),
    (r"\boxed{true}", r"\boxed{True}"),
    ("1.5", "1 1/2"),
    ("1.234,5", "1234.5"),
    (r"\boxed{12\,345}", "$12345$"),
    (r"\boxed{1.2e3}", "$1200$"),
    ("$5\u00b2$", "$25$"),
    (r"\boxed{\sin 30^\circ}", "$0.5$"),
    (r"\boxed{\varnothing}", r"$\emptyset$"),
    ("\u22125", "-5"),
    ("\u00bd", "1/2"),
    ("\u03c0", r"$\pi$"),
    ("2\u00d73", "6"),
    ("\u221e", r"$\infty$"),
    ("\uff15", "5"),
    ("\u200b5", "5"),
    ("1\u00ad5", "15"),
    ("1\u00a0000", "1000"),
    ("$" + "1" * 4400 + "$", "$" + "1" * 4400 + "$"),
    ("1+" * 1999 + "1", "2000"),
]
