"""Each benchmark on a small file with the columns of its data set's card: what is asked, shown and graded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from support import PIXEL

from sharpen import benchmarks, setup
from sharpen.answers import Grader
from sharpen.data.load import load
from sharpen.errors import TaskError, UserError
from sharpen.types import Task

PICTURE = {"bytes": PIXEL, "path": None}
WORDS = "\nAnswer in a word or a short phrase."
LETTER = "\nAnswer with the letter of the right choice."
YES_NO = "\nAnswer yes or no."
FOUR = "A. red\nB. blue\nC. green\nD. black"
COLOURS = ("red", "blue", "green", "black")

# For each: rows, and for each row (pieces of the content, None for a picture; answer; choices).
Expected = tuple[tuple[str | None, ...], str, tuple[str, ...]]
CASES: dict[str, tuple[list[dict[str, Any]], list[Expected]]] = {
    "vqarad": (
        [{"image": PICTURE, "question": "is there a fracture?", "answer": "no"}],
        [((None, "is there a fracture?" + WORDS), "no", ())],
    ),
    "pathvqa": (
        [{"image": PICTURE, "question": "what is shown?", "answer": "liver"}],
        [((None, "what is shown?" + WORDS), "liver", ())],
    ),
    "slake": (
        [
            {"img_id": 1, "img_name": "xm1/source.jpg", "question": "Which organ?", "answer": "Lung", "q_lang": "en",
             "location": "Lung", "modality": "CT", "answer_type": "OPEN", "base_type": "vqa", "content_type": "Organ",
             "triple": ["vhead", "_", "_"], "qid": 11},
            {"img_id": 1, "img_name": "xm1/source.jpg", "question": "哪个器官？", "answer": "肺", "q_lang": "zh",
             "content_type": "Organ", "qid": 12},
        ],
        [((None, "Which organ?" + WORDS), "Lung", ())],
    ),
    "geometry3k": (
        [
            {"images": [PICTURE], "problem": "<image>Find x.", "answer": "2 \\sqrt { 3 }", "id": 0,
             "choices": ["3", "2 \\sqrt { 3 }"], "ground_truth": "B"}
        ],
        [((None, "Find x."), "2 \\sqrt { 3 }", ())],
    ),
    "scienceqa": (
        [
            {"image": PICTURE, "question": "Which colour?", "choices": list(COLOURS), "answer": 1, "hint": "Look.",
             "task": "closed choice", "grade": "grade2", "subject": "natural science", "topic": "physics",
             "category": "c", "skill": "s", "lecture": "", "solution": ""},
            {"image": None, "question": "Which word?", "choices": ["a", "b"], "answer": 0, "hint": "",
             "task": "closed choice", "grade": "grade2", "subject": "language science", "topic": "words",
             "category": "c", "skill": "s", "lecture": "", "solution": ""},
        ],
        [((None, "Look.\nWhich colour?" + LETTER + "\n" + FOUR), "B", COLOURS)],
    ),
    "chartqa": (
        [{"image": PICTURE, "query": "How much?", "label": ["14"], "human_or_machine": 0}],
        [((None, "How much?\nAnswer in a word, a number or a short phrase."), "14", ())],
    ),
    "mathvista": (
        [
            {"pid": "1", "question": "How heavy?", "image": "images/1.jpg", "decoded_image": PICTURE, "choices": None,
             "unit": "kg", "precision": 1.0, "answer": "1.5", "question_type": "free_form", "answer_type": "float",
             "metadata": {"task": "word problem"}, "query": "Hint: ..."},
            {"pid": "2", "question": "Which colour?", "image": "images/2.jpg", "decoded_image": PICTURE,
             "choices": list(COLOURS), "unit": None, "precision": None, "answer": "blue",
             "question_type": "multi_choice", "answer_type": "text", "metadata": {"task": "figure"}, "query": "Hint"},
        ],
        [
            ((None, "How heavy?\n(Unit: kg)\nGive the answer with 1 decimal place."), "1.5", ()),
            ((None, "Which colour?\n" + FOUR), "blue", COLOURS),
        ],
    ),
    "mathverse": (
        [
            {"sample_index": "1", "problem_index": "1", "problem_version": "Text Dominant",
             "question": "Find the angle.\nChoices:\nA:30°\nB:45°", "image": PICTURE, "answer": "B",
             "question_type": "multi-choice", "query_wo": "", "query_cot": "",
             "question_for_eval": "Find the angle.\nChoices:\nA:30°\nB:45°"},
            {"sample_index": "2", "problem_index": "1", "problem_version": "Vision Only", "question": "",
             "image": PICTURE, "answer": "B", "question_type": "multi-choice", "query_wo": "", "query_cot": "",
             "question_for_eval": "Find the angle.\nChoices:\nA:30°\nB:45°"},
        ],
        [
            ((None, "Find the angle.\nChoices:\nA:30°\nB:45°"), "B", ("30°", "45°")),
            ((None, "The question is in the picture."), "B", ()),
        ],
    ),
    "mathvision": (
        [
            {"id": "4", "question": "Which piece fits?\n<image1>", "options": ["A", "B"], "image": "images/4.jpg",
             "decoded_image": PICTURE, "answer": "B", "solution": None, "level": 2, "subject": "logic"},
            {"id": "5", "question": "How many in <image1> and <image2>?", "options": [], "image": "images/5.jpg",
             "decoded_image": PICTURE, "answer": "12", "solution": None, "level": 3, "subject": "counting"},
        ],
        [
            (("Which piece fits?\n", None), "B", ("A", "B")),
            (("How many in ", None, " and (image 2)?"), "12", ()),
        ],
    ),
    "mmmu": (
        [
            {"id": "v1", "question": "In <image 1>, which fits <image 2>?", "options": "['red', '<image 3>']",
             "explanation": "", "image_1": PICTURE, "image_2": PICTURE, "image_3": PICTURE, "answer": "B",
             "img_type": "", "question_type": "multiple-choice", "subfield": "Art"},
            {"id": "v2", "question": "How far?", "options": "[]", "explanation": "", "image_1": PICTURE,
             "image_2": None, "image_3": None, "answer": "['8.4', '8.40']", "img_type": "", "question_type": "open",
             "subfield": "Physics"},
        ],
        [
            (("In ", None, ", which fits ", None, "?\nA. red\nB. image 3 ", None), "B", ("red", "image 3")),
            ((None, "How far?"), "8.4", ()),
        ],
    ),
    "wemath": (
        [
            {"ID": "1", "split": "testmini", "knowledge concept": "area", "question": "What is the area?",
             "option": "A. 3; B. 4; C. No correct answer", "answer": "B", "image_path": PICTURE, "key": "2steps_1",
             "question number": 1, "knowledge concept description": ""}
        ],
        [((None, "What is the area?" + LETTER + "\nA. 3\nB. 4\nC. No correct answer"), "B",
          ("3", "4", "No correct answer"))],
    ),
    "blink": (
        [
            {"idx": "val_1", "question": "Which is closer?", "sub_task": "Relative_Depth", "image_1": PICTURE,
             "image_2": PICTURE, "image_3": None, "image_4": None, "choices": ["A is closer", "B is closer"],
             "answer": "(A)", "prompt": "Which is closer? (A) ..."}
        ],
        [((None, None, "Which is closer?" + LETTER + "\nA. A is closer\nB. B is closer"), "A",
          ("A is closer", "B is closer"))],
    ),
    "mmstar": (
        [
            {"index": 0, "question": "Which colour?\nOptions: A: red, B: blue, C: green, D: black", "image": PICTURE,
             "answer": "C", "category": "perception", "l2_category": "x",
             "meta_info": {"source": "MMBench", "split": "val", "image_path": "i/0.jpg"}}
        ],
        [((None, "Which colour?\nOptions: A: red, B: blue, C: green, D: black" + LETTER), "C", COLOURS)],
    ),
    "hallusionbench": (
        [
            {"category": "VD", "subcategory": "illusion", "visual_input": "1", "set_id": "0", "figure_id": "1",
             "sample_note": "", "question_id": "0", "question": "Are the circles the same size?",
             "gt_answer_details": "", "gt_answer": "1", "filename": "./x.png", "image": PICTURE}
        ],
        [((None, "Are the circles the same size?" + YES_NO), "yes", ())],
    ),
    "pope": (
        [
            {"id": "0", "question_id": "1", "question": "Is there a snowboard in the image?", "answer": "yes",
             "image_source": "COCO_1", "image": PICTURE, "category": "adversarial"},
            {"id": "1", "question_id": "1", "question": "Is there a dog in the image?", "answer": "no",
             "image_source": "COCO_1", "image": PICTURE, "category": "popular"},
        ],
        [
            ((None, "Is there a snowboard in the image?" + YES_NO), "yes", ()),
            ((None, "Is there a dog in the image?" + YES_NO), "no", ()),
        ],
    ),
    "gsm8k": (
        [{"question": "Two and two?", "answer": "It is <<2+2=4>>4.\n#### 1,004"}],
        [(("Two and two?",), "1,004", ())],
    ),
    "math500": (
        [
            {"problem": "What is $\\frac{1}{2}+1$?", "solution": "It is $\\boxed{\\frac{3}{2}}$.",
             "answer": "\\frac{3}{2}", "subject": "Prealgebra", "level": 2, "unique_id": "test/a/1.json"}
        ],
        [(("What is $\\frac{1}{2}+1$?",), "\\frac{3}{2}", ())],
    ),
    "gpqa": (
        [
            {"Question": "Which gas?", "Correct Answer": "helium ", "Incorrect Answer 1": "argon",
             "Incorrect Answer 2": "neon", "Incorrect Answer 3": "xenon", "High-level domain": "Chemistry"}
        ],
        [],
    ),
}  # fmt: skip


def stored(name: str, folder: Path) -> str:
    """Write a benchmark's rows as its data set has them, and return the spec that reads them."""
    rows = CASES[name][0]
    if name == "slake":
        (folder / "imgs" / "xm1").mkdir(parents=True)
        (folder / "imgs" / "xm1" / "source.jpg").write_bytes(PIXEL)
        (folder / "test.json").write_text(json.dumps(rows))
        return f"slake:{folder / 'test.json'}"
    parquet.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return f"{name}:{folder / f'{name}.parquet'}"


def pieces(task: Task) -> tuple[str | None, ...]:
    return tuple(piece if isinstance(piece, str) else None for piece in task.content)


def test_every_benchmark_is_tried() -> None:
    assert sorted(CASES) == benchmarks.names()


@pytest.mark.parametrize("name", sorted(CASES))
def test_rows_become_the_tasks_they_are(name: str, tmp_path: Path) -> None:
    loaded = load(stored(name, tmp_path), split="test")
    assert loaded.skipped == []
    if name != "gpqa":
        assert [(pieces(t), t.answer, t.choices) for t in loaded.tasks] == CASES[name][1]
    assert all("kind" in t.meta for t in loaded.tasks) or name in ("vqarad", "pathvqa", "geometry3k", "gsm8k")
    json.dumps([dict(t.meta) for t in loaded.tasks])  # the ledger holds it so


@pytest.mark.parametrize("name", sorted(CASES))
def test_gold_answers_grade_right(name: str, tmp_path: Path) -> None:
    tasks = load(stored(name, tmp_path), split="test").tasks
    grader = benchmarks.find(name).grader
    assert [v.outcome for v in grader.grade_golds(tasks)] == ["right"] * len(tasks)
    replies = [(f"Let me look. <answer>{t.answer}</answer>", t) for t in tasks]
    assert [v.outcome for v in grader.grade_all(replies)] == ["right"] * len(tasks)


def test_the_right_choice_of_gpqa_is_the_one_its_letter_names(tmp_path: Path) -> None:
    (task,) = load(stored("gpqa", tmp_path)).tasks
    assert task.answer is not None
    assert task.choices["ABCD".index(task.answer)] == "helium"
    assert sorted(task.choices) == ["argon", "helium", "neon", "xenon"]


def test_rows_of_another_part_are_counted_and_not_bad(tmp_path: Path) -> None:
    loaded = load(stored("slake", tmp_path), max_bad=0)
    assert "1 questions that are not in English not asked for" in loaded.read_as
    assert "1 questions without a picture not asked for" in load(stored("scienceqa", tmp_path)).read_as


@pytest.mark.parametrize(
    ("name", "row", "why"),
    [
        ("chartqa", {"image": PICTURE, "query": "?", "label": ["1", "2"]}, "'label' holds 2 answers"),
        ("scienceqa", {"image": PICTURE, "question": "?", "choices": ["a"], "answer": -1}, "the answer is -1"),
        ("wemath", {"image_path": PICTURE, "question": "?", "option": "3 or 4", "answer": "A"}, "not choices with"),
        (
            "mmstar",
            {"image": PICTURE, "question": "Why? Options: A: 1, C: 2", "answer": "A"},
            "no choices with letters",
        ),
        ("hallusionbench", {"image": PICTURE, "question": "?", "gt_answer": "2"}, "not 0 or 1"),
        ("gsm8k", {"question": "?", "answer": "4"}, "holds no ####"),
        (
            "mmmu",
            {"question": "?", "question_type": "multiple-choice", "options": "[1, f()]", "answer": "A"},
            "no list",
        ),
    ],
)
def test_rows_of_another_layout_say_why(name: str, row: dict[str, Any], why: str, tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    with pytest.raises(TaskError, match=why):
        load(f"{name}:{tmp_path / 't.parquet'}")


def test_a_name_is_looked_for_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[tuple[str, Any, Any]] = []

    def load_dataset(name: str, config: Any, split: Any) -> Any:
        asked.append((name, config, split))
        return datasets.Dataset.from_list([{**CASES["blink"][0][0], "idx": f"{config}"}])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert len(load("blink", split="test").tasks) == 14
    assert asked[0] == ("BLINK-Benchmark/BLINK", "Art_Style", "val")
    assert len({config for _, config, _ in asked}) == 14
    with pytest.raises(TaskError, match="BLINK has no rows to learn from; name others by --tasks and it by --test"):
        load("blink")
    with pytest.raises(TaskError, match=r"SLAKE: the hub's rows come without their pictures; download test.json"):
        load("slake", split="test")


def test_a_benchmark_brings_its_grader_unless_one_is_set(tmp_path: Path) -> None:
    from sharpen.eval_command import EvalOptions

    (task,) = load(stored("chartqa", tmp_path)).tasks
    graded = setup.graded(EvalOptions(tasks="chartqa"))
    assert [graded.grader.grade(f"<answer>{n}</answer>", task).outcome for n in ("14.6", "15")] == ["right", "wrong"]
    own = EvalOptions(tasks="chartqa", grader=Grader(tolerance=0.5))
    assert setup.graded(own) is own
    assert setup.graded(EvalOptions(tasks="mmmu")).grader == Grader()


def test_graders_that_differ_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from sharpen.cli import RunOptions

    other = replace(benchmarks.find("mmmu"), grader=Grader(tolerance=0.1))
    monkeypatch.setattr(benchmarks, "find", lambda name, real=benchmarks.find: other if name == "mmmu" else real(name))
    with pytest.raises(UserError, match="ChartQA, MMMU are graded differently"):
        setup.graded(RunOptions(tasks="chartqa", test="mmmu"))


@pytest.mark.parametrize("name", benchmarks.names())
def test_each_says_where_it_is_how_it_is_counted_and_under_which_licence(name: str) -> None:
    found = benchmarks.find(name)
    assert re.fullmatch(r"[\w-]+/[\w.-]+", found.hub)
    assert all((found.title, found.configs, found.split, found.metric, found.grader.name))
    assert found.licence or name == "mmstar"  # whose card, and whose authors' page, name none


@pytest.mark.parametrize("name", benchmarks.names())
def test_published_figures_say_where_they_stand(name: str) -> None:
    figure = benchmarks.find(name).published
    assert figure is not None
    assert 1 < figure.value < 100
    assert re.match(r"huggingface\.co/\S+, README|github\.com/\S+, \S+\.md|arXiv \d{4}\.\d{5}, table \d", figure.source)
