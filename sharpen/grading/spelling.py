# pyright: strict
"""One spelling for what Unicode, LaTeX, HTML and Markdown spell in many ways."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SIMPLE = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_READY = re.compile(r"-?[0-9]+(?:\.[0-9]+|/[0-9]+)?|-?\\frac\{[0-9]+\}\{[0-9]+\}")
_MEASURED = re.compile(
    r"(-?[0-9]+(?:\.[0-9]+)?)"
    r"(?:( ?%| ?(?!(?:pi|sqrt)\b)[A-Za-z]{1,12})|(\\%)|\\(?:text|mathrm)\{ ?((?!(?:pi|sqrt)\b)[A-Za-z]{1,12})\})"
)
_SIGNS = str.maketrans({
    **dict.fromkeys("\u2212\u2013\u2012\ufe63\uff0d", "-"), **dict.fromkeys("\u00f7\u2215\u2044", "/"),
    **dict.fromkeys("\u00b7\u22c5\u2219", r"\cdot "), "\u00d7": r"\times ", "\u03c0": r"\pi ",
    "\u221e": r"\infty ",
    "\u221a": r"\sqrt ", "\u2264": r"\le ", "\u2265": r"\ge ", "\u2260": r"\ne ", "\u2205": r"\emptyset ",
    "\u222a": r"\cup ", "\u2229": r"\cap ", "\u2208": r"\in ", "\u00b1": r"\pm ", "\u00b0": r"^\circ ",
    **dict.fromkeys("\u2032\u2018\u2019", "'"), **dict.fromkeys("\u201c\u201d", '"'), 
    "\u2220": r"\angle ", "\u25b3": r"\triangle ", "\u22a5": r"\perp ", "\u2225": r"\parallel ",
    "\u2245": r"\cong ", "\u223c": r"\sim ", "\u2227": r"\land ", "\u2228": r"\lor ",
    "\u3008": "(", "\u3009": ")",
})  # fmt: skip
_SUPERSCRIPT = re.compile("[⁰¹²³⁴-⁹⁺⁻]+")
_ROOT = re.compile("\u221a\\s*(\\d+(?:\\.\\d+)?)")  # of all digits, where LaTeX takes the first
_VULGAR = re.compile("[¼-¾⅐-⅞]")
# (what a match contains, pattern, replacement): looking for a string costs a tenth of looking for a pattern
_REWRITES = [(needles.split("|"), re.compile(a), b) for needles, a, b in (
    ("<", r"</?(?:b|i|u|em|strong|p|span|br|code|answer|box)\s*/?>", " "),
    (r"\left|\right|\big|\Big|style|\limits",
     r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits)(?![a-zA-Z])\.?", ""),
    (r"\!", r"\\!", ""), (r"\,|\;|\:|\>|\ |~|quad", r"(?<!\\)\\[,;:> ]|(?<!\\)~|\\q?quad(?![a-zA-Z])", " "),
    ("{,}", r"\{,\}", ","),
    (r"\dfrac|\tfrac|\cfrac", r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
    (r"\frac", r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
    ("pi|sqrt", r"(?<![\\A-Za-z])(pi|sqrt)(?![A-Za-z])", r"\\\1 "),
    (r"\varnothing", r"\\varnothing(?![a-zA-Z])", r"\\emptyset "),
    (r"\leq", r"\\leq(?![a-zA-Z])", r"\\le "), (r"\geq", r"\\geq(?![a-zA-Z])", r"\\ge "),
    (r"\neq", r"\\neq(?![a-zA-Z])", r"\\ne "),
    ("<=", r"<=", r"\\le "), (">=", r">=", r"\\ge "), ("!=", r"!=", r"\\ne "),
    (r"\lbrace", r"\\lbrace", r"\\{"), (r"\rbrace", r"\\rbrace", r"\\}"),
    (r"\langle", r"\\langle(?![a-zA-Z])", "("), (r"\rangle", r"\\rangle(?![a-zA-Z])", ")"),
    ("circ|degree", r"\^\s*(?:\\circ(?![a-zA-Z])|\{\s*\\circ\s*\})|\\degree(?![a-zA-Z])", r"^\\circ "),
    (r"\%", r"\\%", "%"), (r"\prime", r"\\prime(?![a-zA-Z])", "'"), (r"\#", r"\\#", "#"), (r"\_", r"\\_", "_"),
    (r"\&", r"\\&", "&"), (r"\(|\)|\[|\]", r"(?<!\\)\\[()\[\]]", " "),
)]  # fmt: skip
_REWRITABLE = re.compile(r"[\\<>!~{]|pi|sqrt")
_TEXT = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf)|mbox|boxed|fbox|bf|operatorname\*?)\s*\{([^{}]*)\}"
)
_OUTWARD = re.compile(r"([\[\]])([^\[\](){}]*[,;][^\[\](){}]*)([\[\]])")  # ]1,2[ for (1,2)
_INCHES = re.compile(r"""(?:\d+(?:\.\d+)? ?' ?)?\d+(?:\.\d+)? ?\"""")
_DECADE = re.compile(r"(?<=\d0)'s\b")
_PREFIX = re.compile(
    r"^#{2,6}\s+"
    r"|^(?:so |thus |therefore |hence )?,?(?:the )?(?:final |correct )?answer(?: is\b)?\s*[:=]?\s*|^答案[是为:]\s*",
    re.I,
)


def clean(text: str) -> str:
    """The text in its one spelling."""
    return _clean(text) if len(text) > 500 else _clean_short(text)


def _clean(text: str) -> str:
    if _READY.fullmatch(text):
        return text
    if match := _MEASURED.fullmatch(text):  # a number with a unit, at a tenth of the cost of what follows
        return match[1] + (match[2] or ("%" if match[3] else " " + match[4]))
    if not text.isascii():
        text = _SUPERSCRIPT.sub(lambda m: "^{" + unicodedata.normalize("NFKC", m[0]).replace("−", "-") + "}", text)
        text = _ROOT.sub(r"\\sqrt{\1}", text)
        text = _VULGAR.sub(lambda m: " " + unicodedata.normalize("NFKC", m[0]), text)
        text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    if _REWRITABLE.search(text):
        for needles, pattern, new in _REWRITES:
            for needle in needles:
                if needle in text:
                    text = pattern.sub(new, text)
                    break
        for _ in range(4):
            text, changed = _TEXT.subn(r" \1 ", text)
            if not changed:
                break
    if "$" in text:  # an escaped one is money, the others come in pairs around formulas
        money = text.replace("\\$", "\0")
        text = (money.replace("$", "") if money.count("$") % 2 == 0 else money).replace("\0", "$")
    text = " ".join(text.strip().strip("*`").split())
    bare = _PREFIX.sub("", text)
    if bare[-1:] != '"' or not _INCHES.fullmatch(bare):
        bare = bare.strip(' "`*;,').rstrip(".").strip()
    if "'s" in bare:
        bare = _DECADE.sub("s", bare)
    if bare[:1] == bare[-1:] == "'":
        bare = bare[1:-1].strip()  # a single closing one is a prime
    if (bare[:1] == "]" or bare[-1:] == "[") and (match := _OUTWARD.fullmatch(bare)):
        bare = ("(" if match[1] == "]" else "[") + match[2] + (")" if match[3] == "[" else "]")
    return bare or text.strip()


_clean_short = lru_cache(maxsize=1 << 16)(_clean)
