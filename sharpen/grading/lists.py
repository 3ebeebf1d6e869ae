# pyright: strict
"""Several answers in one text: the sides of equations, the parts of lists, sets, tuples and intervals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from .words import is_text


def sides(text: str) -> list[str]:
    """Cut at the equals signs outside brackets: those of sums and limits stay."""
    if "=" not in text:
        return [text]
    cuts, depth = [-1], 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c == "=" and depth == 0 and text[i - 1 : i] not in ("<", ">", "!", "\\"):
            cuts.append(i)
    return [text[a + 1 : b].strip() for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


_HEDGE = re.compile(r"^(?:either|both|maybe|perhaps|possibly)\s+(?=\S)", re.I)
_JOINT = re.compile(
    r"\s*,?\s+(?:and/or|and|or|&)\s+|(?<=\b[A-Ja-j])\s*[/&]\s*(?=[A-Ja-j]\b)|(?<=[^\W\d_]{3})\s*/\s*(?=[^\W\d_]{3})",
    re.I,
)


def alternatives(text: str) -> list[str]:
    """The answers that a text joins by "and", "or" or, between words and option letters, a slash; none for one."""
    text = _HEDGE.sub("", text)
    depth, cuts, last = 0, list[tuple[int, int]](), 0
    for match in _JOINT.finditer(text):
        depth += sum((c in "([{") - (c in ")]}") for c in text[last : match.start()])
        last = match.start()
        if depth == 0:
            cuts.append(match.span())
    if not cuts:
        return []
    edges = [(0, 0), *cuts, (len(text), len(text))]
    parts = [text[a[1] : b[0]] for a, b in pairwise(edges)]
    found = [_HEDGE.sub("", piece.strip()) for part in parts for piece in _split(part)]
    return found if len(found) > 1 and all(found) else []


@dataclass(frozen=True)
class Items:
    """Several answers in one: `kind` is the pair of brackets, empty for a bare list."""

    kind: str
    parts: tuple[str, ...]


def items(text: str) -> Items | None:
    """Split a list, set, tuple or interval; None for a single answer."""
    kind, inner = "", text
    for opening, closing in (("\\{", "\\}"), ("{", "}"), ("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")):
        if text.startswith(opening) and text.endswith(closing) and _encloses(text):
            kind, inner = (opening + closing).replace("\\", ""), text[len(opening) : -len(closing)]
            break
    if not kind:
        inner = re.sub(r",?\s+(?:and/or|and|or|&)\s+", ", ", inner)
        if inner != text:
            inner = _HEDGE.sub("", inner)
        if inner.count("\\pm") == 1:
            sign, expression = inner.split("\\pm")[0].strip(), inner
            parts = (expression.replace("\\pm", "+" if sign else " "), expression.replace("\\pm", "-"))
            return Items("", parts)
    parts = _split(inner)
    if len(parts) < 2:
        return Items(kind, tuple(parts)) if kind == "{}" and text.startswith("\\") and parts[0] else None
    if not all(parts) or (kind == "" and is_text(text) and any(len(x.split()) > 6 for x in parts)):
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


_MATRIX = re.compile(r"\\begin\s*\{([pbB]matrix)\}((?:(?!\\begin).)*)\\end\s*\{\1\}", re.S)


def rows(text: str) -> list[list[str]]:
    """The rows of a matrix; none where the text is something else, or a cell is empty."""
    match = _MATRIX.fullmatch(text)
    cells = [[c.strip() for c in row.split("&")] for row in re.split(r"\\\\", match[2].strip())] if match else []
    if cells and cells[-1] == [""]:
        cells.pop()
    return cells if all(cell for row in cells for cell in row) else []
