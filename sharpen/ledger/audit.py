# pyright: strict
"""A sheet of verdicts for a person to check: where graders disagree, what some could not tell, and some of the rest."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from ..errors import UserError, require
from ..store import Store
from ..types import Task, digest
from .records import gold_key
from .visible import counted, visible

SORTS = ("disagreement", "partly unknown", "unknown", "right", "wrong")
"""Right to one grader and wrong to another; unknown to some only; and what all graders say alike."""
AGREED = SORTS[2:]
FIRST = ("why", "task", "question", "choices", "gold", "found")
LAST = ("text", "attempt", "image", "human", "comment")
FORMULA = tuple("=+-@\t\r\n")
"""What a spreadsheet takes for the beginning of a formula, or strips to find one."""
MOST_CHARACTERS = 30_000
"""Of one cell; a spreadsheet cuts at 32,767 without a word."""


@dataclass(frozen=True)
class Drawn:
    """The attempts for a sheet by sort, how many of each sort there were, and which graders gave verdicts."""

    chosen: Mapping[str, Sequence[str]]
    there: Mapping[str, int]
    graders: Sequence[str]
    left_out: int
    """Attempts with verdicts on a gold answer only that their task has no more."""

    def as_dict(self) -> dict[str, object]:
        """Return the counts for JSON."""
        counts = {sort: {"there": self.there[sort], "in_sheet": len(self.chosen[sort])} for sort in SORTS}
        sorts = {sort.replace(" ", "_"): count for sort, count in counts.items()}
        return {**sorts, "left_out": self.left_out, "graders": list(self.graders)}


def draw(store: Store, n: int, seed: int) -> Drawn:
    """Choose n attempts, disagreements first, and some of every sort; `shares` says how many of each.

    Within a sort the hash of seed and attempt decides, so that the same seed gives the same sheet. Raises UserError
    where there is no verdict.
    """
    require(n >= 1, "n", n, "1 or more")
    there: dict[str, int] = dict.fromkeys((*SORTS, ""), 0)
    best: dict[str, list[tuple[str, str]]] = {sort: [] for sort in SORTS}
    graders: set[str] = set()
    for key, outcomes in _verdicts(store):
        graders |= outcomes.keys()
        sort = sort_of(set(outcomes.values()))
        there[sort] += 1
        if sort:
            ranked = best[sort]
            ranked.append((digest(seed, key), key))
            if len(ranked) >= 2 * n + 1000:  # so many are held at most, of however many attempts
                best[sort] = sorted(ranked)[:n]
    left_out = there.pop("")
    if not any(there.values()):
        others = f" on the tasks' gold answers, {left_out} on earlier ones" if left_out else ""
        raise UserError(f"{store.folder} holds no verdicts{others}; give some by: sharpen regrade {store.folder}")
    sizes = shares(there, n)
    chosen = {sort: [key for _, key in sorted(best[sort])[: sizes[sort]]] for sort in SORTS}
    return Drawn(chosen, there, sorted(graders, key=str), left_out)  # a damaged name may be bytes


def sort_of(outcomes: set[str]) -> str:
    """Return the sort of an attempt by the outcomes of all graders; empty where there is none."""
    if {"right", "wrong"} <= outcomes:
        return "disagreement"
    return "partly unknown" if len(outcomes) > 1 else next(iter(outcomes), "")


def shares(there: Mapping[str, int], n: int) -> dict[str, int]:
    """Return how many of each sort go into a sheet of n.

    Disagreements take what there is, but for a quarter of the sheet kept for those that only some graders could
    tell and a quarter for those that all say alike, a third of these each unknown, right and wrong. So a grader that
    tells less than another cannot fill the sheet, and a fault that all graders share is seen, too. What one sort
    lacks, the others fill.
    """
    agreed = sum(there[sort] for sort in AGREED)
    kept = (n + 1) // 4
    disagreement = min(there["disagreement"], n - min(kept, agreed) - min(kept, there["partly unknown"]))
    left = n - disagreement
    partly = min(there["partly unknown"], max(left // 2, left - agreed))
    found = {"disagreement": disagreement, "partly unknown": partly, **dict.fromkeys(AGREED, 0)}
    for _ in range(min(left - partly, agreed)):
        least = min((sort for sort in AGREED if found[sort] < there[sort]), key=found.__getitem__)
        found[least] += 1
    return found


def _verdicts(store: Store) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each attempt with its outcomes by grader, of verdicts on the gold answer that its question has now."""

    @lru_cache(maxsize=1 << 16)
    def gold_of(name: str | None, asked: str) -> str | None:
        task = store.questions([name]).get((name, asked)) if name is not None else None
        return gold_key(task) if task else None

    rows = store.db.rows(
        "SELECT v.rollout, v.grader, v.gold, v.outcome, r.task, r.asked FROM verdicts v "
        "LEFT JOIN rollouts r ON r.key = v.rollout ORDER BY v.rollout, v.grader"
    )
    for key, some in groupby(rows, key=itemgetter(0)):
        yield (
            key,
            {
                grader: store.verdict(key, outcome, None, None).outcome
                for _, grader, gold, outcome, *asked in some
                if gold == gold_of(*asked)
            },
        )


def header(drawn: Drawn) -> list[str]:
    """Return the names of the columns."""
    return [*FIRST, *drawn.graders, *LAST]


def rows(store: Store, drawn: Drawn) -> Iterator[list[str]]:
    """Yield the sheet's rows."""
    for sort in SORTS:
        for key in drawn.chosen[sort]:
            asked = next(store.db.rows("SELECT task, asked FROM rollouts WHERE key = ?", (key,)))
            yield row(store, drawn, sort, key, store.questions([asked[0]])[asked])


def row(store: Store, drawn: Drawn, sort: str, key: str, task: Task) -> list[str]:
    """Return one attempt's row."""
    outcomes: dict[str, str] = {}
    answers: dict[str, None] = {}
    for grader in drawn.graders:
        verdict = store.verdicts(grader, [key]).get((key, gold_key(task)))
        if verdict is None:
            continue
        outcomes[grader] = f"{verdict.outcome} ({verdict.reason})" if verdict.reason else verdict.outcome
        if verdict.found is not None:
            answers[verdict.found] = None
    return [
        *(sort, task.id, task.question),
        "\n".join(f"({chr(ord('A') + i)}) {choice}" for i, choice in enumerate(task.choices)),
        task.answer or "",
        " | ".join(answers),
        *(outcomes.get(grader, "") for grader in drawn.graders),
        "".join(part.text for part in store.parts(key)),
        key,
        "\n".join(str(store.images / image.sha256) for image in task.images),
        *("", ""),
    ]


def cell(text: str) -> str:
    """Return text as a cell that a spreadsheet shows and does not run."""
    mark = "'" if text.startswith(FORMULA) else ""
    shown = visible(text)
    if len(shown) > MOST_CHARACTERS:
        shown = (
            f"{shown[:MOST_CHARACTERS]} … {len(shown) - MOST_CHARACTERS} more characters: sharpen show DIR --task ID"
        )
    return mark + shown


def require_free(path: Path) -> None:
    """Raise UserError where a file is there that no empty sheet of ours is: a person's entries are not overwritten."""
    if path.is_dir():
        raise UserError(f"--out {path} is a folder; give a file to write, such as {path / 'audit.csv'}")
    if not path.parent.is_dir():
        what = "is a file, not a folder" if path.parent.exists() else "does not exist; make it"
        raise UserError(f"cannot write {path}: {path.parent} {what}, or give another --out")
    if not path.exists():
        return
    other = f"give another --out, or move {path} away"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sheet = csv.DictReader(file)
            ours = {*FIRST, *LAST} <= set(sheet.fieldnames or ())
            filled = sum(1 for r in sheet if any(str(r.get(c) or "").strip() for c in ("human", "comment")))
    except OSError as error:
        raise UserError(f"{path} is there and cannot be read ({error.strerror}); {other}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is there and is no audit sheet as it was written ({error}); {other}") from error
    if not ours:
        raise UserError(f"{path} is there and is no audit sheet as it was written; {other}")
    if filled:
        raise UserError(f"{path} holds human entries in {counted(filled, 'row')}, which would be lost; {other}")


def write(path: Path, head: Sequence[str], body: Iterable[Sequence[str]]) -> None:
    """Write a sheet, whole or not at all; raises UserError where the disk does not take it."""
    require_free(path)
    partial = path.with_name(f"{path.name}.partial")
    try:
        # With a mark of the encoding, since spreadsheets take a file without one for another alphabet.
        with partial.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([cell(str(text)) for text in line] for line in (head, *body))
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}); free some space or give another --out") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
