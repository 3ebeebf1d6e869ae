# pyright: strict
"""Is each attempt's row whole: its seal, parts, counts, address and key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..packing import DAMAGE, unpack_parts
from ..plan import rollout_keys
from ..progress import Progress
from ..store import Store
from ..types import Part
from .fault import Fault, picture
from .records import seal


class Attempt(NamedTuple):
    """A row of `rollouts`, and the address and settings of its call, None where that is not there."""

    key: str
    scope: str
    round: int
    verb: str
    task: str
    asked: str
    attempt: int
    parent: str | None
    given: int
    parts: bytes
    finish: str
    model: str
    tokens: int
    prompt: str
    call: int
    room: int
    address: str
    seal: bytes
    call_address: str | None
    settings: str | None


def attempts(store: Store) -> Iterator[Fault]:
    """Attempts whose row contradicts itself: seal, parts, counts, address or key."""
    total = int(next(store.db.rows("SELECT count(*) FROM rollouts"))[0])
    columns = ", ".join(f"r.{name}" for name in Attempt._fields[:-2])
    rows = store.db.rows(
        f"SELECT {columns}, c.address, c.settings FROM rollouts r LEFT JOIN calls c ON c.id = r.call ORDER BY r.rowid"
    )
    for row in Progress("attempts checked", total).over(rows):
        attempt = Attempt(*row)
        try:
            yield from (Fault("rollouts", attempt.key, problem) for problem in wrong(attempt, store.images))
        except DAMAGE as error:
            yield Fault("rollouts", str(attempt.key), f"its row cannot be read ({error})")


def wrong(row: Attempt, images: Path) -> Iterator[str]:
    """Yield what is wrong with one attempt's row."""
    if seal(row.key, row.asked, row.parts, row.finish) != row.seal:
        yield "its seal does not fit: key, question, parts or finish were changed or damaged after it was written"
    try:
        parts = unpack_parts(row.parts, images)
    except DAMAGE as error:
        yield f"its parts do not unpack ({error}); what was written is lost"
        return
    for part in parts:
        if part.image:
            yield from picture(images, part.image.sha256)
    if not 0 <= row.given <= len(parts):
        yield f"{row.given} parts are said to be given, it has {len(parts)}"
        return
    sampled = sum(len(part.ids) for part in parts[row.given :])
    if sampled != row.tokens:
        yield f"{row.tokens} tokens are said to be sampled, it has {sampled} that were not given"
    if row.verb == "given":
        if row.prompt or row.call or row.room:
            yield f"it came ready-made, but names prompt {row.prompt!r}, call {row.call} and room {row.room}"
    elif row.call_address is not None and row.settings is not None:
        yield from misplaced(row, parts[: row.given], row.call_address, row.settings)


def misplaced(row: Attempt, given: Sequence[Part], call_address: str, settings: str) -> Iterator[str]:
    """Yield where a row's place or key is not the one that follows from what it depends on."""
    call, address = parsed(call_address), json.loads(row.address)
    _, scope, round, _, verb = call
    if (scope, round, verb) != (row.scope, row.round, row.verb):
        yield f"it says {row.scope} {row.round} {row.verb}, its call is of {scope} {round} {verb}"
    name, parent, *cut = address if len(address) > 1 else (address[0], None)
    if (name, parent) != (row.task, row.parent):
        yield f"it is of task {row.task!r} and parent {row.parent}, its address is of {name!r} and {parent}"
    if cut and (kept := cut[0] + len(cut[1])) != (count := sum(len(part.ids) for part in given)):
        yield f"its address says that {kept} ids were given, it has {count}"
    limits = {**parsed(settings), "max_tokens": row.room}
    limits.pop("view", None)  # the name of what was shown instead; the prompt is in the key
    ids = [part.ids for part in given]
    (key,) = rollout_keys(row.model, row.prompt, ids, limits, call, address, [row.attempt])
    if key != row.key:
        yield (
            f"its key is not the one that follows from model, prompt, given ids, settings, room, addresses and attempt "
            f"({key}): one of them was changed, and a run would sample it anew"
        )


@lru_cache(maxsize=1024)
def parsed(text: str) -> Any:
    """Return a call's address or settings; many attempts share one."""
    return json.loads(text)
