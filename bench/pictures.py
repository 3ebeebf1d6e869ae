"""What it costs that each question about a picture has the network look at it again: three questions a picture.

Pixels are made once a picture. The bound is the rate were the other looks of the network for nothing.

python -m bench.pictures          # 60 pictures, 10 attempts at each question, the tiny model
python -m bench.pictures --shape qwen2.5-vl-3b --layers 2 --pictures 2 --tokens 48 --device cpu
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sharpen.models.hf import HF
from sharpen.models.model import Prompt, Read, Sampling, Write, Written
from sharpen.worlds import world

from . import shapes
from .side import Result, clock, options, show

ATTEMPTS = 10
QUESTIONS = 3


class Looks:
    """Counts pictures as a network's tower encodes them, and the seconds that it takes."""

    def __init__(self, model: HF) -> None:
        self.shown = self.made = 0
        self.seconds = 0.0
        inner: Any = model.net.model
        tower: Any = getattr(inner, "vision_tower", None) or inner.visual
        self._began = 0.0
        tower.register_forward_pre_hook(lambda *_: setattr(self, "_began", clock()))
        tower.register_forward_hook(self._ended)
        pixels, processed = model.pixels, model._processed  # pyright: ignore[reportPrivateUsage]

        def count(prompts: Sequence[Prompt]) -> Any:
            self.shown += sum(len(p.task.images) for p in prompts)
            return pixels(prompts)

        def make(prompt: Prompt) -> Any:
            self.made += 1
            return processed(prompt)

        model.pixels, model._processed = count, make  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]

    def _ended(self, *_: object) -> None:
        self.seconds += clock() - self._began

    def during(self, name: str, work: Callable[[], int]) -> Result:
        """Do work that returns a number of attempts; return its rate."""
        self.shown = self.made = 0
        self.seconds = 0.0
        began = clock()
        count = work()
        seconds = clock() - began
        spared = self.seconds * (1 - 1 / QUESTIONS)
        more: dict[str, object] = {
            "pictures": f"{self.shown} looked at, pixels of {self.made} made",
            "share of the time that the tower takes": f"{self.seconds / seconds:.1%}, of which {1 - 1 / QUESTIONS:.0%} "
            "would be spared",
        }
        of = "bound: every picture looked at once"
        return Result(name, "attempts/s", count / seconds, None, count / (seconds - spared), of, more)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, times=1)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=64, help="most new tokens of an attempt")
    shapes.add_options(parser)
    asked = parser.parse_args()
    tasks = world("digits").tasks("train", asked.pictures * QUESTIONS)
    with shapes.chosen(asked) as model:
        prompts = [
            model.prompt(replace(t, images=tasks[i // QUESTIONS].images, id=f"{i}")) for i, t in enumerate(tasks)
        ]
        limit = Sampling(1.0, max_tokens=asked.tokens)
        looks = Looks(model)
        requests = [Write(p, limit, i, tuple(range(ATTEMPTS))) for i, p in enumerate(prompts)]
        written: list[Written] = []

        def write() -> int:
            written.extend(model.write(requests))
            return len(written)

        show(looks.during("pictures, sampling", write), asked.json)
        reads = [Read(prompts[w.request], w.part.ids, (model.layers // 2,)) for w in written]
        show(looks.during("pictures, reading", lambda: len(list(model.read(reads)))), asked.json)


if __name__ == "__main__":
    main()
