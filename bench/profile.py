"""Where the seconds of one VISTA round on the tiny model go: model time against all else, as a stacked bar.

python -m bench.profile           # 60 digits tasks; --full takes 150
python -m bench.profile --figure docs/figures/profile.svg
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sharpen import canary, run
from sharpen.improve import improve
from sharpen.ledger.database import Database
from sharpen.methods.vista import Vista
from sharpen.models import decode, draws, load, reading
from sharpen.models.hf import HF
from sharpen.models.render import Renderer
from sharpen.models.slots import Slots
from sharpen.report.markup import Html, tag
from sharpen.run import Run
from sharpen.store import Store
from sharpen.train import trainer
from sharpen.worlds import world

from .side import clock, options

BAR = 60
PARTS: dict[str, list[tuple[Any, str]]] = {
    "training: forward and backward": [(trainer.ExampleTrainer, "training_step")],
    "training: layout": [(trainer, "lay_out")],
    "training: all else": [(trainer.ExampleTrainer, "train")],
    "drawing tokens": [(decode, "draw"), (draws, "keep_likeliest")],
    "moving caches": [(Slots, "place"), (Slots, "move"), (Slots, "advance")],
    "reading: logits and ranks": [(reading, "_predictions")],
    "rendering and words": [(Renderer, "prompt"), (Renderer, "texts")],
    "images": [(HF, "pixels")],
    "loading models": [(HF, "__init__")],
    "reading: layout": [(HF, "packed")],
    "planning attempts": [(run, "plan")],
    "canary": [(canary, "check")],
    "ledger": [
        *((Database, name) for name in ("write", "write_one", "run", "sync")),
        *((Store, name) for name in ("add_rollout", "rollouts", "add_prompts", "readings", "add_reading", "use")),
    ],
    "grading": [(Run, "judge")],
}
MODEL = "model: forward"


class Clock:
    """Seconds by part, those of a part inside another counted for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, part: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time is counted."""

        def outer(*args: Any, **named: Any) -> Any:
            began = clock()
            self._inner.append(0.0)
            try:
                return inner(*args, **named)
            finally:
                spent = clock() - began
                self.seconds[part] += spent - self._inner.pop()
                self._inner[-1] += spent

        return outer

    def watch(self) -> None:
        """Wrap all parts, and the forward pass of every model that is loaded from now on."""
        loading = HF.__init__

        def load_and_watch(model: HF, *args: Any, **named: Any) -> None:
            loading(model, *args, **named)
            forward = self.timed(MODEL, model.net.model.forward)
            model.net.model.forward = lambda *a, **k: forward(*a, **k)

        HF.__init__ = load_and_watch  # pyright: ignore[reportAttributeAccessIssue]
        for part, places in PARTS.items():
            for owner, name in places:
                setattr(owner, name, self.timed(part, getattr(owner, name)))


COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
WIDTH, LINE = 720, 18


def picture(title: str, shares: Mapping[str, float]) -> Html:
    """Draw the shares as one stacked bar, with a line of the legend for each, the largest first."""
    drawn = [tag("text", title, x=0, y=14)]
    at = 0.0
    for i, (part, share) in enumerate(shares.items()):
        colour, y = COLOURS[i % len(COLOURS)], 70 + LINE * i
        drawn += [
            tag("rect", x=f"{at:.1f}", y=24, width=f"{WIDTH * share:.1f}", height=24, fill=colour),
            tag("rect", x=0, y=y, width=12, height=12, fill=colour),
            tag("text", f"{share:.1%} {part}", x=20, y=y + 11),
        ]
        at += WIDTH * share
    place = {"viewBox": f"0 0 {WIDTH} {70 + LINE * len(shares)}", "font_family": "sans-serif", "font_size": "13"}
    return tag("svg", *drawn, xmlns="http://www.w3.org/2000/svg", **place)


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--tasks", type=int, help="digits tasks; 60, or 150 with --full")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--figure", type=Path, help="an SVG file to draw into")
    asked = parser.parse_args()
    count = asked.tasks or (150 if asked.full else 60)
    watch = Clock()
    watch.watch()
    tasks = world("digits").tasks("train", count)
    unseen = world("digits").tasks("test", count)
    began = clock()
    with TemporaryDirectory() as folder:
        done = improve(Vista(), load("tiny"), tasks, rounds=1, out=folder, test=unseen)
    total = clock() - began
    seconds = {**watch.seconds, "all else": total - sum(watch.seconds.values())}
    shares = {part: s / total for part, s in sorted(seconds.items(), key=lambda item: -item[1])}
    title = f"one VISTA round, {count} tasks and as many unseen ones: {total:.1f} s of CPU time"
    if asked.figure:
        asked.figure.write_text(picture(title, shares) + "\n")
    if asked.json:
        none = {"theirs": None, "ratio": None, "bound": None}
        said = {"name": "profile", "unit": "s of CPU time", "ours": total, **none, "of": title}
        print(json.dumps({**said, "shares": shares, "parts": done.rounds[0].seconds}))
        return
    print(title)
    for part, share in shares.items():
        print(f"{'█' * round(BAR * share):{BAR // 2}} {share:6.1%}  {total * share:5.1f} s  {part}")


if __name__ == "__main__":
    main()
