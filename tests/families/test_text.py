"""Models without a vision tower: everything but images works."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
from support import make_task

from sharpen.errors import ModelError, UserError
from sharpen.examples import Imitate
from sharpen.improve import improve
from sharpen.methods.rest_em import RestEm
from sharpen.methods.vista import Vista
from sharpen.methods.vista_dpo import VistaDpo
from sharpen.models import load
from sharpen.models.hf import Row
from sharpen.models.model import QUESTION, SYSTEM, Read, Sampling, Write
from sharpen.run import Run
from sharpen.scorers.attention import ImageShare
from sharpen.store import Store
from sharpen.train import Train, trainer
from sharpen.types import Rollout
from sharpen.views import blind

TASK = blind(make_task(question="how many cups are there ?"))


def test_it_writes_what_generate_writes_and_reads_what_it_wrote(text_model: Any) -> None:
    prompt = text_model.prompt(TASK)
    assert set(prompt.spans) == {SYSTEM, QUESTION}
    (written,) = text_model.write([Write(prompt, Sampling(0.0, max_tokens=8), 0, (0,))])
    inputs = text_model.inputs([Row(prompt, ())])
    out = text_model.net.generate(**inputs, do_sample=False, max_new_tokens=8)
    assert written.part.ids == tuple(out[0, len(prompt.ids) :].tolist())
    ((_, reading),) = text_model.read([Read(prompt, written.part.ids, layers=(1,))])
    assert reading.logprobs == pytest.approx(written.part.logprobs, abs=1e-4)
    assert all(image == 0 for _, image, _ in reading.attention[1])


def test_a_task_with_an_image_is_refused_by_name(text_model: Any) -> None:
    with pytest.raises(ModelError, match="is a text-only model and a task has 1 images; give a vision-language model"):
        text_model.prompt(make_task())


def test_the_image_share_of_its_attempts_is_unknown_and_all_of_it_is_trained(text_model: Any, store: Store) -> None:
    run = Run({"policy": text_model}, store)
    groups = run.sample([replace(TASK, id=name) for name in "ab"], 2, max_tokens=6)
    share = ImageShare(1)
    assert {r[share] for g in run.score(groups, share) for r in g.rollouts} == {None}
    assert text_model.frozen == ()
    net = trainer.prepare(text_model.again("float32"), Train())
    assert all(p.requires_grad for p in net.parameters())


def test_a_method_that_scores_looking_is_refused_and_one_that_does_not_is_run(text_model: Any, tmp_path: Path) -> None:
    tasks = [replace(TASK, id=str(n), answer="7") for n in range(2)]
    for method in (Vista(samples=2), VistaDpo(samples=2)):
        with pytest.raises(UserError, match=r"none of 2 tasks has one; switch that off with --threshold -inf"):
            improve(method, text_model, tasks, rounds=1, out=tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    for method in (RestEm(samples=2, max_tokens=6), Vista(samples=2, threshold=-inf, max_tokens=6)):
        with pytest.raises(UserError, match=r"attempts at 2 tasks became an example \(0 correct"):  # it is random
            improve(method, text_model, tasks, rounds=1, out=tmp_path / type(method).__name__)


def test_adapters_of_it_are_trained_and_loaded_by_name(text_model: Any, tmp_path: Path) -> None:
    part = text_model.part("so 3 cups")
    example = Imitate(Rollout("k", TASK, TASK, (part,), "stop", "hand"))
    settings = Train(lr=5e-2, epochs=2, lora=2, warmup=0.0)
    trained = trainer.train(text_model, [example], settings, tmp_path / "m", dict, 0)
    read = Read(text_model.prompt(TASK), part.ids)
    found = [next(iter(m.read([read])))[1].logprobs for m in (text_model, trained, load(str(tmp_path / "m/adapter")))]
    assert sum(found[1]) > sum(found[0])
    assert found[1] == pytest.approx(found[2], abs=1e-5)


def test_no_id_is_banned(text_model: Any) -> None:
    hidden = torch.ones(1, text_model.decoder.config.hidden_size)
    assert text_model.head(hidden).isfinite().all()
