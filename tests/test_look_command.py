"""`sharpen look`: a page of a round's attempts with maps over the picture, by the model that wrote them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sharpen import cli
from sharpen.run import Run
from sharpen.store import Store
from sharpen.verbs import cut, each
from sharpen.worlds import world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, random_model: Any, random_folder: Path) -> Path:
    """Three attempts at a task, one of them resumed twice."""
    where = tmp_path_factory.mktemp("look") / "run"
    with Store(where) as store:
        store.write_manifest({"settings": {"model": str(random_folder)}})
        tasks = store.add_tasks(world("digits").tasks("train", 1))
        store.begin("collect", 1)
        run = Run({"policy": random_model}, store, round=1)
        first = each(run.sample(tasks, 3, max_tokens=6))[0]
        run.resume([cut(first, 2, then=(9,))], 2, max_tokens=6)
    return where


def look(folder: Path, page: Path, *more: str) -> int:
    return cli.run(["look", str(folder), "--task", "digits-train-0-0", "--html", str(page), "--json", *more])


def test_maps_of_the_critical_token_and_of_those_that_look_most(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert look(folder, tmp_path / "page.html") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["shown"], said["beyond_most"], said["of_other_models"]) == (5, 0, 0)
    articles = (tmp_path / "page.html").read_text().split("<article>")[1:]
    assert len(articles) == 5
    for article in articles:
        mapped = [int(n) - 1 for n in re.findall(r"</bdi> token (\d+): ", article)]
        shares = [float(s) for s in re.findall(r"token \d+ of \d+, ([\d.]+)% on the image", article)]
        resumed = "critical" in article
        assert len(mapped) in ((2, 3) if resumed else (2,))
        assert not resumed or 2 in mapped
        assert max(shares) in {shares[at] for at in mapped}
        assert article.count("<rect") > len(mapped)


def test_attempts_that_are_left_out_are_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert look(folder, tmp_path / "page.html", "--most", "2") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["beyond_most"] == 3
    assert "shows 2 attempts; left out: 3 more (--most) and 0 of other models (--model)" in told.err


def test_what_cannot_be_shown_is_the_user_s_fault(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert look(folder, page, "--round", "2") == 2
    assert "round 2 in" in capsys.readouterr().err
    assert look(folder, page, "--model", "tiny") == 2
    assert "none of the 5 attempts at 'digits-train-0-0' in round 1 is by tiny" in capsys.readouterr().err
    assert cli.run(["look", str(folder), "--task", "nope", "--html", str(page)]) == 2
    assert "no attempts at a task 'nope'" in capsys.readouterr().err
    assert not page.exists()
