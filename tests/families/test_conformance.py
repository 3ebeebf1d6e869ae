"""What every family must do alike, on a random model of its own classes, loaded by the code that loads real ones.

The expected values come from the library: its processor's ids and tensors, its own positions, `generate`, eager
attention. So a wrong formula here cannot agree with itself.
"""

from __future__ import annotations

import inspect
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image as pil
from transformers.processing_utils import ProcessorMixin

from sharpen import canary
from sharpen.data.images import decode
from sharpen.errors import ModelError, TaskError
from sharpen.examples import Imitate
from sharpen.models import load
from sharpen.models.hf import HF, Row
from sharpen.models.lines import continued
from sharpen.models.model import IMAGE, QUESTION, SYSTEM, Read, Sampling, Write
from sharpen.models.settings import Loading
from sharpen.train import Train, trainer
from sharpen.types import Image, Part, Rollout, Task
from sharpen.views import blind, question_first

from .tiny import KINDS

GREEDY = Sampling(0.0, max_tokens=10)
QUESTION_TEXT = "what is it, how many?"


def picture(width: int, height: int) -> Image:
    """Noise, so that every pixel counts."""
    noise = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    pil.fromarray(noise).save(buffer, "PNG")
    return Image.of(buffer.getvalue())


SIZES = ((30, 20), (20, 50), (64, 64), (90, 31))
PICTURES = tuple(picture(*size) for size in SIZES)
ONE = Task("one", QUESTION_TEXT, PICTURES[:1], "7", system="look closely.")
TALL = replace(ONE, id="tall", images=PICTURES[1:2])
LARGE = replace(ONE, id="large", images=PICTURES[2:3], system=None)
WIDE = replace(ONE, id="wide", images=PICTURES[3:])
THREE = replace(ONE, id="three", images=PICTURES[:3], places=(0, 8, 21))
APART = replace(ONE, id="apart", images=PICTURES[1:], places=(5, 5, 12), system=None)
TASKS = (ONE, TALL, LARGE, WIDE, THREE, APART, question_first(ONE), question_first(THREE), blind(ONE))


def shown(model: Any, task: Task, *codes: int) -> str:
    prompt = model.prompt(task)
    return model.render.tokenizer.decode([i for i, s in zip(prompt.ids, prompt.spans, strict=True) if s in codes])


def own_inputs(model: Any, row: Row) -> dict[str, torch.Tensor]:
    """What the library needs to find positions and masks itself."""
    inputs = {name: t for name, t in model.inputs([row]).items() if name not in {"position_ids", "token_type_ids"}}
    image = (inputs["input_ids"] == model.parts.config.image_token_id).long()
    known = inspect.signature(model.net.forward).parameters
    return inputs | {name: image for name in ("mm_token_type_ids", "token_type_ids") if name in known}


def write(model: Any, task: Task, **settings: Any) -> Any:
    (written,) = model.write([Write(model.prompt(task), replace(GREEDY, **settings), 0, (0,))])
    return written


# --- prompts -------------------------------------------------------------------------------------


def library_processor(model: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library's processor of a family; of one with a video part, all but that part, which needs torchvision."""
    if kind in {"llava", "aya_vision"}:
        return model.parts.processor()
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", len)  # for videos only
    name = transformers.models.auto.processing_auto.PROCESSOR_MAPPING_NAMES[kind]
    whole: type[ProcessorMixin] = getattr(transformers, name)
    parts = [part for part in whole.get_attributes() if part != "video_processor"]
    seen: Any = type(name, (whole,), {"get_attributes": classmethod(lambda cls: parts)})
    each = {"image_seq_length": 4, "image_seq_len": 4, "num_image_tokens": 16, "video_processor": None}
    known = inspect.signature(whole.__init__).parameters
    options = {option: value for option, value in each.items() if option in known}
    if kind == "llava_onevision":
        options["vision_feature_select_strategy"] = "full"
    return seen(model.parts.images, model.parts.tokenizer, **options)


def conversation(task: Task) -> list[dict[str, Any]]:
    content = [{"type": "image"} if isinstance(p, Image) else {"type": "text", "text": p} for p in task.content]
    system = [{"role": "system", "content": [{"type": "text", "text": task.system}]}] if task.system else []
    return [*system, {"role": "user", "content": content}]


def test_prompt_and_pixels_are_those_of_the_library_s_processor(
    model: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Benign texts only: where a text says `<image>`, the library reads a picture, and sharpen a text."""
    processor = library_processor(model, kind, monkeypatch)
    for task in TASKS:
        if kind == "llava_onevision" and task.places:
            continue  # its template moves images to the front, which sharpen does not
        text = model.render.tokenizer.apply_chat_template(
            conversation(task), chat_template=model.render._template, tokenize=False, add_generation_prompt=True
        )
        pictures = [decode(i) for i in task.images]
        made = processor(
            text=[text], images=[pictures] if pictures else None, add_special_tokens=False, return_tensors="pt"
        )
        assert list(model.prompt(task).ids) == made["input_ids"][0].tolist(), task.id
        for name, tensor in model.pixels([model.prompt(task)]).items():
            torch.testing.assert_close(tensor, made[name].reshape(tensor.shape), check_dtype=False)


def letters(text: str) -> str:
    return "".join(c for c in text if c.isalpha() or c in "?,")


def test_spans_say_where_system_images_and_question_are(model: Any) -> None:
    token = model.parts.config.image_token_id
    for task in TASKS:
        prompt = model.prompt(task)
        assert len(prompt.ids) == len(prompt.spans)
        assert [i == token for i in prompt.ids] == [s == IMAGE for s in prompt.spans]
        if task.images:
            assert model.family.features(model.family.inputs(task.images)) == prompt.spans.count(IMAGE)
        assert ("look closely." in shown(model, task, SYSTEM)) == (task.system is not None)
        assert "look closely." not in shown(model, task, QUESTION)
        words, at = letters(shown(model, task, QUESTION)), 0
        for piece in (letters(p) for p in task.content if isinstance(p, str)):
            at = words.index(piece, at) + len(piece)  # in order, whatever frames of images stand between


def test_every_text_stands_behind_the_features_of_the_images_before_it(model: Any) -> None:
    """Counted, whatever frames and tiles are: three images at any places, one after the question, none."""
    token = model.family.image_tokens[0]
    for task in TASKS:
        each = iter(markup.count(token) for markup in model.family.markup(task.images))
        text, at, before = shown(model, task, SYSTEM, IMAGE, QUESTION), 0, 0
        for piece in task.content:
            if isinstance(piece, Image):
                before += next(each)
            elif piece.strip():
                at = text.index(piece.strip(), at)
                assert text[:at].count(token) == before, (task.id, piece)
                at += len(piece.strip())
        assert model.prompt(task).spans.count(IMAGE) == before == text.count(token)


def test_images_and_question_stand_in_the_order_of_the_view(model: Any) -> None:
    for task in (ONE, THREE):
        plain, swapped = replace(task, places=()), question_first(task)
        for view, first in ((plain, IMAGE), (swapped, QUESTION)):
            prompt = model.prompt(view)
            text = model.render.tokenizer("what", add_special_tokens=False).input_ids[-1]
            image = prompt.spans.index(IMAGE)
            spoken = max(i for i, t in enumerate(prompt.ids) if t == text) if text in prompt.ids else len(prompt.ids)
            assert (image < spoken) == (first == IMAGE)
        assert model.prompt(plain).spans.count(IMAGE) == model.prompt(swapped).spans.count(IMAGE)


def test_a_picture_that_makes_other_features_than_tokens_is_refused_before_the_model_runs(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = model.prompt(ONE)
    short = replace(prompt, ids=prompt.ids[:-1], spans=prompt.spans.replace(bytes([IMAGE]), bytes([QUESTION]), 1))
    monkeypatch.setattr(model, "_pixels", {})
    monkeypatch.setattr(model.net.model, "forward", lambda **_: pytest.fail("ran"))
    with pytest.raises(ModelError, match=r"task 'one' has .* image tokens in its prompt and .* image features"):
        model.inputs([Row(short, ())])


@pytest.mark.parametrize("size", [(1, 1), (200, 1), pytest.param((20_000, 100), marks=pytest.mark.slow)], ids=str)
def test_the_smallest_and_the_longest_pictures_are_shown(model: Any, size: tuple[int, int]) -> None:
    """As many placeholders as features: `write` compares them before the model runs."""
    assert write(model, Task("t", "what is it ?", (picture(*size),))).part.ids


def test_a_picture_that_cannot_be_shown_is_the_user_s_fault(model: Any) -> None:
    with pytest.raises(TaskError, match="is a strip of 300 x 1 pixels"):
        write(model, Task("t", "what is it ?", (picture(300, 1),)))


def test_a_literal_placeholder_in_a_question_is_text(model: Any) -> None:
    hostile = f"what does {model.family.placeholder} or {model.family.image_tokens[0]} mean?"
    prompt = model.prompt(replace(ONE, question=hostile))
    assert prompt.spans.count(IMAGE) == model.prompt(ONE).spans.count(IMAGE)
    assert hostile in shown(model, replace(ONE, question=hostile), QUESTION)


# --- writing and reading -------------------------------------------------------------------------


def test_greedy_equals_generate_token_for_token(model: Any) -> None:
    """All in one batch here, one by one and with its own positions there."""
    prompts = [model.prompt(t) for t in TASKS]
    written = {w.request: w for w in model.write([Write(p, GREEDY, 0, (0,)) for p in prompts])}
    for i, prompt in enumerate(prompts):
        inputs = own_inputs(model, Row(prompt, ()))
        out = model.net.generate(
            **inputs, do_sample=False, max_new_tokens=10, suppress_tokens=list(model.render.banned)
        )
        assert written[i].part.ids == tuple(out[0, len(prompt.ids) :].tolist()), TASKS[i].id
    assert len({w.part.ids for w in written.values()}) > 1


def test_branches_and_resumed_prefixes_go_on_as_the_plain_route(model: Any) -> None:
    whole = {t.id: write(model, t).part for t in (ONE, THREE, APART)}
    requests = [Write(model.prompt(t), GREEDY, 0, (0, 1, 2)) for t in (THREE, ONE, APART)]
    for w in model.write(requests):
        assert w.part.ids == whole[requests[w.request].prompt.task.id].ids
    for task in (ONE, THREE, APART):
        ids = whole[task.id].ids
        (tail,) = model.write(
            [Write(model.prompt(task), replace(GREEDY, max_tokens=6), 0, (0,), given=(ids[:1], ids[1:4]))]
        )
        assert ids[:4] + tail.part.ids == ids[: 4 + len(tail.part.ids)]
        assert "".join(tail.given_texts) + tail.part.text == whole[task.id].text


def test_sampled_ids_come_back_as_they_went_in(model: Any) -> None:
    """Log-probs of sampling are those of reading the same ids again, and of the library's own forward pass."""
    hot = Sampling(1.0, max_tokens=12)
    written = list(model.write([Write(model.prompt(t), hot, 5, (0, 1)) for t in (ONE, THREE, LARGE, blind(ONE))]))
    tasks = (ONE, THREE, LARGE, blind(ONE))
    readings = dict(model.read([Read(model.prompt(tasks[w.request]), w.part.ids) for w in written]))
    for at, w in enumerate(written):
        assert readings[at].logprobs == pytest.approx(w.part.logprobs, abs=1e-4)
        row = Row(model.prompt(tasks[w.request]), w.part.ids)
        with torch.no_grad():
            logits = model.net(**own_inputs(model, row)).logits[0, len(row.prompt.ids) - 1 : -1].float()
        logits[:, list(model.render.banned)] = -torch.inf
        own = logits.log_softmax(-1)[torch.arange(len(w.part.ids)), torch.tensor(w.part.ids)]
        assert w.part.logprobs == pytest.approx(own.tolist(), abs=1e-4)


def test_responses_behind_one_prompt_are_read_as_each_by_itself(model: Any, kind: str) -> None:
    """With positions and a mask of ours: what `packs` promises."""
    if kind == "gemma3":
        assert not model.packs  # its masks are made of token types and windows
        return
    responses = ((40, 41, 42, 43), (50, 51, 52))
    prompt = model.prompt(THREE)
    n = len(prompt.ids)
    inputs = model.inputs([Row(prompt, responses[0] + responses[1])])
    of_prompt = inputs["position_ids"][..., :n].reshape(-1, n)
    inputs["position_ids"] = continued(of_prompt, [4, 3]).reshape(*inputs["position_ids"].shape)
    owner = torch.tensor([0] * n + [1] * 4 + [2] * 3)
    sees = (owner[None, :] == 0) | (owner[None, :] == owner[:, None])
    inputs["attention_mask"] = sees.tril()[None, None]
    with torch.no_grad():
        packed = model.net(**inputs).logits[0]
        for response, at in zip(responses, (slice(n, n + 4), slice(n + 4, n + 7)), strict=True):
            alone = model.net(**own_inputs(model, Row(prompt, response))).logits[0, n:]
            torch.testing.assert_close(packed[at], alone, atol=1e-4, rtol=1e-4)


PACKS = set(KINDS) - {"gemma3", "aya_vision"}
"""Windows and token types make the masks of the one, and what has no file of its own is not known to take ours."""


def test_rows_go_on_from_one_copy_of_their_prompt_wherever_a_family_packs(model: Any, kind: str) -> None:
    """On a CPU, by the library's usual attention; a family that lost it would sample at half the speed, unnoticed."""
    assert model.branches is model.packs is (kind in PACKS)


def test_pictures_are_shrunk_to_a_longest_side_alike_for_prompt_and_pass(folder: Any) -> None:
    small = load(str(folder), Loading(max_side=24))
    prompt = small.prompt(LARGE)
    small.inputs([Row(prompt, ())])  # tokens are features
    assert small.family.picture(PICTURES[2]).size == (24, 24)


def test_attention_shares_equal_eager_attention(model: Any) -> None:
    response = tuple(range(40, 52))
    tasks = (ONE, THREE, question_first(ONE), blind(ONE))
    layers = tuple(range(model.layers))
    readings = dict(model.read([Read(model.prompt(t), response, layers) for t in tasks]))
    kernel = model.decoder.config._attn_implementation
    model.net.set_attn_implementation("eager")
    try:
        for i, task in enumerate(tasks):
            prompt = model.prompt(task)
            with torch.no_grad():
                out = model.net(**own_inputs(model, Row(prompt, response)), output_attentions=True)
            spans = np.frombuffer(prompt.spans, dtype=np.uint8)
            for layer in layers:
                rows = out.attentions[layer][0].mean(0)[len(spans) :, : len(spans)].numpy()
                expected = np.stack([rows[:, spans == code].sum(-1) for code in range(3)], -1)
                np.testing.assert_allclose(np.array(readings[i].attention[layer]), expected, atol=1e-5)
    finally:
        model.net.set_attn_implementation(kernel)


def test_an_image_token_can_be_neither_written_nor_predicted(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    head = model.net.get_output_embeddings()
    banned = list(model.render.banned)

    def eager_for_images(hidden: torch.Tensor) -> torch.Tensor:
        logits = head(hidden)
        logits[..., banned] = 1e4
        return logits

    monkeypatch.setattr(model.net, "get_output_embeddings", lambda: eager_for_images)
    assert model.parts.config.image_token_id in banned
    assert not set(banned) & set(write(model, ONE).part.ids)
    ((_, reading),) = model.read([Read(model.prompt(ONE), (45, 46, 47))])
    assert not set(banned) & {i for top in reading.top for i in top}


def test_the_canary_finds_nothing_wrong(model: Any) -> None:
    found = canary.check(model, [ONE, TALL])
    assert found.agreement == 1
    assert found.image_effect is not None
    assert found.image_effect > 0


# --- training ------------------------------------------------------------------------------------


FEW = {"qwen2_5_vl", "gemma3"}
"""Families whose adapters are tried each time; the others' take as long and are the same code."""
SOME_SLOW = [pytest.param(kind, marks=() if kind in FEW else pytest.mark.slow) for kind in KINDS]


def examples(model: Any) -> list[Imitate]:
    tokenizer = model.render.tokenizer
    ids = (*tokenizer("so 3 cups", add_special_tokens=False).input_ids, *model.stop_ids)
    part = Part(tuple(ids), "so 3 cups", "teacher")
    return [Imitate(Rollout(f"k{t.id}", t, t, (part,), "stop", "hand")) for t in (ONE, THREE)]


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.net.named_parameters()}


def test_a_training_step_changes_the_language_model_and_not_the_eyes(model: Any, tmp_path: Path) -> None:
    settings = Train(lr=1e-3, epochs=1, batch=2, warmup=0.0)
    trained = trainer.train(model, examples(model), settings, tmp_path / "m", dict, 0)
    before, after = weights(model), weights(trained)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    eyes = {n for n in before if any(w in n for w in ("visual", "vision", "projector", "connector", "newline"))}
    assert eyes
    assert changed == set(before) - eyes


@pytest.mark.parametrize("kind", SOME_SLOW, indirect=True)
def test_adapters_are_saved_merged_and_loaded_by_name(model: Any, tmp_path: Path) -> None:
    settings = Train(lr=5e-2, epochs=1, batch=2, lora=2, warmup=0.0)
    trained = trainer.train(model, examples(model), settings, tmp_path / "m", dict, 0)
    before, after = weights(model), weights(trained)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    linear = {f"{n}.weight" for n, module in model.net.named_modules() if isinstance(module, torch.nn.Linear)}
    head = f"{next(n for n, m in model.net.named_modules() if m is model.net.get_output_embeddings())}.weight"
    assert changed == {name for name in linear if not name.startswith(model.frozen)} - {head}
    assert all(".layers." in name for name in changed)
    by_name = load(str(tmp_path / "m" / "adapter"))
    assert by_name.identity != model.identity
    beside = HF(model.folder, "beside", model.loading, adapters=[tmp_path / "m" / "adapter"], beside=True)
    answers = [[write(m, t).part.ids for t in (ONE, THREE)] for m in (model, trained, by_name, beside)]
    assert answers[1] == answers[2] == answers[3] != answers[0]
