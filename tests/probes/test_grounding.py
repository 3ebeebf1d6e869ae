"""Grounding: facts against the picture, and answers with another picture or none, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import PIXEL, make_task

from sharpen.evaluate import evaluate
from sharpen.models.scripted import Asked, Scripted
from sharpen.probes import grounding
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Image, Task
from sharpen.views import Swapped
from sharpen.worlds import world


def pictured(name: str, colour: int) -> Task:
    return replace(make_task(name), images=(Image.of(PIXEL + bytes([colour])),))


def test_an_answer_counts_as_changed_where_the_texts_differ_but_for_case(store: Store) -> None:
    """`same` says one thing, `case` another spelling, `looks` the picture's hash, `silent` nothing without one."""

    def rule(asked: Asked) -> str:
        shown = asked.task.images[0].sha256[:4] if asked.task.images else "none"
        first = bool(asked.task.images) and asked.task.images[0].sha256 == own[asked.task.id]
        said = {
            "same": "7",
            "case": "Red" if first else "red",
            "looks": shown,
            "silent": "7" if asked.task.images else None,
        }[asked.task.id]
        return "no tag at all, and no number" if said is None else f"<answer>{said}</answer>"

    tasks = [pictured(name, i) for i, name in enumerate(("same", "case", "looks", "silent"))]
    own = {t.id: t.images[0].sha256 for t in tasks}
    bare = make_task("bare", images=0)
    texts = Scripted(lambda asked: "<answer>7</answer>" if asked.task.id == "bare" else rule(asked))
    found = grounding.measure(Run({"policy": texts}, store, scope="eval"), store.add_tasks([*tasks, bare]))
    assert found.per_task["swapped"] == {"same": 0, "case": 0, "looks": 1, "silent": 0}
    assert found.per_task["withheld"]["same"] == found.per_task["withheld"]["case"] == 0
    assert found.per_task["withheld"]["looks"] == 1
    assert (found.swapped.value, found.swapped.n) == (0.25, 4)
    assert found.facts.value is None
    assert found.left_out == {"no image": 1}
    assert "unknown" in found.table()


def test_facts_are_checked_against_the_picture(store: Store) -> None:
    """Of the four cells read out of task 0 one is wrong; task 1 reads out nothing; task 2 all right."""
    place = world("digits")
    tasks = place.tasks("test", 3)
    traces = dict(zip((t.id for t in tasks), place.seed_traces(tasks), strict=True))
    facts = place.facts(tasks[0], traces[tasks[0].id])
    assert len(facts) == 4
    line = traces[tasks[0].id].split(": ", 2)
    cells = line[2].split(". ")[0].split(", ")
    wrong = str((int(cells[0]) + 1) % 10)
    traces[tasks[0].id] = traces[tasks[0].id].replace(": " + ", ".join(cells), ": " + ", ".join([wrong, *cells[1:]]))
    traces[tasks[1].id] = "<answer>7</answer>"
    model = Scripted(lambda asked: traces[asked.task.id])
    found = grounding.measure(Run({"policy": model}, store), store.add_tasks(tasks))
    assert found.per_task["facts"] == {tasks[0].id: 0.75, tasks[2].id: 1.0}
    assert found.facts.value == 0.875
    assert found.left_out == {"no fact stated": 1}


def test_each_task_is_shown_another_ones_picture() -> None:
    tasks = [pictured(f"t{i}", i) for i in range(5)]
    twin, lone = replace(tasks[0], id="twin"), replace(make_task("lone"), images=tasks[0].images * 2)
    swap = Swapped.among([*tasks, twin, lone])
    own = {t.id: t.images for t in [*tasks, twin]}
    assert set(swap.others) == set(own)
    assert all(swap.others[name] != images and swap.others[name] in own.values() for name, images in own.items())
    assert Swapped.among(tasks[::-1]).others == Swapped.among(tasks).others
    assert swap(tasks[1]).question == tasks[1].question
    with pytest.raises(KeyError):
        swap(lone)


def test_in_an_evaluations_place_its_attempts_are_used_again(store: Store) -> None:
    asked: list[str] = []

    def rule(a: Asked) -> str:
        asked.append(a.task.id)
        return "<answer>7</answer>"

    tasks = store.add_tasks([pictured(f"t{i}", i) for i in range(3)])
    model = Scripted(rule)
    evaluate(Run({"policy": model}, store, scope="eval"), tasks, samples=2)
    assert len(asked) == 3 * (1 + 2 + 1)
    asked.clear()
    grounding.measure(Run({"policy": model}, store, scope="eval"), tasks)
    assert len(asked) == 3  # with the other picture only
