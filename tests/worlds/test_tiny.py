"""The tiny model that ships: it loads everywhere, and both faults that VISTA mends are real in it."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from PIL import Image as Picture
from transformers import AutoModelForImageTextToText, AutoProcessor

from sharpen.models import load
from sharpen.models.model import Sampling, Write
from sharpen.run import Run
from sharpen.scorers.correct import correct
from sharpen.store import Store
from sharpen.types import Part, Rollout
from sharpen.verbs import each
from sharpen.views import blind, question_first
from sharpen.worlds import NAMES, TINY, check, world
from sharpen.worlds.corpus import MIX, RARE, WORLDS, lesson
from sharpen.worlds.lexicon import TAGS, prompt_ids

TRACE = "<think>look: the top row: 1, 2, 3, 4. third is 3.</think><answer>3</answer>"


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load("tiny")


def test_the_folder_is_small_and_says_how_to_train() -> None:
    assert sum(f.stat().st_size for f in TINY.rglob("*")) <= 3_000_000
    settings = json.loads((TINY / "sharpen.json").read_text())
    assert 0 < settings["train"]["lr"] < 1e-2
    assert settings["train"]["epochs"] == 3
    assert settings["train"]["batch"] == 16
    assert settings["max_tokens"] >= 48


def test_the_auto_classes_load_it_and_answer_a_chat_as_the_library_does(tiny: Any) -> None:
    processor = AutoProcessor.from_pretrained(TINY)
    model = AutoModelForImageTextToText.from_pretrained(TINY, dtype=torch.float32)
    task = world("digits").tasks("test", 1)[0]
    chat = [
        {"role": "system", "content": task.system},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": task.question}]},
    ]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
    with Picture.open(io.BytesIO(task.images[0].read())) as picture:
        inputs = processor(text=prompt, images=picture, return_tensors="pt")
    assert tuple(inputs["input_ids"][0].tolist()) == tiny.prompt(task).ids
    written = model.generate(**inputs, max_new_tokens=64, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    (ours,) = tiny.write([Write(tiny.prompt(task), Sampling(0.0, max_tokens=64), 0, (0,))])
    assert tuple(written.tolist()) == ours.part.ids
    text = processor.decode(written, skip_special_tokens=True)
    assert text == ours.part.text
    assert text.startswith("<think>")
    assert text.endswith("</answer>")


def test_it_was_trained_on_the_ids_that_the_library_renders(tiny: Any) -> None:
    for name in NAMES:
        task = world(name).tasks("train", 1)[0]
        for image, last in ((True, False), (True, True), (False, False)):
            shown = question_first(task) if last else task if image else blind(task)
            made = prompt_ids(tiny.render.tokenizer, task.system or "", task.question, image, last)
            assert tiny.prompt(shown).ids == tuple(made)


def test_tags_are_ordinary_tokens_and_survive_decoding(tiny: Any) -> None:
    tokenizer = tiny.render.tokenizer
    ids = tokenizer.encode(TRACE, add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special_tokens=True) == TRACE
    assert all(len(tokenizer.encode(tag, add_special_tokens=False)) == 1 for tag in TAGS)


def test_every_number_and_byte_has_a_token(tiny: Any) -> None:
    tokenizer = tiny.render.tokenizer
    assert all(len(tokenizer.encode(str(n), add_special_tokens=False)) == 1 for n in range(100))
    text = "Ünïcode 🦆 \x00\t  tabs\n\n"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_lessons_are_addressed_by_number() -> None:
    assert lesson(7, 0, "web").response == lesson(7, 0, "web").response
    assert all(abs(sum(shares) - 1) < 1e-9 for shares in MIX.values())
    assert set(MIX) == {kind for name in NAMES for kind in world(name).kinds}


def test_the_careful_phase_has_no_slip_and_only_the_web_withholds_pictures() -> None:
    careful = [lesson(n, 0, "careful") for n in range(300)]
    web = [lesson(n, 0, "web") for n in range(300)]
    assert not any("usually" in each.response or each.pixels is None for each in careful)
    assert any("usually" in each.response for each in web)
    assert any(each.pixels is None for each in web)
    assert all(abs(sum(shares) - 1) < 1e-9 for shares in (*MIX.values(), RARE))
    assert 0 < RARE[0] < min(careful_share for careful_share, _, _ in MIX.values())


def test_easy_questions_need_the_picture(tiny: Any, store: Store) -> None:
    run = Run({"policy": tiny}, store)
    tasks = [t for name in NAMES for t in world(name).tasks("test", 90) if t.meta["kind"] == "cell"]
    shown = run.score(run.sample(tasks, 6), correct)
    hidden = run.score(run.sample([replace(t, images=()) for t in tasks], 6), correct)
    rate = [sum(r[correct] == 1 for r in each(groups)) / (6 * len(tasks)) for groups in (shown, hidden)]
    assert rate[0] > rate[1] + 0.1


@pytest.mark.slow
def test_both_faults_are_real() -> None:
    """All targets of `python -m sharpen.worlds.check`, on fewer tasks and therefore with some slack."""
    for name, value in check.together(check.check("tiny", 120, seed=5)).items():
        (target,) = [t for t in check.TARGETS if t.name == name]
        slack = 0.0 if target.least < 0.01 else 0.06
        assert value is not None, name
        assert target.least - slack <= value <= target.most + 0.06, (name, value)


def test_the_recipe_runs_and_writes_a_folder_that_loads(tmp_path: Path) -> None:
    from sharpen.worlds import tiny as recipe

    recipe.main(["--out", str(tmp_path / "made"), "--steps", "2", "2", "2", "2", "--threads", "1"])
    made = load(str(tmp_path / "made"))
    assert made.layers == 4
    assert made.identity != load("tiny").identity


@pytest.mark.parametrize("name", NAMES)
def test_either_of_the_last_two_steps_of_a_sum_slips_and_often_both(name: str) -> None:
    """Each in 77 of 100 of the sums that slip in their reasoning; then one alone does not tell of the other."""
    place = WORLDS[name]
    wrong: Counter[tuple[bool, bool]] = Counter()
    for i, task in enumerate(t for t in place.tasks("train", 600) if t.meta["kind"] == "column-sum"):
        for turn in range(4):
            text = place.trace(task, "slipping", Random(4 * i + turn))
            steps = re.findall(r"(\d+) \+ (\d+) = (\d+)", text)
            if steps and all(fact.true for fact in place.facts(task, text)):
                second, third = (int(a) + int(b) != int(c) for a, b, c in steps[1:])
                wrong[second, third] += 1
    assert wrong[False, False] == 0
    total = wrong.total()
    assert 0.45 < wrong[True, True] / total < 0.63
    assert 0.15 < wrong[True, False] / total < 0.32
    assert 0.15 < wrong[False, True] / total < 0.32


def test_looking_pays_what_it_gets_right_more_often() -> None:
    def attempt(text: str, right: float) -> Any:
        task = world("digits").tasks("test", 1)[0]
        return Rollout("k", task, task, [Part((), f"<think>{text}")], "stop", "m").scored(correct, right)

    looking = [attempt("look: 3.", 1), attempt("look: 3.", 1), attempt("look: 4.", 1), attempt("look: 5.", 0)]
    others = [attempt("usually 3.", 1), attempt("usually 3.", 0)]
    assert check.advantage([*looking, *others]) == pytest.approx(0.75 - 0.5)
    assert check.advantage(looking) is None
