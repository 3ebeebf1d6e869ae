"""The commands that look at a run folder: `show`, `check`, `regrade`, `audit` and `export`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tyro

from .answers import Grader
from .cli import emit, parse
from .errors import UserError
from .ledger.history import processes, unfinished
from .ledger.visible import counted, word
from .store import Store
from .train import record

MOST_FAULTS = 10_000
"""Faults that `check --json` names, since one object is made of them; all are counted."""

NAMED = 5
"""Run folders that are named where a folder that holds them is given instead."""


@dataclass(frozen=True)
class ShowOptions:
    """Show what a run folder holds."""

    folder: tyro.conf.Positional[Path]
    task: str | None = None
    """The id of one task, to show with all that was attempted at it."""
    left_out: bool = False
    """Name every row of the task files that became no task, with its reason."""
    json: bool = False


@dataclass(frozen=True)
class CheckOptions:
    """Verify a run folder: every reference, image, seal, key and count. Leaves with code 1 where something is wrong.

    Given tasks instead, `sharpen check TASKS --model MODEL` says what a run on them would take: digits:N, a benchmark,
    or rows in a file, a folder (with --model), a URL or hub:OWNER/NAME. `sharpen check TASKS --help` has its options.
    """

    folder: tyro.conf.Positional[Path]
    json: bool = False


@dataclass(frozen=True)
class RegradeOptions:
    """Give new verdicts on all recorded attempts, without sampling; those of other graders stay."""

    folder: tyro.conf.Positional[Path]
    grader: Grader = field(default_factory=Grader)
    json: bool = False


@dataclass(frozen=True)
class AuditOptions:
    """Write a sheet of verdicts for a person: right to one grader and wrong to another, unknown to one, agreed on."""

    folder: tyro.conf.Positional[Path]
    n: int = 50
    """Rows of the sheet."""
    out: Path = Path("audit.csv")
    seed: int = 0
    """Which rows are drawn follows from it."""
    json: bool = False


@dataclass(frozen=True)
class ExportOptions:
    """Write a round's examples and tasks as files that another trainer reads."""

    folder: tyro.conf.Positional[Path]
    to: str
    """easyr1, llamafactory, openai, parquet, swift, trl or verl."""
    out: Path | None = None
    """A new folder; by default `export-NAME` in the run's folder."""
    round: int | None = None
    """Which round's; by default the last one with examples."""
    json: bool = False


def show_command(arguments: Sequence[str]) -> None:
    """`sharpen show DIR`, with `--task` one of its tasks, with `--left-out` the rows that became none."""
    options: ShowOptions = parse(ShowOptions, "show", arguments)
    if options.task is not None and options.left_out:
        raise UserError("--task shows a task and --left-out the rows that became none; give one of them")
    with opened(options.folder) as store:
        if options.left_out:
            show_left_out(store, options.json)
        elif options.task is None:
            show_folder(store, options.json)
        else:
            show_one(store, options.task, options.json)


def show_folder(store: Store, as_json: bool) -> None:
    """Print the rounds of a run and what they took."""
    from .ledger.left_out import by_reason, left_out
    from .rounds import table

    gone = left_out(store)
    folder, manifest, rounds = store.folder, store.manifest(), store.rounds()
    timings = {**store.timings(), **trainings(folder)}
    open_round = unfinished_of(store)
    work = dict(zip(("processes", "ended", "seconds"), processes(store.db), strict=True))
    if as_json:
        found = {"rows": len(gone), "by_reason": by_reason(gone)}
        head = {"folder": str(folder), "manifest": manifest, "left_out": found, "unfinished": open_round}
        emit({**head, "rounds": rounds, "timings": timings, "work": work}, True)
        return
    if manifest:
        print(f"{manifest.get('method') or 'no method'}: {manifest.get('command')}")
    if open_round is not None:
        what = f"round {open_round}" if open_round else "the first measurement"
        print(f"{what} is not finished: it was stopped, or is still at work; the same command goes on from there")
    print(table({folder.name: rounds}))
    for part, (seconds, tokens) in timings.items():
        rate = f", {tokens / seconds:,.0f} tokens/s" if tokens else ""
        print(f"{part}: {seconds:.1f} s{rate}")
    print(f"processes: {work['processes']}, of which ended in order: {work['ended']}; {work['seconds']:.0f} s in all")
    for reason, count in by_reason(gone).items():
        say_out(f"left out: {counted(count, 'row')}, {word(reason)}")
    if gone:
        print(f"`sharpen show {folder} --left-out` names {'it' if len(gone) == 1 else f'these {len(gone):,} rows'}")


def unfinished_of(store: Store) -> int | None:
    """Return the round that the last run was to finish and did not, 0 for what it measured first; None for none."""
    settings: dict[str, object] = dict(store.manifest().get("settings") or {})
    number, wanted = unfinished(store.db), settings.get("rounds")
    return None if number is None or (isinstance(wanted, int) and number > wanted) else number


def show_left_out(store: Store, as_json: bool) -> None:
    """Print every row of the task files that became no task."""
    from .ledger.left_out import left_out

    gone = left_out(store)
    emit([{"id": name, "reason": reason} for name, reason in gone], as_json)
    if not as_json:
        for name, reason in gone:
            say_out(f"{word(name)}: {word(reason)}")
        print(f"{counted(len(gone), 'row')} of the task files became no task")


def show_one(store: Store, task: str, as_json: bool) -> None:
    """Print one task with all that was attempted at it."""
    from .ledger.task_text import show_task, task_text

    found = show_task(store, task)
    emit(found, as_json)
    if not as_json:
        say_out(task_text(found))


def check_command(arguments: Sequence[str]) -> int:
    """`sharpen check DIR`, or `sharpen check TASKS` for what is about to be run."""
    from .preflight_command import names_tasks, preflight_command

    if names_tasks(arguments):
        return preflight_command(arguments)
    options: CheckOptions = parse(CheckOptions, "check", arguments)
    return check_folder(options.folder, options.json)


def check_folder(folder: Path, as_json: bool) -> int:
    """Print what is wrong with a run folder, each fault as it is found; return the exit code, 1 for faults."""
    from .ledger.check import faults, held

    found: Counter[str] = Counter()
    named: list[dict[str, str]] = []
    require_run(folder)
    for fault in faults(folder):
        found[fault.table] += 1
        if not as_json:
            say_out(fault.line)
        elif len(named) < MOST_FAULTS:
            # a damaged key may be bytes, which JSON has no word for
            named.append({name: str(value) for name, value in asdict(fault).items()})
    rows = held(folder)
    total = found.total()
    counts = {"faults": total, "by_table": dict(found), "rows": rows, "left_off": total - len(named)}
    emit({"folder": str(folder), "whole": not total, **counts, "found": named}, as_json)
    if not as_json:
        numbers = {table: "uncounted" if count is None else f"{count:,}" for table, count in rows.items()}
        looked_at = ", ".join(f"{count} {table}" for table, count in numbers.items())
        state = f"{total:,} faults ({', '.join(f'{n:,} in {t}' for t, n in found.items())})" if total else "whole"
        print(f"{folder} is {state}: {looked_at}" if not total else f"{folder}: {state}; looked at {looked_at}")
    return 1 if total else 0


def regrade_command(arguments: Sequence[str]) -> None:
    """`sharpen regrade DIR`."""
    from .ledger.regrade import regrade

    options: RegradeOptions = parse(RegradeOptions, "regrade", arguments)
    with opened(options.folder, write=True) as store:
        found = regrade(store, options.grader)
    emit({"folder": str(options.folder), **found.as_dict()}, options.json)
    if not options.json:
        print(found.table())


def audit_command(arguments: Sequence[str]) -> None:
    """`sharpen audit DIR`."""
    from .ledger import audit

    options: AuditOptions = parse(AuditOptions, "audit", arguments)
    audit.require_free(options.out)
    with opened(options.folder) as store:
        drawn = audit.draw(store, options.n, options.seed)
        audit.write(options.out, audit.header(drawn), audit.rows(store, drawn))
    emit({"folder": str(options.folder), "out": str(options.out), **drawn.as_dict()}, options.json)
    if not options.json:
        for sort in audit.SORTS:
            print(f"{sort}: {drawn.there[sort]}, {len(drawn.chosen[sort])} in {options.out}")
        if drawn.left_out:
            print(f"left out: {drawn.left_out} with verdicts only on a gold answer that their task has no more")


def export_command(arguments: Sequence[str]) -> None:
    """`sharpen export DIR --to NAME`."""
    from .data.export import export, find

    options: ExportOptions = parse(ExportOptions, "export", arguments)
    target = find(options.to)
    out = options.out or options.folder / f"export-{options.to}"
    with opened(options.folder) as store:
        done = export(store, target, out, options.round)
    emit({"folder": str(options.folder), "to": options.to, "out": str(out), **asdict(done)}, options.json)
    if not options.json:
        for file, count in done.rows.items():
            print(f"{out / file}: {counted(count, 'row')}")
        for what, count in (*done.left_out.items(), *done.notes.items()):
            print(f"{'left out: ' if what in done.left_out else ''}{count:,} {what}")
        if done.advice:
            print(f"{target.title}: {done.advice}")


def opened(folder: Path, write: bool = False) -> Store:
    """Open a run folder that is there; reading leaves it to whoever writes to it."""
    require_run(folder)
    return Store(folder, read_only=not write, create=False)


def require_run(folder: Path) -> None:
    """Raise UserError for a folder that no run made."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {what}; give the --out of a run")
    if not (folder / "ledger.db").is_file():
        inside = sorted(str(ledger.parent) for ledger in folder.glob("*/ledger.db"))
        more = f" and {len(inside) - NAMED} more" if len(inside) > NAMED else ""
        give = f"one of those in it: {', '.join(inside[:NAMED])}{more}" if inside else "the --out of a run"
        raise UserError(f"{folder} is no run folder: it holds no ledger.db; give {give}")


def trainings(folder: Path) -> dict[str, tuple[float, int]]:
    """Return seconds and tokens, prompts included, of the optimiser in each round's training, from its record."""
    found: dict[str, tuple[float, int]] = {}
    for model in record.trained(folder):
        said = record.read(model)
        found[f"optimiser, {model.name}"] = (said["seconds"], said["tokens"])
    return found


def say_out(text: str) -> None:
    """Print text of any alphabet, whatever the terminal's is."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
