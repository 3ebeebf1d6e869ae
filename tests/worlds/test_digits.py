from __future__ import annotations

import io
from collections import Counter

import numpy as np
from PIL import Image as Picture

from sharpen.types import Task
from sharpen.worlds import world

from . import common

DIGITS = world("digits")


def gold(task: Task) -> str:
    shown = [int(d) for d in common.shown(task)]
    kind = task.meta["kind"]
    if kind == "cell":
        return str(shown[common.place(task)])
    if kind == "any":
        wanted = int(task.question.partition("there a ")[2].split()[0])
        return "yes" if wanted in shown else "no"
    return str(max(shown)) if kind == "largest" else str(sum(shown))


def cells(task: Task) -> set[bytes]:
    with Picture.open(io.BytesIO(task.images[0].read())) as picture:
        grey = np.asarray(picture)[:, :, 0]
    return {grey[r : r + 16, c : c + 16].tobytes() for r in range(0, 64, 16) for c in range(0, 64, 16)}


def test_tasks_are_addressed_by_hash() -> None:
    common.check_tasks_are_addressed(DIGITS)


def test_the_first_test_task_is_the_same_on_every_machine() -> None:
    task = DIGITS.tasks("test", 1)[0]
    assert task.question == "which digit is third in the top row?"
    assert task.images[0].sha256.startswith("7afef03d9488cf06")


def test_pictures_are_64_pixel_rgb_png() -> None:
    common.check_pictures(DIGITS)


def test_no_scan_of_a_training_picture_occurs_in_a_test_picture() -> None:
    train = set[bytes]().union(*(cells(t) for t in DIGITS.tasks("train", 300)))
    test = set[bytes]().union(*(cells(t) for t in DIGITS.tasks("test", 300)))
    assert len(train) > 1000
    assert len(test) > 300
    assert not train & test


def test_gold_answers_follow_from_the_grid() -> None:
    for split in ("train", "test"):
        for task in DIGITS.tasks(split, 120, seed=7):
            assert task.answer == gold(task), task.question


def test_only_the_kinds_with_a_prior_can_be_guessed() -> None:
    tasks = DIGITS.tasks("train", 1800, seed=1)
    for kind in DIGITS.kinds:
        answers = Counter(t.answer for t in tasks if t.meta["kind"] == kind)
        top, count = answers.most_common(1)[0]
        rate = count / answers.total()
        if kind == "any":
            assert top == "yes"
            assert 0.63 < rate < 0.77
        elif kind == "largest":
            assert top == "9"
            assert 0.5 < rate < 0.7
        else:
            assert rate < 0.17
            assert len(answers) >= 10


def test_careful_traces_are_right_in_every_fact() -> None:
    common.check_careful(DIGITS)


def test_slipping_traces_are_true_up_to_the_slip() -> None:
    common.check_slipping(DIGITS)


def test_blind_traces_are_mostly_false_and_lucky_at_times() -> None:
    common.check_blind(DIGITS)


def test_facts_survive_hostile_text() -> None:
    common.check_hostile(DIGITS)
