# pyright: strict
"""What is prose, a word or a name, and is compared as text rather than as algebra."""

from __future__ import annotations

import re
import unicodedata

FUNCTIONS = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
    *("log", "ln", "exp", "det", "max", "min", "gcd", "lcm"),
}

WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '.\-])*")
_ACCENT = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_PLACE = re.compile(r"(?:in|on|at) the ", re.I)

# blood groups, marks, languages and firms; A&B are two options
_SIGNED = re.compile(r"[A-Z][A-Za-z]*(?:[-+]{1,2}|#)|(?![A-J](?:&[A-J])+$)[A-Z][A-Za-z]*(?:&[A-Z][A-Za-z]*)+")


def is_word(text: str) -> bool:
    """Whether a text is words without digits or signs, and no function of algebra."""
    return len(text) > 2 and LETTERS.fullmatch(text) is not None and text.casefold() not in FUNCTIONS


def is_text(text: str) -> bool:
    """Prose, or something such as 1.2.3 that only looks like a number."""
    if "\\begin" in text:
        return False
    if re.fullmatch(r"\d+(?:\.\d+){2,}|\d+(?:-\d+)+|\d+(?:/\d+){2,}", text):
        return True
    if _SIGNED.fullmatch(text):
        return True
    words = [w for w in WORDS.findall(re.sub(r"\\[A-Za-z]+", " ", text)) if w.casefold() not in FUNCTIONS]
    return len(words) >= 2 or any(len(w) > 3 for w in words)


def plain(text: str) -> str:
    """Words without case, articles, hyphens, brackets and punctuation."""
    if _SIGNED.fullmatch(text):
        return text.casefold()  # B+ is not B-
    if not text.isascii():  # a letter with an accent counts as the letter: café is cafe
        text = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))
    text = re.sub(r"(?<![^\W_])([^\W\d_])\.(?=[^\W\d_](?![^\W_]))", r"\1", text)  # U.S.A.
    words = re.findall(r"[^\W_]+|[^\w\s.,;:!?\"'\-()\[\]]", text.casefold())
    return " ".join(w for i, w in enumerate(words) if i or w not in ("a", "an", "the"))


def same_words(g: str, p: str) -> bool:
    """Whether two texts say the same; "on the left" is the left, and X-ray is xray."""
    if plain(g) == plain(p):
        return True
    if "-" in g + p and plain(_HYPHEN.sub("", g)) == plain(_HYPHEN.sub("", p)):
        return True
    return (
        plain(_PLACE.sub("", g, 1)) == plain(p)
        if _PLACE.match(g)
        else bool(_PLACE.match(p)) and plain(_PLACE.sub("", p, 1)) == plain(g)
    )
