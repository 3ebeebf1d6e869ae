"""Pictures beside the ledger: looked at once before they are relied on, and never another one under a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import PIXEL, make_task

from sharpen.data.images import decode
from sharpen.errors import TaskError
from sharpen.ledger import pictures
from sharpen.ledger.check import faults
from sharpen.store import Store
from sharpen.types import Image, Task

NAME = Image.of(PIXEL).sha256


@pytest.mark.parametrize("damage", [b"", PIXEL[:-1], b"another picture"])
def test_a_damaged_picture_is_refused_and_loading_the_tasks_again_mends_it(
    damage: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path) as store:
        (held,) = store.add_tasks([make_task()])
    (tmp_path / "images" / NAME).write_bytes(damage)
    with pytest.raises(TaskError, match="has changed since it was loaded; restore it or load the tasks again"):
        decode(held.images[0])
    with Store(tmp_path) as store:
        (again,) = store.add_tasks([make_task()])
        assert decode(again.images[0]).size == (1, 1)
    assert (tmp_path / "images" / NAME).read_bytes() == PIXEL
    assert "1 pictures in" in capsys.readouterr().err
    assert list(faults(tmp_path)) == []


def test_each_picture_is_looked_at_once_a_run_and_one_that_vanishes_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as store:
        store.add_tasks([make_task()])
    looked: list[str] = []
    plain = pictures.sha256
    monkeypatch.setattr(pictures, "sha256", lambda file: (looked.append(file.name), plain(file))[1])
    with Store(tmp_path) as store:
        for name in ("a", "b", "c"):
            store.add_tasks([make_task(name)])
        assert looked == [NAME]
        (store.images / NAME).unlink()
        store.add_tasks([make_task("d")])
        assert (store.images / NAME).read_bytes() == PIXEL


def test_a_picture_whose_source_is_gone_or_was_changed_is_not_written_under_its_old_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.png"
    file.write_bytes(PIXEL)
    task = Task("mine", "what is it?", (Image.of(b"first"), Image.of(file)))
    file.write_bytes(b"another picture")
    with Store(tmp_path / "run") as store:
        with pytest.raises(TaskError, match=r"mine.png\) has changed since it was loaded"):
            store.add_tasks([task])
        assert list(store.images.iterdir()) == []
        file.write_bytes(PIXEL)
        (held,) = store.add_tasks([task])
    held.images[1].source.write_bytes(b"x")  # type: ignore[union-attr]
    with Store(tmp_path / "run") as store, pytest.raises(TaskError, match="has changed since it was loaded"):
        store.add_tasks([held])  # it is its own source: nothing is left to mend it from
