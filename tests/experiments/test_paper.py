"""The experiments of the paper: sizes as the library counts them, memory and speed by hand, and the whole path run."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
import transformers as hf
from families.tiny import KINDS
from PIL import Image as pil

from experiments.paper import cost
from experiments.paper.__main__ import SUBJECTS
from experiments.paper.command import RANK, main, rank, ways, work
from experiments.paper.cost import GPU, Architecture
from experiments.paper.page import PAGE, made
from experiments.paper.settings import SETS
from sharpen.data.load import load_tasks
from sharpen.examples import Imitate
from sharpen.models import load
from sharpen.prompts import asked_in
from sharpen.store import Store
from sharpen.train import Train, trainer
from sharpen.types import Part, Rollout

# --- sizes ---------------------------------------------------------------------------------------

QWEN25 = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "patch_size": 14}
QWEN3 = {
    "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "patch_size": 16,
    "out_hidden_size": 2048, "deepstack_visual_indexes": [5, 11, 17], "num_position_embeddings": 2304,
}  # fmt: skip
INTERN = {
    "hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096, "num_attention_heads": 16,
    "image_size": [448, 448], "patch_size": [14, 14], "norm_type": "layer_norm", "attention_bias": True,
}  # fmt: skip


def library(name: str, a: Architecture) -> Any:
    """The library's own network of these sizes, without memory for its weights."""
    text = {
        "hidden_size": a.hidden, "intermediate_size": a.inner, "num_hidden_layers": a.layers, "head_dim": a.head,
        "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads, "vocab_size": a.vocabulary,
        "tie_word_embeddings": a.tied,
    }  # fmt: skip
    config: Any
    if name.startswith("qwen2_5"):
        config = hf.Qwen2_5_VLConfig(text_config=text, vision_config={**QWEN25, "out_hidden_size": a.hidden})
    elif name.startswith("qwen3"):
        config = hf.Qwen3VLConfig(text_config=text, vision_config=QWEN3)
    else:
        own: Any = hf.Qwen2Config(**text)
        config = hf.InternVLConfig(text_config=own, vision_config=hf.InternVLVisionConfig(**INTERN))
    config.tie_word_embeddings = a.tied
    with torch.device("meta"):
        return hf.AutoModelForImageTextToText.from_config(config)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_parameters_are_those_that_the_library_makes(subject: Any) -> None:
    a: Architecture = subject.architecture
    net = library(subject.name, a)
    decoder, head = net.get_decoder(), net.get_output_embeddings()
    trained = {id(p): p.numel() for p in (*decoder.parameters(), *head.parameters())}
    assert a.weights == sum(p.numel() for p in net.parameters())
    assert a.language == sum(trained.values())
    linear = [m for m in decoder.modules() if isinstance(m, torch.nn.Linear)]
    assert a.adapters(RANK) == RANK * sum(m.in_features + m.out_features for m in linear)


SMALL = Architecture(
    hidden=4, inner=6, layers=2, heads=2, kv_heads=1, head=2, vocabulary=10, tied=True, biased=True, vision=100
)


def test_memory_is_the_sum_of_what_is_held() -> None:
    # A layer: queries 4x4, keys and values 4x2 each, output 4x4, three of 4x6, biases 4 + 2 + 2, norms 2 x 4.
    assert SMALL.language == 10 * 4 + 2 * (16 + 8 + 8 + 16 + 72 + 8 + 8) + 4 == 316
    assert SMALL.cached == 2 * 2 * 1 * 2 * 2  # key and value, layers, heads, width, bytes
    gpu = GPU("hand", memory=4 * 416 + 2 * 5 * 10 * 16, operations=1.0, bandwidth=1.0)
    assert cost.rows(SMALL, gpu, 10) == 5  # two models in half precision, then half of what is free
    assert cost.sampling_bytes(SMALL, gpu, 10) == 4 * 416 + 5 * 10 * 16
    assert cost.rows(SMALL, replace(gpu, memory=100.0), 10) == 0
    activations = 4 * 2**14 * (2 * 4 + 8 * 4 + 3 * 6)
    held = {way: cost.training_bytes(SMALL, way, 2, 10) - activations for way in ways(SUBJECTS[0])}
    adapters = 2 * 2 * (8 + 6 + 6 + 8 + 10 + 10 + 10)
    assert held == {
        "full": 4 * 416 + 4 * 416 + 12 * 316,
        "full, 8-bit Adam": 4 * 416 + 4 * 416 + 6 * 316,
        "LoRA": 4 * 416 + 2 * 416 + 16 * adapters,
    }
    longer = cost.training_bytes(SMALL, "full", 2, 2**15) - cost.training_bytes(SMALL, "full", 2, 10)
    assert longer == activations


def test_speed_is_bound_by_operations_or_by_the_memory_that_a_step_reads() -> None:
    gpu = GPU("hand", memory=4 * 416 + 2 * 5 * 10 * 16, operations=1e6, bandwidth=1e9)
    found = cost.speeds(SMALL, gpu, prompt=4, attempt=4, limit=6)
    each = 0.26 * 1e6 / (2 * 416)
    assert (found.write, found.read, found.train) == tuple(map(pytest.approx, (each, each, each / 4)))
    slow = cost.speeds(SMALL, replace(gpu, bandwidth=1e3), prompt=4, attempt=4, limit=6)
    # A step reads the weights, and of each of 5 rows a prompt of 4 and half an attempt of 4 in the cache.
    assert slow.write == pytest.approx(0.26 * 5 * 1e3 / (2 * 416 + 5 * 6 * 16))


def test_the_assumed_share_is_what_the_bench_of_training_found() -> None:
    rows = (PAGE.parent.parent / "bench" / "README.md").read_text().splitlines()
    found = next(re.search(r"matrix products alone \((\d+) %\)", row) for row in rows if row.startswith("| `training`"))
    assert found is not None
    assert int(found[1]) / 100 == pytest.approx(cost.EFFICIENCY, abs=0.02)  # sittings of the bench differ by as much


# --- what is said --------------------------------------------------------------------------------


def test_the_page_is_made_from_the_table() -> None:
    text = PAGE.read_text()
    assert made(text, SUBJECTS) == text, "run: python -m experiments.paper --page"
    assert text.count("| not run |") == len(SUBJECTS) * len(SETS)


def test_the_paper_s_percentages_are_whole_counts_of_the_questions_that_the_page_says() -> None:
    for subject in SUBJECTS:
        for name, percent in [*subject.seed.items(), *subject.vista.items()]:
            questions = SETS[name].yes_no or SETS[name].test
            nearest = round(percent / 100 * questions) / questions * 100
            assert round(nearest, 2) == pytest.approx(percent, abs=0.0051), (subject.name, name)


def test_a_model_that_does_not_fit_is_trained_with_adapters_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lora = {s.name: rank(s, cost.GPUS["a800"]) for s in SUBJECTS}
    assert lora == {
        "qwen2_5_vl_3b": 0, "qwen2_5_vl_7b": RANK, "qwen3_vl_2b": 0, "internvl3_2b": 0, "internvl3_8b": RANK,
    }  # fmt: skip
    assert main([SUBJECTS[1]], ["--sets", "vqarad"]) == 0
    told = capsys.readouterr().out
    assert "full does not fit A800 80 GB: --train.lora 64, which is not the paper's" in told
    assert "--train.lora 64 --out runs/paper/qwen2_5_vl_7b/vqarad" in told
    assert "seen: not run" in told
    assert main([SUBJECTS[1]], ["--sets", "vqarad", "--gpu", "rtx4090"]) == 0
    assert "neither fits RTX 4090" in capsys.readouterr().out


def test_a_measured_speed_replaces_the_assumed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([SUBJECTS[0]], ["--sets", "vqarad", "--tokens-per-second", "1", "--attempt-tokens", "100"]) == 0
    told = capsys.readouterr().out
    written, _ = work(SUBJECTS[0], SETS["vqarad"], 100)
    # 1,793 x 10 attempts a round, 35.86 % of them continued three times; 451 x 3 measured four times.
    assert written.written == pytest.approx(100 * (3 * 17930 * (1 + 3 * 0.3586) + 451 * 3 * 4))
    (hours,) = re.findall(r"hours expected: ([\d,]+)", told)
    assert int(hours.replace(",", "")) >= written.written / 3600
    assert "speed (as given): 1 tokens/s written" in told
    assert main([SUBJECTS[0]], ["--tokens-per-second", "0"]) == 2


# --- what runs -----------------------------------------------------------------------------------

REPLIES = ("<answer>yes</answer>", "<answer>3</answer>")
SMALLER = ["--rounds", "1", "--samples", "4", "--max-tokens", "32", "--train.lr", "1e-3", "--train.epochs", "1"]


def picture(number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    pil.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def stored(folder: Path) -> None:
    """The three sets with the columns of their data sets' cards, six questions to learn from and four to measure on."""
    for split, first, count in (("train", 0, 6), ("test", 6, 4)):
        numbers = range(first, first + count)
        pictures = {i: {"bytes": picture(i), "path": None} for i in numbers}
        questions = {i: f"is there something at {i}?" for i in numbers}
        images = folder / "slake" / "imgs"
        images.mkdir(parents=True, exist_ok=True)
        for i in numbers:
            (images / f"{i}.png").write_bytes(picture(i))
        answers = {i: "yes" if i % 2 else "Lung" for i in numbers}
        slake = [
            {"img_id": i, "img_name": f"{i}.png", "question": questions[i], "answer": answers[i], "q_lang": "en",
             "answer_type": "CLOSED", "content_type": "Organ", "qid": i}
            for i in numbers
        ]  # fmt: skip
        (folder / "slake" / f"{split}.json").write_text(json.dumps(slake))
        vqarad = [{"image": pictures[i], "question": questions[i], "answer": "yes"} for i in numbers]
        geometry = [{"images": [pictures[i]], "problem": f"<image>Find x_{i}.", "answer": "3"} for i in numbers]
        for name, rows in (("vqarad", vqarad), ("geometry3k", geometry)):
            (folder / name).mkdir(exist_ok=True)
            parquet.write_table(pa.Table.from_pylist(rows), folder / name / f"{split}.parquet")


def taught(kind: str, data: Path, folder: Path) -> Path:
    """A random model of a class that has learnt to answer now yes, now 3, whatever it is asked."""
    model = load(str(KINDS[kind].save(folder / "random")))
    asked = [t for n in ("vqarad", "geometry3k") for t in load_tasks(f"{n}:{data / n / 'train.parquet'}")[:3]]
    tokenizer = model.render.tokenizer
    examples: list[Imitate] = []
    for task in asked_in(asked, "think-answer"):
        for text in REPLIES:
            ids = (*tokenizer(text, add_special_tokens=False).input_ids, *sorted(model.stop_ids))
            key = f"{task.fingerprint}{text}"
            examples.append(Imitate(Rollout(key, task, task, (Part(ids, text, "teacher"),), "stop", "hand")))
    settings = Train(lr=1e-2, epochs=20, batch=4, warmup=0.0, checkpoints=0)
    trainer.train(model, examples, settings, folder / "taught", dict, 0)
    return folder / "taught"


@pytest.mark.parametrize(
    ("kind", "subject", "sets"),
    [
        ("qwen2_5_vl", "qwen2_5_vl_3b", ["slake"]),
        pytest.param("qwen2_5_vl", "qwen2_5_vl_7b", ["vqarad", "geometry3k"], marks=pytest.mark.slow),
        pytest.param("qwen3_vl", "qwen3_vl_2b", ["vqarad"], marks=pytest.mark.slow),
        pytest.param("internvl", "internvl3_8b", ["geometry3k"], marks=pytest.mark.slow),
    ],
)
def test_the_command_that_is_shown_runs_on_a_small_model_of_the_class(
    kind: str, subject: str, sets: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the model and the sizes are replaced: what stands after `--`."""
    stored(tmp_path)
    model = taught(kind, tmp_path, tmp_path)
    capsys.readouterr()
    (chosen,) = (s for s in SUBJECTS if s.name == subject)
    out = tmp_path / "runs"
    options = ["--run", "--json", "--sets", *sets, "--data", str(tmp_path), "--out", str(out)]
    assert main([chosen], [*options, "--", "--model", str(model), *SMALLER]) == 0
    (found,) = json.loads(capsys.readouterr().out).values()
    assert list(found) == sets
    for name in sets:
        seen = found[name]
        assert seen["last"]["n"] == 4
        assert seen["last_as_paper"]["n"] == (2 if name == "slake" else 4)  # the yes-or-no ones of SLAKE
        with Store(out / subject / name) as store:
            said: Any = store.manifest()["settings"]
            examples = store.tally(1, 6, 0).correct
        assert examples > 0
        method, train = said["method"], said["train"]
        assert (method["samples"], method["resamples"], method["top"], method["threshold"]) == (4, 3, 5, -0.5)
        assert (train["batch"], train["lora"], train["gradient_checkpointing"]) == (16, rank(chosen, A800), True)
        assert (said["loading"]["max_side"], said["prompt"], said["eval_samples"]) == (512, "think-answer", 1)


A800 = cost.GPUS["a800"]
