# pyright: strict
"""Text of models and files made safe to show: what would steer a terminal or hide is written as an escape."""

from __future__ import annotations

import unicodedata

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control, format (such as reversing the direction of writing), lone surrogate, line and paragraph separator."""
JOINERS = "\u200c\u200d"
"""Format characters that Persian, Indic scripts and emoji are written with; they steer nothing."""


def visible(text: str, keep: str = "\n\t") -> str:
    """Return the text with characters that steer or hide escaped, apart from those in `keep`."""
    if text.isprintable():
        return text
    return "".join(c if c in keep or not hides(c) else c.encode("unicode_escape").decode() for c in text)


def word(value: object) -> str:
    """Return a value as a piece of one line: line breaks are escaped, too."""
    return visible(str(value), keep="")


def counted(n: int, what: str) -> str:
    """Return a number of things by name: 1 row, 2,000 rows."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def hides(character: str) -> bool:
    """Whether a character is one that a reader does not see as itself."""
    return unicodedata.category(character) in HIDDEN and character not in JOINERS
