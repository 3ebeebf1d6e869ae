"""What a round brought, in numbers and in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from .answers import Grader
from .errors import UserError
from .evaluate import Evaluation
from .incoming import identity_of
from .ledger.tally import Tally
from .ledger.visible import counted
from .models.model import Model
from .progress import say
from .statistics import Interval, span
from .store import Store
from .train import Train, record
from .types import Task, digest

CUT_OFF = 0.2
"""Share of attempts that end at the limit of tokens above which a person is warned: ours."""


@dataclass(frozen=True)
class Round:
    """What one round brought; `seconds` by part of the work."""

    round: int
    tally: Tally
    evaluation: Evaluation | None
    seconds: dict[str, float]
    events: dict[str, int]
    trained: bool
    """Whether its model lies in the run's folder; a trainer of one's own may leave none there."""

    def as_dict(self) -> dict[str, object]:
        """Return the round as one flat JSON object."""
        measured = self.evaluation.as_dict() if self.evaluation else {}
        unread = measured.pop("unknown", 0)  # the collection has an unknown of its own
        total = round(sum(self.seconds.values()), 2)
        return {
            "round": self.round,
            **asdict(self.tally),
            **measured,
            "unknown_in_test": unread,
            "seconds": total,
            "parts": {part: round(s, 2) for part, s in self.seconds.items()},
            "events": self.events,
            "trained": self.trained,
        }


@dataclass(frozen=True)
class Improved:
    """A finished run: the base model's evaluation, its rounds, and the last model."""

    base: Evaluation | None
    rounds: list[Round]
    model: Model

    def as_dict(self) -> dict[str, object]:
        """Return base and rounds for JSON."""
        base = self.base.as_dict() if self.base else None
        return {"base": base, "rounds": [r.as_dict() for r in self.rounds]}


def summarise(store: Store, number: int, tally: Tally, evaluation: Evaluation | None) -> Round:
    """Put together what the ledger knows of a round."""
    timings = store.timings(number)
    events = {f"{kind}: {reason}": n for (kind, reason), n in store.events("collect", number).items()}
    seconds = {part: s for part, (s, _) in timings.items()}
    return Round(number, tally, evaluation, seconds, events, record.place(store.folder, number).is_dir())


def made_of(
    method: object, model: Model, tasks: Sequence[Sequence[Task]], train: Train, numbers: Sequence[int], grader: Grader
) -> str:
    """Return a hash of what decides a run's rounds, but not of how many there are: a longer run is made alike."""
    asked = [identity_of(some) for some in tasks]
    return digest(type(method).__name__, vars(method), model.identity, asked, asdict(train), numbers, grader.name)


def announce_folder(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Say what a used run folder held that is made otherwise now; raises UserError for a run of another method."""
    old, new = flat(before), flat(json.loads(json.dumps(now, default=str)))
    if old["method"] and new["method"] and old["method"] != new["method"]:
        raise UserError(
            f"{folder} holds a run of {old['method']}, whose models one of {new['method']} would be written over; "
            "give another --out"
        )
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    changed = [f"{key} {short(old.get(key))} -> {short(new.get(key))}" for key in keys]
    if before and changed:
        say(f"  {folder} holds a run made otherwise ({'; '.join(changed)}): its rounds are replaced,")
        say("  and what was sampled or read there is used again where it fits")


BESIDE = ("out", "json", "model", "tasks", "track", "push_to_hub", "push_round", "public")
"""Settings that change no result, or whose content the manifest has by its hash."""


def flat(manifest: Mapping[str, Any]) -> dict[str, object]:
    """Return what decides a run's results, by dotted name."""
    found: dict[str, object] = {name: manifest.get(name) for name in ("method", "model", "tasks", "grader")}
    pending: list[tuple[str, Any]] = list(dict(manifest.get("settings") or {}).items())
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{name}.{key}", inner) for key, inner in cast("dict[str, Any]", value).items()]
        elif name not in BESIDE:
            found[name] = value
    return found


def short(value: object) -> str:
    """Cut a hash to twelve digits; what is not set is called so, and anything else is shown whole."""
    text = str(value) if value not in (None, "") else "none"
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text


def announce(tally: Tally, events: Mapping[tuple[str, str], int], timings: Mapping[str, tuple[float, int]]) -> None:
    """Say in words what a collection brought and how fast, and everything that was left out, with its reason."""
    t = tally
    first = t.unknown - t.unknown_resumed
    say(
        f"  {counted(t.attempts, 'attempt')} at {counted(t.tasks, 'task')}: {t.correct} correct, {first} unknown, "
        f"{counted(t.unsolved_before, 'task')} without a correct one"
    )
    if t.resumed:
        say(
            f"  {t.resumed} resumed from a prefix: {t.rescued} correct, {t.unknown_resumed} unknown, "
            f"{counted(t.unsolved_after, 'task')} still without"
        )
    if rate := throughput(tally, timings):
        say(f"  {rate}")
    announce_events(events)
    total = t.attempts + t.resumed
    if total:
        say(
            f"  {t.unknown / total:.1%} cannot be told, {t.dropped / total:.1%} dropped, "
            f"{t.unfinished / total:.1%} unfinished at the limit of tokens"
        )
    for warning in cut_off(t.unfinished, total):
        say(f"  {warning}")
    sign = "=" if t.correct + t.rescued - t.dropped == t.examples else ";"
    say(f"  {t.correct} + {t.rescued} correct - {t.dropped} dropped {sign} {t.examples} examples")


def cut_off(unfinished: int, attempts: int) -> list[str]:
    """Warn where so many attempts end at the limit of tokens that what is learnt from the others means little."""
    if unfinished <= CUT_OFF * attempts:
        return []
    why = "give a higher --max-tokens, or a model that ends its turns: what is cut off has no answer, or one by chance"
    return [f"{unfinished} of {attempts} attempts end at the limit of tokens; {why}"]


def throughput(tally: Tally, timings: Mapping[str, tuple[float, int]]) -> str:
    """Say how fast a round's attempts were written; empty where all of them were in the ledger already."""
    spent = [timings[part] for part in ("collect sample", "collect resume") if part in timings]
    seconds, tokens = sum(s for s, _ in spent), sum(n for _, n in spent)
    if not (seconds and tokens):
        return ""
    told = f"sampled in {seconds:.1f} s: "
    if tokens < tally.tokens:  # of attempts from the ledger the time is not known
        held = f"; {tally.tokens - tokens:,} of {tally.tokens:,} tokens were in the ledger already"
        return f"{told}{tokens / seconds:,.0f} tokens/s{held}"
    return f"{told}{(tally.attempts + tally.resumed) / seconds:,.1f} attempts/s, {tokens / seconds:,.0f} tokens/s"


def require_work(tally: Tally, events: Mapping[tuple[str, str], int]) -> None:
    """Raise UserError for a round that planned work and did none: nothing asked, or nothing to train on."""
    t = tally
    why = "; ".join(f"{n} {kind}: {reason}" for (kind, reason), n in sorted(events.items())) or "no reason was noted"
    if not t.examples and not t.attempts + t.resumed:
        raise UserError(f"no attempt was made at any of {t.tasks} tasks ({why}); shorten the questions or take others")
    if not t.examples:
        raise UserError(
            f"none of {t.attempts + t.resumed} attempts at {t.tasks} tasks became an example ({t.correct} correct, "
            f"{t.unknown} unknown; {why}); give more or easier tasks or more samples"
        )


def announce_events(events: Mapping[tuple[str, str], int]) -> None:
    """Say what was left out or could not be told, with the reason."""
    for (kind, reason), count in sorted(events.items()):
        say(f"  {count} {kind}: {reason}")


def describe(found: Evaluation) -> list[str]:
    """Say an evaluation in lines."""
    lines = [f"{name + ':':19} {value}" for name, value in measures(found).items()]
    for kind, row in found.by_kind.items():
        lines.append(f"  {kind:16} greedy {span(row['accuracy'])}, sampled {span(row['sampled_accuracy'])}")
    return lines


def measures(found: Evaluation) -> dict[str, str]:
    """Return what an evaluation measured over all tasks, in words by name."""
    return {
        "accuracy, greedy": f"{span(found.greedy)} of {found.greedy.n}",
        "accuracy, sampled": span(found.sampled),
        **{f"pass@{k}": span(value) for k, value in found.pass_at.items()},
        **{f"majority@{k}": span(value) for k, value in found.majority_at.items()},
        "image withheld": span(found.blind),
        "no answer found": "not known" if found.no_answer is None else f"in {found.no_answer} attempts, counted wrong",
        "unknown verdicts": f"{found.unknown}, in no figure",
    }


HEAD = (
    "run",
    "round",
    "attempts",
    "correct",
    "none right",
    "rescued",
    "dropped",
    "examples",
    "greedy",
    "sampled",
    "blind",
)


LEGEND = (
    "attempts: from the start + resumed from a prefix; none right: tasks without a correct one, before > after "
    "resuming;\ngreedy, sampled: accuracy [95 %] on unseen tasks; blind: greedy with the image withheld"
)
"""What the columns of a table say that their names do not."""


def table(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Lay out the rounds of runs as text; the base model is round 0, and what is unknown is a dash."""
    rows = [HEAD]
    for name, rounds in runs.items():
        rows += [(name, *cells(r)) for r in rounds]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows)


def cells(r: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a round under `HEAD`, but for the run's name."""
    return (str(r.get("round", 0)), *counts(r), *accuracies(r))


def counts(r: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a round's collection; dashes for the base model, which collected nothing."""
    if "attempts" not in r:
        return ("-",) * 6
    share = f"{r['correct'] / r['attempts']:.0%}" if r["attempts"] else "-"
    resumed = f" + {r['resumed']}" if r.get("resumed") else ""
    return (
        f"{r['attempts']}{resumed}",
        f"{r['correct']} ({share})",
        f"{r['unsolved_before']} > {r['unsolved_after']} of {r['tasks']}",
        str(r["rescued"]),
        str(r["dropped"]),
        str(r["examples"]),
    )


def accuracies(r: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a round's evaluation."""
    found = (r.get(column) for column in ("accuracy", "sampled_accuracy", "blind_accuracy"))
    return tuple(span(Interval(**cell)) if cell else "-" for cell in found)
