"""Any mix of requests, in any layout of the batch, gives each attempt and each reading as it comes out alone."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from sharpen.models import decode, hf, prompts, slots
from sharpen.models.model import Read, Sampling, Write
from sharpen.worlds import world


def layout(draw: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw how many rows there are, when they leave and are filled, and how much is read, kept and made at once."""
    monkeypatch.setattr(hf, "ROWS", draw.choice([1, 2, 3, 5, 8, 16]))
    monkeypatch.setattr(slots, "ROOM", draw.choice([1, 3, 32]))
    monkeypatch.setattr(decode, "COMPACT", draw.choice([0, 0.06, 0.4]))
    monkeypatch.setattr(decode, "CPU_REFILL", draw.choice([0.1, 0.25, 0.75, 1.0]))
    monkeypatch.setattr(prompts, "CPU_READ_TOKENS", draw.choice([64, 300, 4096]))
    monkeypatch.setattr(prompts, "CPU_KEPT_BYTES", draw.choice([0, 2**16, 2**27]))


def mix(draw: Random, model: Any) -> list[Write]:
    """Draw requests at some of six tasks: attempts, limits and prefixes of all lengths, or of none."""
    shown = [model.prompt(t) for t in world("digits").tasks("train", 6)]
    penalty = draw.choice([1.0, 1.0, 1.3])
    asked: list[Write] = []
    for _ in range(draw.randint(1, 9)):
        ids = tuple(draw.randrange(20, 250) for _ in range(draw.choice([0, 0, 1, 3, 9])))
        given = (ids[:1], ids[1:]) if len(ids) > 1 and draw.random() < 0.3 else (ids,) if ids else ()
        sampling = Sampling(1.0, max_tokens=draw.choice([1, 1, 2, 5, 9]), repetition_penalty=penalty)
        attempts = tuple(range(draw.randint(0, 2), draw.randint(3, 5)))
        asked.append(Write(draw.choice(shown), sampling, draw.randint(0, 99), attempts, given=given))
    return asked


@pytest.mark.parametrize("shared", [True, False], ids=["prompts shared", "prompts in each row"])
@pytest.mark.parametrize("seed", range(6))
def test_a_mix_of_requests_gives_what_each_gives_alone(
    random_model: Any, monkeypatch: pytest.MonkeyPatch, seed: int, shared: bool
) -> None:
    monkeypatch.setitem(random_model.__dict__, "branches", shared)
    draw = Random(seed)
    asked = mix(draw, random_model)
    alone = {
        (i, a): next(iter(random_model.write([replace(w, attempts=(a,))])))
        for i, w in enumerate(asked)
        for a in w.attempts
    }
    layout(draw, monkeypatch)
    random_model.read_prompts.forget()
    together = {(w.request, w.attempt): w for w in random_model.write(asked)}
    assert {at: (w.part.ids, w.finish) for at, w in together.items()} == {
        at: (w.part.ids, w.finish) for at, w in alone.items()
    }
    reads = [Read(asked[i].prompt, w.part.ids, (1,)) for (i, _), w in together.items()]
    found = dict(random_model.read(reads))
    for i, read in enumerate(reads):
        ((_, by_itself),) = random_model.read([read])
        assert found[i].logprobs == pytest.approx(by_itself.logprobs, abs=2e-4)
        assert found[i].rank == by_itself.rank
        for ours, own in zip(found[i].attention[1], by_itself.attention[1], strict=True):
            assert ours == pytest.approx(own, abs=2e-4)
