"""Tasks that are read as far as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from support import make_task

from sharpen.errors import TaskError, UserError
from sharpen.incoming import Incoming, distinct, identity_of, portions, total_of
from sharpen.types import Task

TASKS = [make_task(f"t{i}") for i in range(10)]


class Source:
    """Batches of three, which counts how many were read, and breaks after `sound` of them."""

    def __init__(self, sound: int = 99) -> None:
        self.read, self.sound = 0, sound

    def __iter__(self) -> Iterator[Sequence[Task]]:
        for start in range(0, len(TASKS), 3):
            if self.read == self.sound:
                raise TaskError("too many")
            self.read += 1
            yield TASKS[start : start + 3]


def incoming(source: Source, content: str = "content") -> Incoming:
    return Incoming(source, lambda: content)


def test_no_more_is_read_than_is_asked_for() -> None:
    source = Source()
    tasks = incoming(source)
    assert (bool(tasks), source.read) == (True, 1)
    assert (tasks[:4], source.read) == (TASKS[:4], 2)
    assert (tasks[1], next(iter(tasks)), source.read) == (TASKS[1], TASKS[0], 2)
    several = portions(tasks, 4)
    assert ([next(several), next(several)], source.read) == ([TASKS[:4], TASKS[4:8]], 3)
    assert total_of(tasks) is None
    assert (tasks[-1], total_of(tasks), len(tasks), source.read) == (TASKS[9], 10, 10, 4)
    assert (list(several), list(tasks), tasks[2:]) == ([TASKS[8:]], TASKS, TASKS[2:])
    assert not incoming(Source())[10:]


def test_what_failed_once_is_no_end() -> None:
    tasks = incoming(Source(sound=2))
    assert tasks[:6] == TASKS[:6]
    for _ in range(2):
        with pytest.raises(TaskError, match="too many"):
            len(tasks)


def test_what_is_done_to_tasks_is_done_as_they_come() -> None:
    source, seen = Source(), list[int]()

    def odd(some: Sequence[Task]) -> Sequence[Task]:
        seen.append(len(some))
        return some[1::2]

    tasks = incoming(source).then(odd)
    assert not seen
    assert list(tasks) == TASKS[1::2]
    assert seen == [10]


def test_the_identity_follows_the_first_tasks_the_source_and_what_is_done() -> None:
    def same(some: Sequence[Task]) -> Sequence[Task]:
        return some

    tasks = incoming(Source())
    assert identity_of(tasks) == identity_of(incoming(Source()))
    others = (incoming(Source(), "changed"), incoming(Source()).then(lambda some: some[1:]))
    others += (incoming(Source()).then(same, "boxed"), incoming(Source()).then(same, "direct"))
    assert len({identity_of(some) for some in (tasks, *others)}) == 5
    assert identity_of(TASKS) == identity_of(list(TASKS)) != identity_of(TASKS[:9])


def test_an_id_of_before_is_refused() -> None:
    seen = {"u"}
    distinct(TASKS[:5], seen)
    for task in (TASKS[4], make_task("u")):
        with pytest.raises(UserError, match=f"two tasks have the id '{task.id}'"):
            distinct([task], seen)
