# pyright: strict
"""Cards: what a run, and each model it trained, is made of and came to, as README.md in their folders.

Everything is read from the ledger and from the records of the trainings, by the functions that `sharpen show` prints
with, and nothing that changes when the same command is given again is on them: the same ledger makes the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .. import benchmarks, methods
from ..errors import StoreError
from ..evaluate import Evaluation
from ..ledger.files import put
from ..ledger.history import alike, seen_run
from ..ledger.left_out import by_reason, contaminated, left_out
from ..progress import say
from ..rounds import HEAD, cells, flat, measures
from ..statistics import span
from ..store import Store
from ..train import record
from .markdown import Md, code, page, plain, table

CARD = "README.md"
MARK = Md("<!-- Written by sharpen from the ledger; what is changed here is written over. -->")
UNKNOWN = "not recorded"
INTERVALS = Md(
    "In brackets: 95 % intervals, Wilson's where each task is asked once, else over tasks. An attempt without an "
    "answer counts as wrong; unknown verdicts are in no mean."
)
NOTHING_MEASURED = Md("**Nothing was measured:** the run had no test tasks.")
NOT_MEASURED = Md(
    "Nothing else was measured: no other tasks, languages or kinds of image, and nothing about safety. The licence of "
    "the base model and of the data was not looked up, so none is named."
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What the ledger and the records beside it say of a run."""

    folder: Path
    manifest: Row
    rounds: Sequence[Row]
    """Results by round, the base model's first."""
    commands: Sequence[str]
    """Distinct commands of the runs made alike, in order."""
    made: str
    left_out: Mapping[str, int]
    contaminated: int
    """Tasks learnt from that are measured on, too."""
    trained: Mapping[int, Row]
    """Records of the trainings, by round."""

    @classmethod
    def of(cls, store: Store) -> Facts:
        """Read them."""
        run = seen_run(store.db, None)
        query = f"SELECT command, made FROM runs WHERE id IN ({','.join('?' * len(runs := alike(store.db, run)))})"
        found = list(store.db.rows(f"{query} ORDER BY id", runs))
        rounds = store.rounds()
        last = int(cast(int, rounds[-1].get("round", 0))) if rounds else 0
        folders = {int(f.name.removeprefix("round-")): f for f in record.trained(store.folder)}
        read = {n: said for n, f in folders.items() if n <= last and (said := recorded(f))}
        commands = dict.fromkeys(str(command) for command, _ in found if command)
        made = str(found[-1][1]) if found else UNKNOWN
        gone, repeated = by_reason(left_out(store)), len(contaminated(store))
        return cls(store.folder, store.manifest(), rounds, list(commands), made, gone, repeated, read)

    def setting(self, name: str) -> str:
        """Return a setting of the run as text."""
        return str(dict(self.manifest.get("settings") or {}).get(name, UNKNOWN))


def recorded(model: Path) -> Row | None:
    """Return the record of a training; None where it is not whole, since the run is about to train that anew."""
    try:
        return record.read(model)
    except StoreError:
        return None


def write_cards(store: Store, number: int) -> None:
    """Write the card of a finished round's model, where it left one, and that of the run."""
    facts = Facts.of(store)
    folder = record.place(store.folder, number)
    if number and folder.is_dir():
        _write(folder / CARD, model_card(facts, number))
    _write(store.folder / CARD, run_card(facts))


def write_run_card(store: Store) -> None:
    """Write the card of the run alone."""
    _write(store.folder / CARD, run_card(Facts.of(store)))


def _write(file: Path, text: str) -> None:
    """Write a card in one step; a file of its name that is not a card stays as it is."""
    if file.is_file():
        there = file.read_text(encoding="utf-8", errors="replace")
        if MARK not in there:
            say(f"  {file} was not written by sharpen and stays as it is; move it away to have a card there")
            return
        if there == text:
            return
    put([(file, text.encode())])


# --- the run -------------------------------------------------------------------------------------


def run_card(facts: Facts) -> str:
    """Return the card of a run's folder."""
    folder = str(facts.folder)
    return page(
        MARK,
        Md(f"# Run {plain(facts.folder.resolve().name)}"),
        introduction(facts),
        Md("## Commands"),
        *commands(facts),
        Md("## Rounds"),
        Md("The base model is round 0. A dash: not done, or not measured. Printed by"),
        code(f"sharpen show {folder}", "sh"),
        figures(facts.rounds),
        Md("With all that was measured:"),
        code(f"sharpen show {folder} --json", "sh"),
        *evaluated(facts, facts.rounds),
        Md("## Left out"),
        *gone(facts, facts.rounds),
        Md("## Training"),
        *(trainings(facts) or [Md("No training is recorded in this folder.")]),
        Md("## Made of"),
        settings(facts),
        fingerprints(facts),
        Md("Whether the folder still holds what was written there is told by"),
        code(f"sharpen check {folder}", "sh"),
    )


def figures(rows: Sequence[Row]) -> Md:
    """Tabulate rounds as `sharpen show` does."""
    return table(HEAD[1:], [[Md(cell) for cell in cells(row)] for row in rows])


def introduction(facts: Facts) -> Md:
    """Say by what method which model was improved on what."""
    rows = [
        ("method", method(facts)),
        ("base model", facts.setting("model")),
        ("learnt from", facts.setting("tasks")),
        ("measured on", facts.setting("test") or "the test split of these, or some of them held out"),
        ("prompt", facts.setting("prompt")),
        ("seed", facts.setting("seed")),
    ]
    return table(("", ""), rows)


def method(facts: Facts) -> str:
    """Return the first line of a method's docstring, or the name of one that is not ours."""
    said = facts.manifest.get("method")
    known = {methods.find(name).__name__: name for name in methods.names()}
    return methods.summary(known[said]) if said in known else str(said or UNKNOWN)


def commands(facts: Facts) -> list[Md]:
    """Name the commands that made the run."""
    made = [code(command, "sh") for command in facts.commands]
    return made or [Md("Not recorded: the run was started from Python without a manifest.")]


def evaluated(facts: Facts, rows: Sequence[Row]) -> Iterator[Md]:
    """Yield the table of what was measured of these rounds, and what that does not say."""
    found = {name_of(row): e for row in rows if (e := measured(row))}
    yield Md("## Evaluation")
    if not found:
        yield NOTHING_MEASURED
        return
    told = {name: measures(e) for name, e in found.items()}
    labels = list(dict.fromkeys(label for some in told.values() for label in some))
    yield table(("", *found), [(Md(label), *(Md(some.get(label, "-")) for some in told.values())) for label in labels])
    yield INTERVALS
    kinds = list(dict.fromkeys(kind for e in found.values() for kind in e.by_kind))
    if kinds:
        yield Md("Greedy and sampled accuracy by kind of question:")
        yield table(("kind", *found), [(kind, *(of_kind(e, kind) for e in found.values())) for kind in kinds])
    if facts.contaminated:
        yield Md(
            f"**{facts.contaminated} tasks learnt from are measured on, too:** this is no accuracy on unseen tasks."
        )


def name_of(row: Row) -> str:
    """Name the model that a round's figures are of."""
    return f"round {row['round']}" if row.get("round") else "base model"


def measured(row: Row) -> Evaluation | None:
    """Return what was measured of a round's model."""
    if not row.get("accuracy"):
        return None
    unread = row.get("unknown_in_test", row.get("unknown"))  # the base model has no collection with its own
    return Evaluation.of({**row, "unknown": unread, "per_task": {}})


def of_kind(found: Evaluation, kind: str) -> Md:
    """Write both accuracies of a kind of question."""
    row = found.by_kind.get(kind)
    return Md(f"{span(row['accuracy'])}; {span(row['sampled_accuracy'])}" if row else "-")


def gone(facts: Facts, rows: Sequence[Row]) -> Iterator[Md]:
    """Yield what became no task, no example or no verdict, with reasons."""
    if facts.left_out:
        yield Md("Rows of the task files that became no task; `sharpen show DIR --left-out` names each:")
        yield table(("rows", "reason"), [(count, reason) for reason, count in facts.left_out.items()])
    else:
        yield Md("No row of the task files was left out.")
    events = [(r["round"], n, what) for r in rows for what, n in sorted(dict(r.get("events") or {}).items())]
    sums = [
        (r["round"], r["unknown"], r["unfinished"], r["dropped"], r["examples"], f"{r['tokens']:,}")
        for r in rows
        if "attempts" in r
    ]
    if sums:
        yield Md("Attempts that cannot be told right or wrong, that ran into the limit of tokens, that were dropped:")
        yield table(("round", "unknown", "unfinished", "dropped", "examples kept", "tokens sampled"), sums)
    if events:
        yield Md("What was noted, with its reason:")
        yield table(("round", "times", "what"), events)


def trainings(facts: Facts, only: int | None = None) -> list[Md]:
    """Tabulate what the records of the trainings say."""
    rows = [(n, *training(said)) for n, said in facts.trained.items() if only in (None, n)]
    head = ("round", "examples", "first loss", "last loss", "optimiser, s", "tokens")
    return [table(head, rows)] if rows else []


def training(said: Row) -> tuple[str, ...]:
    """Write a training's figures."""
    losses = [entry["loss"] for entry in said.get("curve") or () if "loss" in entry]
    ends = [f"{loss:.4g}" for loss in (losses[0], losses[-1])] if losses else [UNKNOWN] * 2
    return (str(said.get("count", UNKNOWN)), *ends, f"{said['seconds']:.1f}", f"{said['tokens']:,}")


def settings(facts: Facts) -> Md:
    """Tabulate what decides a run's results, and the versions it ran with."""
    packages = dict(facts.manifest.get("packages") or {})
    asked = [
        (name, "not set" if value in (None, "") else value) for name, value in sorted(flat(facts.manifest).items())
    ]
    found = [("python", facts.manifest.get("python")), ("git revision of sharpen", facts.manifest.get("revision"))]
    found += [(f"package {name}", version) for name, version in packages.items()]
    return table(("setting", "value"), [*asked, *((name, value or UNKNOWN) for name, value in found)])


def fingerprints(facts: Facts, only: int | None = None) -> Md:
    """Tabulate the hashes by which a run and its models are known."""
    rows = [("what decides the rounds", facts.made)]
    for n, said in facts.trained.items():
        if only in (None, n):
            rows += [(f"round {n}, started from", said.get("start", UNKNOWN))]
            rows += [(f"round {n}, examples", said.get("examples", UNKNOWN))]
            files = sorted(dict(said["files"]).items())
            rows += [(f"round {n}, {name}", sha) for name, sha in files if name.endswith(".safetensors")]
    return table(("fingerprint", "value"), rows)


# --- a model -------------------------------------------------------------------------------------


def model_card(facts: Facts, number: int) -> str:
    """Return the card of the model that a round trained."""
    mine = [row for row in facts.rounds if row.get("round") == number]
    base = [row for row in facts.rounds if not row.get("round")]
    said = facts.trained.get(number)
    return page(
        header(facts),
        MARK,
        Md(f"# {plain(facts.folder.resolve().name)}, round {number}"),
        Md(f"Trained in round {number} of this run:"),
        introduction(facts),
        *evaluated(facts, [*base, *mine]),
        NOT_MEASURED,
        Md("## Data"),
        figures(mine),
        *gone(facts, mine),
        Md("## Training"),
        *(trainings(facts, number) or [Md("Not recorded: the model was trained by a trainer of its own.")]),
        *([table(("setting of the training", "value"), sorted(said["settings"].items()))] if said else []),
        Md("## Made by"),
        *commands(facts),
        settings(facts),
        fingerprints(facts, number),
    )


def header(facts: Facts) -> Md:
    """Return the metadata that the Hub reads; what is not known is left out."""
    from huggingface_hub import ModelCardData

    model = dict(facts.manifest.get("model_settings") or {})
    base = facts.setting("model") if model.get("revision") else None  # a commit: it came from the Hub
    sees = {True: "image-text-to-text", False: "text-generation"}
    made_by = facts.manifest.get("method")
    data: Any = ModelCardData(
        base_model=base,
        library_name="transformers",
        pipeline_tag=sees[model["image_processor"] is not None] if "image_processor" in model else None,
        datasets=datasets(facts) or None,
        tags=["sharpen", *([made_by.lower()] if isinstance(made_by, str) else []), "self-improvement"],
        base_model_relation="finetune" if base else None,
    )
    return Md(f"---\n{data}\n---")  # its str is the YAML


def datasets(facts: Facts) -> list[str]:
    """Return the data sets of the Hub that the run's tasks are rows of."""
    found: dict[str, None] = {}
    for spec in (facts.setting("tasks"), facts.setting("test")):
        if known := re.match(r"hub:([\w.-]+/[\w.-]+)", spec):
            found[known[1]] = None
        elif (benchmark := benchmarks.named(spec)) and not benchmark[1]:
            found[benchmark[0].hub] = None
    return list(found)
