"""The decode loop: rows go from one task to the next, prompts are read once, memory may run out, settings hold."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MinPLogitsWarper, RepetitionPenaltyLogitsProcessor

from sharpen.errors import ModelError, UserError
from sharpen.models import decode, hf
from sharpen.models.draws import draw, keep_likeliest, penalised
from sharpen.models.model import Prompt, Sampling, Write
from sharpen.models.prompts import Prompts, Stretch
from sharpen.models.slots import Slots
from sharpen.plan import rollout_keys
from sharpen.types import Task
from sharpen.worlds import world

HOT = Sampling(1.0, max_tokens=10)


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return world("digits").tasks("train", 6)


def requests(model: Any, tasks: Sequence[Task], sampling: Sampling = HOT, n: int = 4) -> list[Write]:
    """Attempts of different lengths, so that rows come free at different times."""
    limits = [replace(sampling, max_tokens=sampling.max_tokens - i) for i in range(len(tasks))]
    return [Write(model.prompt(t), limits[i], i, tuple(range(n))) for i, t in enumerate(tasks)]


def ids(model: Any, asked: Sequence[Write]) -> dict[tuple[int, int], tuple[int, ...]]:
    return {(w.request, w.attempt): w.part.ids for w in model.write(asked)}


@pytest.fixture
def passes(random_model: Any) -> Iterator[list[tuple[int, ...]]]:
    """The shapes (rows, tokens of each) of the network's passes."""
    found: list[tuple[int, ...]] = []

    def note(module: Any, args: Any, inputs: dict[str, Any]) -> None:
        found.append(tuple(inputs["input_ids"].shape))

    hook = random_model.net.model.register_forward_pre_hook(note, with_kwargs=True)
    yield found
    hook.remove()


def test_free_rows_go_to_the_next_task_and_change_no_attempt(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch, passes: list[tuple[int, ...]]
) -> None:
    """Six tasks of 4 attempts in 8 rows: after the first two, tasks enter beside attempts that are under way."""
    asked = requests(random_model, tasks)
    whole = ids(random_model, asked)
    monkeypatch.setattr(hf, "ROWS", 8)
    monkeypatch.setattr("sharpen.models.slots.ROOM", 3)  # the window moves often
    passes.clear()
    assert ids(random_model, asked) == whole
    steps = [rows for rows, tokens in passes if tokens == 1]
    assert max(steps) == 8
    # Attempts that ended leave at once, also while others wait: no row is computed for nothing.
    assert sum(steps) == sum(len(some) - 1 for some in whole.values())


def test_rows_that_take_the_place_of_ones_that_ended_at_their_first_token_see_all_that_was_given(
    random_model: Any, tasks: list[Task]
) -> None:
    """They move before any step has looked back; prefixes with room for one token more are usual among resumed ones."""
    last = replace(HOT, max_tokens=1)
    asked = [
        Write(random_model.prompt(t), last if i < 3 else HOT, i, (0,), given=(tuple(range(40, 60 - 3 * i)),))
        for i, t in enumerate(tasks)
    ]
    apart = {(i, 0): ids(random_model, [w])[0, 0] for i, w in enumerate(asked)}
    assert ids(random_model, asked) == apart


def test_the_cache_of_a_batch_is_freed_when_its_last_attempt_ends(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not when Python next looks for cycles: the next batch makes a cache of the same size."""
    made: list[weakref.ref[Slots]] = []

    def noted(*sizes: int) -> Slots:
        cache = Slots(*sizes)
        made.append(weakref.ref(cache))
        return cache

    monkeypatch.setattr(decode, "Slots", noted)
    asked = requests(random_model, tasks)
    gc.disable()
    try:
        ids(random_model, asked)
        assert [cache() for cache in made] == [None]
    finally:
        gc.enable()


def test_a_prompt_is_read_once_for_all_prefixes_of_its_task(
    random_model: Any, tasks: list[Task], passes: list[tuple[int, ...]]
) -> None:
    first = ids(random_model, requests(random_model, tasks[:1], n=3))
    prompt = random_model.prompt(tasks[0])
    prefixes = [first[0, a][: 2 + a] for a in range(3)]
    asked = [Write(prompt, HOT, 50 + i, (0, 1), given=(given,)) for i, given in enumerate(prefixes)]
    apart = {(i, a): some for i, w in enumerate(asked) for (_, a), some in ids(random_model, [w]).items()}
    passes.clear()
    assert ids(random_model, asked) == apart
    # The prompt was read for the attempts before, and is kept: what is given is all that is read now, in one line.
    assert passes[0] == (1, sum(map(len, prefixes)))
    random_model.read_prompts.forget()
    passes.clear()
    assert ids(random_model, asked) == apart
    assert passes[:2] == [(1, len(prompt.ids)), (1, sum(map(len, prefixes)))]


def test_requests_come_by_length_and_those_about_one_picture_together(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three questions about each of two pictures, asked in turns, four attempts in a batch of 12 rows."""
    said = ("how many", "", "what is it, and how many of them are there")
    asked = [
        Write(random_model.prompt(replace(tasks[n % 2], question=words, places=())), HOT, n, (0, 1, 2, 3))
        for n, words in enumerate(said * 2)
    ]
    lengths = [decode.standing(request) for request in asked]
    assert lengths[1] < lengths[0] < lengths[2]
    assert decode.ordered(asked) == [2, 0, 4, 5, 3, 1]
    blind = [replace(request, prompt=replace(request.prompt, task=replace(tasks[0], images=()))) for request in asked]
    assert decode.ordered(blind) == [2, 5, 0, 3, 1, 4]
    monkeypatch.setattr(hf, "ROWS", 12)
    monkeypatch.setattr(hf, "PIXEL_BYTES", 1)  # none is kept for the next pass
    made: list[str] = []
    monkeypatch.setattr(random_model, "_processed", lambda p: made.append(p.task.images[0].sha256) or pixels(p))
    pixels = type(random_model)._processed.__get__(random_model)
    random_model.read_prompts.forget()
    random_model._pixels.clear()
    assert len(ids(random_model, asked)) == 24
    assert len(made) == len(set(made)) == 2


def no_gpu_memory() -> None:
    raise torch.OutOfMemoryError


def no_cpu_memory() -> None:
    torch.empty(2**50)


@pytest.mark.parametrize(("fits", "fail"), [(3, no_gpu_memory), (3, no_cpu_memory), (0, no_gpu_memory)])
def test_out_of_memory_halves_the_batch_and_loses_nothing(
    random_model: Any,
    tasks: list[Task],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fits: int,
    fail: Callable[[], None],
) -> None:
    asked = requests(random_model, tasks[:3])
    whole = ids(random_model, asked)
    forward = decode.Batch.forward

    def tight(batch: decode.Batch) -> None:
        if len(batch.attempts) > fits and min(batch.step[batch.live]) == 3:
            fail()
        forward(batch)

    monkeypatch.setattr(decode.Batch, "forward", tight)
    if not fits:
        with pytest.raises(ModelError, match="no memory for one attempt"):
            ids(random_model, asked)
        return
    written = list(random_model.write(asked))
    assert len(written) == 12
    assert {(w.request, w.attempt): w.part.ids for w in written} == whole
    said = capsys.readouterr().err
    assert "ran out of memory; 12 attempts go on, 6 at a time" in said
    assert "3 at a time" in said


@pytest.mark.parametrize("fits", [1, 0])
def test_memory_that_runs_out_while_prompts_are_read_loses_nothing(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fits: int
) -> None:
    """Six tasks of 4 attempts in 8 rows; no pass over more than `fits` prompts once the first two tasks are under way.

    Half as many rows have room for one task.
    """
    asked = requests(random_model, tasks)
    whole = ids(random_model, asked)
    monkeypatch.setattr(hf, "ROWS", 8)
    reading = Prompts.read

    def tight(prompts: Prompts, some: Sequence[Prompt]) -> list[Stretch]:
        if len(some) > fits and (not fits or prompts.kept):
            raise torch.OutOfMemoryError
        return reading(prompts, some)

    monkeypatch.setattr(Prompts, "read", tight)
    random_model.read_prompts.forget()
    if not fits:
        with pytest.raises(ModelError, match="no memory for one attempt"):
            ids(random_model, asked)
        return
    written = list(random_model.write(asked))
    assert len(written) == 24
    assert {(w.request, w.attempt): w.part.ids for w in written} == whole
    assert "attempts go on, 4 at a time" in capsys.readouterr().err


def test_a_batch_is_gone_before_memory_is_given_back(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an error still holds can be given back to nobody, and the next batch would stand beside it."""
    batches: list[weakref.ref[decode.Batch]] = []
    forward, forget = decode.Batch.forward, random_model.forget_memory

    def tight(batch: decode.Batch) -> None:
        if batch.most > 3:
            batches.append(weakref.ref(batch))
            raise torch.OutOfMemoryError
        forward(batch)

    def given_back() -> None:
        assert [batch() for batch in batches] == [None] * len(batches)
        forget()

    monkeypatch.setattr(decode.Batch, "forward", tight)
    monkeypatch.setattr(random_model, "forget_memory", given_back)
    gc.disable()
    try:
        assert len(ids(random_model, requests(random_model, tasks[:3]))) == 12
    finally:
        gc.enable()
    assert len(batches) == 2


def test_an_error_of_another_kind_is_not_taken_for_one_of_memory(
    random_model: Any, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(batch: decode.Batch) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(decode.Batch, "forward", wrong)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        ids(random_model, requests(random_model, tasks[:1]))


def test_a_cache_grows_no_wider_than_its_longest_row_and_a_quarter() -> None:
    """Rows of 8 to 200 tokens, one column written a step, of which the last 200 are seen: of 250 columns 50 are spare,
    and what is moved to the left overlaps where it goes to."""
    cache = Slots(1, 1, 8, 200)
    first = torch.arange(8.0).view(1, 8, 1)
    cache.place([[Stretch((first,), (first,), torch.empty(0), torch.empty(0))]], torch.tensor([0]), slice(0, 1), held=0)
    start = cache.window.high - 8
    widths: set[int] = set()
    for token in range(8, 700):
        start = max(start, cache.window.high + 1 - 200)
        cache.window.low = start
        keys, values = cache.layers[0].update(*(torch.tensor([[[[float(token)]]]]),) * 2)
        assert keys.flatten().tolist() == values.flatten().tolist() == list(range(max(0, token - 199), token + 1))
        start -= cache.advance(start)
        widths.add(cache.layers[0].keys.shape[2])
    assert sorted(widths) == [40, 80, 160, 250]


def test_min_p_and_repetition_penalty_do_as_transformers_does() -> None:
    torch.manual_seed(0)
    logits, prompt = torch.randn(3, 20) * 3, torch.randint(20, (3, 5))
    expected = MinPLogitsWarper(0.2)(prompt, logits.clone())
    assert torch.equal(keep_likeliest(logits, Sampling(min_p=0.2)), expected)
    assert expected.isinf().any()
    seen = torch.zeros(3, 20, dtype=torch.bool).scatter_(1, prompt, True)
    expected = RepetitionPenaltyLogitsProcessor(1.7)(prompt, logits.clone())
    torch.testing.assert_close(penalised(logits, seen, 1.7), expected)


def test_a_penalty_counts_what_prompt_and_attempt_hold(random_model: Any, tasks: list[Task]) -> None:
    greedy = Sampling(0.0, max_tokens=12, repetition_penalty=1.8)
    prompt = random_model.prompt(tasks[0])
    (written,) = random_model.write([Write(prompt, greedy, 0, (0,))])
    inputs = random_model.inputs([hf.Row(prompt, ())])
    out = random_model.net.generate(
        **inputs, do_sample=False, max_new_tokens=12, repetition_penalty=1.8,
        suppress_tokens=list(random_model.render.banned),
    )  # fmt: skip
    assert written.part.ids == tuple(out[0, inputs["input_ids"].shape[1] :].tolist())
    plain = ids(random_model, [Write(prompt, replace(greedy, repetition_penalty=1.0), 0, (0,))])
    assert plain[0, 0] != written.part.ids


def test_a_penalty_follows_rows_that_move_up_when_others_end(random_model: Any, tasks: list[Task]) -> None:
    """The first of 24 rows end after 5 tokens, others after 10: the last ones take their places with what they hold."""
    hot = replace(HOT, repetition_penalty=3.0)
    asked = requests(random_model, tasks, hot)[::-1]
    together = ids(random_model, asked)
    for i, request in enumerate(asked):
        assert ids(random_model, [request]) == {(0, a): together[i, a] for a in range(4)}
    assert len({len(some) for some in together.values()}) > 2


def test_a_penalty_counts_what_is_given(random_model: Any, tasks: list[Task]) -> None:
    """Greedy with a penalty goes on from its own prefix as it did; without the given ids it would repeat them."""
    greedy = Sampling(0.0, max_tokens=12, repetition_penalty=1.8)
    for prompt in map(random_model.prompt, tasks):
        (whole,) = random_model.write([Write(prompt, greedy, 0, (0,))])
        given = (whole.part.ids[:3], whole.part.ids[3:6])
        (rest,) = random_model.write([Write(prompt, replace(greedy, max_tokens=6), 0, (0,), given=given)])
        assert rest.part.ids == whole.part.ids[6:]


def test_a_stop_string_ends_an_attempt_where_its_text_comes_to_hold_it(random_model: Any, tasks: list[Task]) -> None:
    (whole,) = random_model.write([Write(random_model.prompt(tasks[0]), HOT, 0, (0,))])
    wanted = whole.part.text[3:6]
    stop = replace(HOT, stop=(wanted, "never said"))
    (cut,) = random_model.write([Write(random_model.prompt(tasks[0]), stop, 0, (0,))])
    assert cut.finish == "stop"
    assert wanted in cut.part.text
    assert cut.part.ids == whole.part.ids[: len(cut.part.ids)]
    assert wanted not in random_model.render.texts([cut.part.ids[:-1]])[0]


def test_settings_that_are_not_in_use_leave_keys_as_they_were() -> None:
    """Keys of attempts sampled before min-p, penalty and stop strings existed must stay."""
    old = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_tokens": 64}
    assert Sampling(max_tokens=64).as_dict() == old
    assert Sampling(max_tokens=64, min_p=0.1).as_dict() == {**old, "min_p": 0.1}
    keys = [rollout_keys("m", "p", [], s.as_dict(), [0], ["t"], [0]) for s in (Sampling(), Sampling(stop=("x",)))]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("wrong", [{"min_p": 1.5}, {"repetition_penalty": 0.0}, {"stop": ("",)}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong)).replace("_", "-")):
        Sampling(**wrong)


def test_rows_at_different_steps_draw_by_their_own_step() -> None:
    from sharpen.models.draws import streams, uniforms

    of = streams([(1, 0), (1, 1)])
    mixed = uniforms(of, np.array([4, 0]))
    assert mixed.tolist() == [uniforms(of, 4)[0], uniforms(of, 0)[1]]


def test_a_number_just_below_one_draws_the_last_id_that_has_any_probability() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf], [3.0, -torch.inf, -torch.inf, -torch.inf]])
    below = np.nextafter(np.array([1.0, 1.0]), 0)
    assert draw(logits, below, Sampling(1.0)).tolist() == [2, 0]
    assert draw(logits, np.array([1.0, 1.0]), Sampling(1.0)).tolist() == [2, 0]
