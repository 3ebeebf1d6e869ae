# pyright: strict
"""One task with all that was attempted at it, as JSON-able values and as text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from ..errors import UserError
from ..plan import task_digits
from ..store import Store
from ..types import Task
from .history import seen
from .records import gold_key
from .visible import visible, word

Shown = dict[str, Any]
NAMED = 5  # ids named where one is not known


def show_task(store: Store, name: str) -> Shown:
    """Return a task and its attempts, in the order they were made; UserError where there is no such task."""
    versions = {asked: task for (_, asked), task in store.questions([name]).items()}
    if not versions:
        ids = [i for (i,) in store.db.rows("SELECT id FROM tasks ORDER BY rowid LIMIT ?", (NAMED,))]
        total = next(store.db.rows("SELECT count(DISTINCT id) FROM tasks"))[0]
        raise UserError(
            f"{store.folder} holds no task {name!r}; it holds {total}, such as {', '.join(map(repr, ids)) or 'none'}"
        )
    now, task = list(versions.items())[-1]
    golds = {asked: gold_key(version) for asked, version in versions.items()}
    query = (
        "SELECT key, asked, scope, round, verb, attempt, parent, given, parts, finish, model, tokens FROM rollouts "
        "WHERE task = ? AND (key BETWEEN ? AND ? OR verb = 'given') "
        "ORDER BY scope, round, verb DESC, parent, attempt, key"
    )
    first = task_digits(name)
    rows = store.db.rows(query, (name, first, f"{first}~"))
    return {
        "id": task.id,
        **_question(store, now, task),
        "meta": dict(task.meta),
        "earlier": [_question(store, asked, version) for asked, version in versions.items() if asked != now],
        "attempts": [_attempt(store, golds, *row) for row in rows],
    }


def _question(store: Store, asked: str, task: Task) -> Shown:
    """Return what was asked under a task's id, known by the hash `asked`."""
    return {
        "asked": asked,
        "question": task.question,
        "system": task.system,
        "gold": task.answer,
        "choices": list(task.choices),
        "images": [
            {"sha256": i.sha256, "path": str(store.images / i.sha256), "there": (store.images / i.sha256).is_file()}
            for i in task.images
        ],
        "places": list(task.places),
    }


def _attempt(store: Store, golds: Mapping[str, str], key: str, asked: str, *row: Any) -> Shown:
    """Return one attempt with all that was said of it."""
    scope, round, verb, attempt, parent, given, packed, finish, model, tokens = row
    parts = store.unpack(key, packed)

    def rows(query: str) -> list[tuple[Any, ...]]:
        return list(store.db.rows(query, (key,) * query.count("?")))

    return {
        **{
            "key": key,
            "asked": asked,
            "scope": scope,
            "round": round,
            "verb": verb,
            "attempt": attempt,
            "parent": parent,
        },
        "given_ids": sum(len(part.ids) for part in parts[:given]),
        "given_text": "".join(part.text for part in parts[:given]),
        **{"finish": finish, "tokens": tokens, "model": model},
        "counted": [
            list(r) for r in rows(f"SELECT scope, round FROM uses u WHERE rollout = ? AND {seen('u')} ORDER BY 1, 2")
        ],
        "verdicts": [
            {"grader": by, "outcome": outcome, "reason": reason, "found": found, "current_gold": on == golds.get(asked)}
            for by, on, outcome, reason, found in rows(
                "SELECT grader, gold, outcome, reason, found FROM verdicts WHERE rollout = ? ORDER BY grader, gold"
            )
        ],
        "scores": dict(rows("SELECT scorer, value FROM scores WHERE rollout = ? ORDER BY scorer")),
        "examples": [
            {"round": number, "position": position, "kind": kind, "first": first == key}
            for number, position, kind, first in rows(
                "SELECT round, position, kind, rollout FROM examples e "
                f"WHERE (rollout = ? OR other = ?) AND {seen('e')} ORDER BY 1, 2"
            )
        ],
        "events": [
            {"scope": place, "round": number, "kind": kind, "reason": reason}
            for place, number, kind, reason in rows(
                f"SELECT scope, round, kind, reason FROM events e WHERE rollout = ? AND {seen('e')} ORDER BY 1, 2, 3, 4"
            )
        ],
        "text": "".join(part.text for part in parts),
    }


def task_text(shown: Mapping[str, Any]) -> str:
    """Return what `show_task` found as text, in which no model's output can steer the terminal or forge a line."""
    lines = [f"task {word(shown['id'])}", *question_lines(shown)]
    for earlier in shown["earlier"]:
        lines += ["", f"earlier under this id, known as {word(earlier['asked'])}:", *question_lines(earlier)]
    lines.append(f"{len(shown['attempts'])} attempts")
    return "\n".join([*lines, *chain.from_iterable(attempt_lines(a, shown["asked"]) for a in shown["attempts"])])


def question_lines(shown: Mapping[str, Any]) -> list[str]:
    """Return the lines of what was asked."""
    lines = block("question", shown["question"])
    lines += block("system", shown["system"]) if shown["system"] is not None else []
    lines.append("gold: none" if shown["gold"] is None else f"gold: {word(shown['gold'])}")
    lines += [f"choice {chr(ord('A') + i)}: {word(choice)}" for i, choice in enumerate(shown["choices"])]
    for image in shown["images"]:
        lines.append(f"image: {word(image['path'])}{'' if image['there'] else ', which is not there'}")
    return lines


def attempt_lines(a: Mapping[str, Any], asked: str) -> list[str]:
    """Return the lines of one attempt at a task that asks `asked` now."""
    head = f"{word(a['scope'])} {a['round']} {word(a['verb'])}, attempt {a['attempt']}, {word(a['key'][:12])}"
    counted = ", ".join(f"{word(scope)} {number}" for scope, number in a["counted"])
    ended = "unfinished at the limit of tokens" if a["finish"] == "length" else f"finish {word(a['finish'])}"
    lines = [
        "",
        head,
        f"  {a['tokens']} tokens, {ended}, model {word(a['model'][:12])}, "
        + (f"counted in {counted}" if counted else "counted in no round of the latest run"),
    ]
    if a["asked"] != asked:
        lines.append(f"  asked {word(a['asked'])}, an earlier question under this id")
    if a["parent"] is not None:
        lines.append(f"  resumed from {word(a['parent'][:12])}")
    if a["given_ids"]:
        lines += block(f"  cut after {a['given_ids']} given ids", a["given_text"])
    for v in a["verdicts"]:
        why = f" ({word(v['reason'])})" if v["reason"] else ""
        found = "no answer found" if v["found"] is None else f"found {word(v['found'])}"
        old = "" if v["current_gold"] else ", on another gold answer"
        lines.append(f"  {word(v['grader'])}: {word(v['outcome'])}{why}, {found}{old}")
    for scorer, value in a["scores"].items():
        lines.append(f"  score {word(scorer)}: {'unknown' if value is None else format(value, 'g')}")
    for e in a["examples"]:
        role = "" if e["first"] else ", as the other one"
        lines.append(f"  example {e['position']} of round {e['round']}, {word(e['kind'])}{role}")
    lines += [f"  {word(e['kind'])} in {word(e['scope'])} {e['round']}: {word(e['reason'])}" for e in a["events"]]
    return [*lines, *block("  text", a["text"])]


def block(name: str, text: str) -> list[str]:
    """Return text under a name, each of its lines behind a bar."""
    indent = " " * (len(name) - len(name.lstrip()) + 2)
    return [f"{name}:", *(f"{indent}| {line}" for line in visible(text).split("\n"))]
