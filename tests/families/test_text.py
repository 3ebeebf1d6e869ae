"""Models without a vision tower: everything but images works."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support import make_task

from sharpen.errors import ModelError
from sharpen.models.hf import Row
from sharpen.models.model import QUESTION, SYSTEM, Read, Sampling, Write
from sharpen.run import Run
from sharpen.scorers.attention import ImageShare
from sharpen.store import Store
from sharpen.train import Train, trainer
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


def test_no_id_is_banned(text_model: Any) -> None:
    hidden = torch.ones(1, text_model.decoder.config.hidden_size)
    assert text_model.head(hidden).isfinite().all()
