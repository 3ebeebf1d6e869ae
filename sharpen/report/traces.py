"""Choose attempts worth looking at from a finished VISTA run, and measure what the report shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..models.maps import by_grid
from ..run import Run
from ..scorers.attention import ImageShare, image_share
from ..scorers.correct import correct
from ..store import Store
from ..types import Group, Rollout, Task
from ..verbs import ZScore, each, merge, zscore
from .heat import Look
from .html import Trace

if TYPE_CHECKING:
    from ..models.hf import HF

EACH = 2  # traces of each sort: kept, rescued, dropped
LOOKS = 2  # maps of an attempt beside its critical token's: those of the tokens with the largest image share


def tell(model: HF, tasks: Sequence[Task], folder: Path) -> list[Trace]:
    """Return two traces each that were kept, rescued from a failed attempt, and dropped for looking away.

    They are of the first round of a VISTA run, whose model is the base model.
    """
    with Store(folder) as store:
        run = Run({"policy": model}, store, round=1, scope="report")
        attempts = {r.key: r for r in store.collected(1, {t.id: t for t in tasks})}
        share = ImageShare(run.layer(None))
        right = [r for r in attempts.values() if r.scores.get(correct.name) == 1 and share.name in r.scores]
        groups = merge(Group(r.task, (r,)) for r in right)
        scored = each(zscore(groups, share))
        gone = store.noted("collect", 1, "dropped")
        chosen = [
            *(("kept", r) for r in spread([r for r in scored if r.key not in gone and not r.parent])),
            *(
                ("rescued by prefix resampling", r)
                for r in spread([r for r in scored if r.key not in gone and r.parent])
            ),
            *(
                ("right, but dropped: it looked less than the others", r)
                for r in spread([r for r in scored if r.key in gone])
            ),
        ]
        return [trace(run, model, title, r, attempts.get(r.parent or "")) for title, r in chosen]


def spread(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """Return a few attempts from different places of a list, each at another task."""
    different = list({r.task.id: r for r in rollouts}.values())
    step = max(1, len(different) // EACH)
    return different[::step][:EACH]


def trace(run: Run, model: HF, title: str, rollout: Rollout, parent: Rollout | None) -> Trace:
    """Measure one attempt for showing; where it was resumed, mark the token that took the critical one's place."""
    layer = run.layer(None)
    reading = run.read([rollout], layers=(layer,))[0]
    shares = tuple(
        image / total if (total := sum(spans)) else float("nan")
        for spans in reading.attention[layer]
        for image in spans[1:2]
    )
    share = image_share(reading, layer)
    verdict = run.judge([rollout])[0].outcome
    note = f"layer {layer}, image share {share:.3f}" if share is not None else ""
    pieces = tuple(model.render.pieces(rollout.ids))
    critical = rollout.given_tokens - 1 if parent else None
    if parent and critical is not None:
        note += f"; the failed attempt had {model.render.pieces([parent.ids[critical]])[0]!r} at the marked token"
    return Trace(
        title,
        rollout.task,
        pieces,
        verdict,
        given=rollout.given_tokens,
        critical=critical,
        replaced=None if critical is None else pieces[critical],
        attention=shares,
        score=rollout.scores.get(ZScore(ImageShare(layer)).name),
        note=note,
        looks=looks(run, model, rollout, layer, looked(shares, critical)) if rollout.seen.images else (),
    )


def looks(run: Run, model: HF, rollout: Rollout, layer: int, tokens: Sequence[int]) -> tuple[Look, ...]:
    """Measure where these tokens of an attempt look."""
    maps = run.read([rollout], layers=(layer,), maps=[tokens])[0].maps
    grids = model.family.grids(rollout.seen.images)
    return tuple(Look(token, by_grid(maps[layer][token], grids)) for token in tokens)


def looked(shares: Sequence[float], critical: int | None) -> list[int]:
    """Choose the tokens to map: the critical one, and those that look at the image most, the first of equal ones."""
    order = sorted((at for at, share in enumerate(shares) if share == share), key=lambda at: (-shares[at], at))
    return list(dict.fromkeys([*([] if critical is None else [critical]), *order[:LOOKS]]))
