"""`sharpen look DIR --task ID`: a page of what attempts at one task looked at, token by token, over its picture."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import tyro

from . import setup
from .cli import emit, parse
from .errors import UserError, require
from .folder_commands import opened
from .models.settings import Loading
from .progress import say
from .run import Run
from .store import Store
from .types import Rollout, Task


@dataclass(frozen=True)
class LookOptions:
    """Write a page with the attempts of a round at one task: the image share of every token, and maps of some.

    Maps are of the tokens that look at the image most and, where an attempt was resumed, of the one put in place of
    the critical token. The model that wrote the attempts reads them once more; what it finds is in the ledger then.
    """

    folder: tyro.conf.Positional[Path]
    task: str
    """The task's id."""
    round: int = 1
    """Whose attempts."""
    model: str = ""
    """What wrote them; empty takes the run's own model, which wrote those of round 1."""
    loading: Loading = field(default_factory=Loading)
    """How the model comes into memory."""
    most: int = 12
    """Attempts on the page, the first ones of the round."""
    html: Path = Path("looking.html")
    json: bool = False

    def __post_init__(self) -> None:
        require(self.round >= 1, "round", self.round, "1 or more")
        require(self.most >= 1, "most", self.most, "1 or more")


def look_command(arguments: Sequence[str]) -> None:
    """`sharpen look DIR --task ID`."""
    from .report.attempt import attempts
    from .report.html import document, section, write_page
    from .report.traces import trace

    options: LookOptions = parse(LookOptions, "look", arguments)
    with opened(options.folder, write=True) as store:
        task, found = attempted(store, options)
        model = setup.model(options.model or own_model(store), options.loading)
        own = [r for r in found if r.model == model.identity]
        if not own:
            raise UserError(
                f"none of the {len(found)} attempts at {options.task!r} in round {options.round} is by "
                f"{model.name}; give the model that wrote them with --model"
            )
        shown = own[: options.most]
        run = Run({"policy": model}, store, round=options.round, scope="report")
        by_key = {r.key: r for r in found}
        traces = [trace(run, model, f"attempt {at}", r, by_key.get(r.parent or "")) for at, r in enumerate(shown, 1)]
    command = shlex.join(["sharpen", "look", *arguments])
    title = f"What the attempts at {task.id} looked at"
    write_page(options.html, document(title, command, section("Attempts", *attempts(traces))))
    counts = {"shown": len(shown), "beyond_most": len(own) - len(shown), "of_other_models": len(found) - len(own)}
    emit({"folder": str(options.folder), "task": task.id, "html": str(options.html), **counts}, options.json)
    left_out = (f"{counts['beyond_most']} more (--most)", f"{counts['of_other_models']} of other models (--model)")
    say(f"{options.html} shows {len(shown)} attempts; left out: {' and '.join(left_out)}")


def attempted(store: Store, options: LookOptions) -> tuple[Task, list[Rollout]]:
    """Return a task and the attempts that a round counted; UserError where there are none."""
    versions = list(store.questions([options.task]).values())
    found = store.collected(options.round, {options.task: versions[-1]}) if versions else []
    if not found:
        raise UserError(
            f"round {options.round} in {store.folder} has no attempts at a task {options.task!r}; "
            f"`sharpen show {store.folder}` tells the rounds, and with --task ID what there is of a task"
        )
    return versions[-1], found


def own_model(store: Store) -> str:
    """Return the name of the model that a run began with."""
    settings = store.manifest().get("settings")
    name = cast("dict[str, object]", settings).get("model") if isinstance(settings, dict) else None
    if not isinstance(name, str):
        raise UserError(f"{store.folder} does not say by which name its model was loaded; give it with --model")
    return name
