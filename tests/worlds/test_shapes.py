from __future__ import annotations

from collections import Counter

from sharpen.types import Task
from sharpen.worlds import world
from sharpen.worlds.shapes import mask

from . import common

SHAPES = world("shapes")


CORNERS = {"circle": 0, "triangle": 3, "square": 4, "star": 10, "cross": 12}


def gold(task: Task) -> str:
    shown = common.shown(task)
    kind = task.meta["kind"]
    if kind == "cell":
        return shown[common.place(task)]
    if kind == "any":
        wanted = task.question.partition("there a ")[2].split()[0]
        return "yes" if any(s.split()[0] == wanted for s in shown) else "no"
    if kind == "count":
        return str(sum(s.split()[1] in task.question for s in shown))
    return str(sum(CORNERS[s.split()[1]] for s in shown))


def test_tasks_are_addressed_by_hash() -> None:
    common.check_tasks_are_addressed(SHAPES)


def test_the_first_test_task_is_the_same_on_every_machine() -> None:
    task = SHAPES.tasks("test", 1)[0]
    assert task.question == "name the last shape of the second row."
    assert task.images[0].sha256.startswith("d38a3e4d99ac7d4f")


def test_pictures_are_64_pixel_rgb_png() -> None:
    common.check_pictures(SHAPES)


def test_no_training_grid_occurs_in_the_test_split() -> None:
    train = {str(t.meta["grid"]) for t in SHAPES.tasks("train", 300)}
    test = {str(t.meta["grid"]) for t in SHAPES.tasks("test", 300)}
    assert len(train) == len(test) == 300
    assert not train & test


def test_every_symbol_looks_different() -> None:
    masks = {shape: mask(shape, 6, 0, 0) for shape in CORNERS}
    for one in masks:
        for other in masks:
            assert one == other or (masks[one] ^ masks[other]).sum() >= 20


def test_gold_answers_follow_from_the_grid() -> None:
    for split in ("train", "test"):
        for task in SHAPES.tasks(split, 120, seed=7):
            assert task.answer == gold(task), task.question


def test_only_the_kinds_with_a_prior_can_be_guessed() -> None:
    tasks = SHAPES.tasks("train", 1800, seed=1)
    for kind in SHAPES.kinds:
        answers = Counter(t.answer for t in tasks if t.meta["kind"] == kind)
        top, count = answers.most_common(1)[0]
        rate = count / answers.total()
        if kind == "any":
            assert top == "yes"
            assert 0.63 < rate < 0.77
        elif kind == "count":
            assert top == "1"
            assert 0.5 < rate < 0.7
        else:
            assert rate < 0.17
            assert len(answers) >= 10


def test_careful_traces_are_right_in_every_fact() -> None:
    common.check_careful(SHAPES)


def test_slipping_traces_are_true_up_to_the_slip() -> None:
    common.check_slipping(SHAPES)


def test_blind_traces_are_mostly_false_and_lucky_at_times() -> None:
    common.check_blind(SHAPES)


def test_facts_survive_hostile_text() -> None:
    common.check_hostile(SHAPES)
