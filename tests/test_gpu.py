"""The same work on a CUDA device: `pytest -m gpu`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sharpen.examples import Imitate
from sharpen.models import load
from sharpen.models.model import Read, Sampling, Write
from sharpen.train import Train, trainer
from sharpen.types import Part, Rollout
from sharpen.worlds import world

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def test_readings_on_the_gpu_equal_those_on_the_cpu() -> None:
    tasks = world("digits").tasks("test", 8)
    models: list[Any] = [load("tiny", dtype="float32", device=device) for device in ("cpu", "cuda")]
    ids = tuple(range(10, 40))
    found = [dict(m.read([Read(m.prompt(t), ids, (2,)) for t in tasks])) for m in models]
    for i in range(len(tasks)):
        assert found[1][i].logprobs == pytest.approx(found[0][i].logprobs, abs=2e-3)
        for ours, theirs in zip(found[1][i].attention[2], found[0][i].attention[2], strict=True):
            assert ours == pytest.approx(theirs, abs=2e-3)


@pytest.mark.parametrize("lora", [0, 4])
def test_sampling_and_training_in_bfloat16(tmp_path: Path, lora: int) -> None:
    model = load("tiny", device="cuda")
    assert model.net.dtype == torch.bfloat16
    tasks = world("digits").tasks("train", 16)
    requests = [Write(model.prompt(t), Sampling(1.0, max_tokens=64), i, (0, 1)) for i, t in enumerate(tasks)]
    assert len(list(model.write(requests))) == 32
    texts = world("digits").seed_traces(tasks)
    examples = []
    for task, text in zip(tasks, texts, strict=True):
        ids = (*model.render.tokenizer(text, add_special_tokens=False).input_ids, *model.stop_ids)
        examples.append(Imitate(Rollout(task.id, task, task, (Part(tuple(ids), text, "teacher"),), "stop", "hand")))
    settings = Train(lr=1e-3, epochs=2, lora=lora)
    trained = trainer.train(model, examples, settings, tmp_path / "m", dict, 0)
    assert trained.net.dtype == torch.bfloat16
    assert trained.identity != model.identity
