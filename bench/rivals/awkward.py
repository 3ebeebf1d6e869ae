"""What a loader can get wrong, exported by us: places of pictures, literal tags, system messages, odd pictures.

`check` has a target's own loader read it in the target's environment, and says where a row is not what was exported.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image as pil
from PIL import ImageStat

from sharpen.data import export as exports
from sharpen.data.images import ORIENTATION, decode
from sharpen.examples import Example, Imitate, Prefer
from sharpen.models.scripted import Scripted
from sharpen.run import Run
from sharpen.store import Store
from sharpen.types import Image, Task
from sharpen.worlds import world

from .environment import Environment, Failed, with_folder

WIDE, HIGH = (448, 224), (224, 448)
"""Sides that every patch size divides, so that no loader needs to change them."""
COLOUR = 3.0
"""Shades by which a mean colour may differ: JPEG decoders round."""
LITERAL = "What is <image> in HTML, and what <video>?"


def encoded(picture: pil.Image, kind: str = "PNG", **settings: Any) -> Image:
    """Return a picture as a file's bytes."""
    buffer = BytesIO()
    picture.save(buffer, kind, **settings)
    return Image.of(buffer.getvalue())


def pictures() -> dict[str, Image]:
    """Return ordinary pictures, and those that mean something else to a reader which only decodes."""
    turned = pil.Exif()
    turned[ORIENTATION] = 6
    return {
        "red": encoded(pil.new("RGB", WIDE, "red")),
        "blue": encoded(pil.new("RGB", HIGH, "blue"), "JPEG"),
        "turned": encoded(pil.new("RGB", WIDE, "green"), "JPEG", exif=turned),
        "clear": encoded(pil.new("RGBA", WIDE, (0, 0, 0, 0))),
        "deep": encoded(pil.new("I;16", WIDE, 20_000)),
    }


def tasks() -> list[Task]:
    """Return a task for each thing, and three of the world on which the tiny model was trained."""
    p = pictures()
    return [
        Task("system", "How many?", (p["red"],), "4", system="Look."),
        Task("between", "Is this like that? Say why.", (p["red"], p["blue"]), "no", places=(8, 18)),
        Task("end", "First line\nand last: ", (p["blue"],), "4", places=(21,)),
        Task("text", "What is two and two?", (), "4"),
        Task("literal", LITERAL, (p["red"],), "4"),
        Task("turned", "How high?", (p["turned"],), "4"),
        Task("clear", "Which colour?", (p["clear"],), "white"),
        Task("deep", "How bright?", (p["deep"],), "4"),
        *world("digits").tasks("train", 3),
    ]


def stored(folder: Path) -> list[Example]:
    """Make a run of one round whose every task has a reply and a pair; return the examples."""
    with Store(folder) as store:
        asked = store.add_tasks(tasks())
        written = Scripted(lambda w: f"see <image> {w.attempt} <answer>4</answer>")
        groups = Run({"policy": written}, store, round=1).sample(asked, 2)
        examples: list[Example] = [Imitate(g.rollouts[0]) for g in groups]
        examples += [Prefer(g.rollouts[1], g.rollouts[0]) for g in groups]
        store.set_examples(1, examples)
    return examples


def wanted(task: Task) -> dict[str, Any]:
    """Return what a target's model should see: the tiny model's chat, a mark at each picture, and the pictures."""
    content = "".join("<image>" if isinstance(p, Image) else escaped(p) for p in task.content)
    turns = [("system", task.system)] if task.system is not None else []
    chat = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in [*turns, ("user", content)])
    seen = [decode(image) for image in task.images]
    return {
        "problem": content,
        "prompt": f"{chat}<|im_start|>assistant\n",
        "images": [{"size": list(s.size), "colour": ImageStat.Stat(s).mean} for s in seen],
    }


def escaped(text: str) -> str:
    """Return a text as the export writes it where a reader takes tags for pictures."""
    return text.replace("<image>", "< image >").replace("<video>", "< video >")


def expected(examples: Sequence[Example]) -> dict[str, list[dict[str, Any]]]:
    """Return each file's rows as the target's loader should give them."""
    found: dict[str, list[dict[str, Any]]] = {"sft": [], "preference": [], "rl": []}
    for example in examples:
        match example:
            case Imitate(rollout=r):
                found["sft"].append({**wanted(r.task), "reply": escaped(r.text)})
            case Prefer(chosen=c, rejected=r):
                found["preference"].append({**wanted(c.task), "chosen": escaped(c.text), "rejected": escaped(r.text)})
            case _:
                raise AssertionError("no other examples are made here")
    by_id = sorted(tasks(), key=lambda task: task.id)
    found["rl"] = [{**wanted(t), "answer": t.answer} for t in by_id if t.answer is not None]
    return found


def differences(want: dict[str, list[dict[str, Any]]], got: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Say for each file and row what is not as it was exported."""
    found: list[str] = []
    for kind, rows in got.items():
        if len(rows) != len(want[kind]):
            found.append(f"{kind}: {len(rows)} rows came out of {len(want[kind])}")
        for at, (theirs, ours) in enumerate(zip(rows, want[kind], strict=False)):
            for name, value in ours.items():
                if name in theirs and not same(theirs[name], value):
                    found.append(f"{kind} {at}: {name} is {theirs[name]!r}, exported was {value!r}")
    return found


def same(theirs: Any, ours: Any) -> bool:
    """Compare texts exactly, and pictures by size and mean colour."""
    if not isinstance(ours, list):
        return theirs == ours
    return len(theirs) == len(ours) and all(
        t["size"] == o["size"] and max(abs(a - b) for a, b in zip(t["colour"], o["colour"], strict=True)) <= COLOUR
        for t, o in zip(theirs, ours, strict=True)
    )


def check(about: str | None, environment: Environment, script: str, targets: Sequence[str]) -> None:
    """Export, have the targets' own loader read it, and print what came out; exits with 1 where rows differ."""
    parser = with_folder(argparse.ArgumentParser(description=about))
    parser.add_argument("--json", action="store_true", help="print one object")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        examples = stored(Path(folder, "run"))
        for target in targets:
            with Store(Path(folder, "run"), read_only=True) as store:
                exports.export(store, exports.find(target), Path(folder, target))
        tiny = Path(__file__).parent.parent.parent / "sharpen" / "worlds" / "tiny_model"
        found = attempt(
            lambda: environment.run(asked.environments, script, {"folder": folder, "model": str(tiny)}).answer
        )
        want = expected(examples)
    files: dict[str, Any] = found.pop("files", {})
    rows = {file: {kind: len(some) for kind, some in kinds.items()} for file, kinds in files.items()}
    wrong = [f"{file} {said}" for file, kinds in files.items() for said in differences(want, kinds)]
    said = {"name": f"rivals.{script}", "rows": rows, "differences": wrong, **found}
    print(json.dumps(said) if asked.json else json.dumps(said, indent=1, ensure_ascii=False))
    sys.exit(bool(wrong or "error" in found))


def attempt(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer, or the error for which there is none."""
    try:
        return work()
    except Failed as failure:
        return {"error": str(failure)}
