# pyright: strict
"""The rows of a run's task files that became no task, each with its reason, and how often each reason was given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ..store import Store
from .history import seen

_OWN = re.compile(r"""(?<!^)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|\b[0-9a-f]{12}\b(?: \([^)]*\))?""")
"""What a reason says of one row alone: a quoted value that does not come first, or a picture's hash and file."""


def left_out(store: Store) -> list[tuple[str, str]]:
    """Return (id, reason) of every row that the folder's last run left out, in order."""
    query = f"SELECT task, reason FROM events e WHERE scope = 'import' AND {seen('e')} ORDER BY rowid"
    return list(store.db.rows(query))


def by_reason(rows: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Count rows by their reason without what it says of one row alone, the most frequent first."""
    return dict(Counter(re.sub(r"\d+", "N", _OWN.sub("…", reason)) for _, reason in rows).most_common())
