"""All methods and ablations of VISTA side by side, on both worlds: the table of docs/vista.md.

python -m experiments.vista_table                      # the whole table; cells that are done are read back
python -m experiments.vista_table --methods vista rest_em --seeds 1 --tasks 10 --test 10 --rounds 1   # a miniature

For each world this is `sharpen compare METHOD …` at equal tokens, in OUT/WORLD, with one single-threaded process a
core; interrupted, it goes on where it stopped. Beside it the AUROC of the image's share of attention is measured for
every layer of the base model. OUT/report.html has the tables and figures of all worlds.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sharpen import setup
from sharpen.compare_command import comparison
from sharpen.comparison import Comparison
from sharpen.errors import UserError
from sharpen.probes import vision_layer
from sharpen.progress import say
from sharpen.report.comparison import comparison_sections
from sharpen.report.figures import figures, layer_curve
from sharpen.report.html import document, section, write_page
from sharpen.run import Run
from sharpen.store import Store

METHODS = (
    *("vista", "vista_dpo", "sft_seed", "star", "star_plus", "rest_em", "r3v"),
    *("vista:resamples=0", "vista:threshold=-inf", "vista:layer=auto", "extra_samples"),
)
"""The first is what the others are compared with, and whose tokens they spend."""


def compared(args: argparse.Namespace, place: str) -> Comparison:
    """Run all methods on one world."""
    return comparison(
        [
            *args.methods,
            *("--model", args.model, "--tasks", f"{place}:{args.tasks}", "--test", f"{place}:{args.test}"),
            *("--rounds", str(args.rounds), "--seeds", str(args.seeds), "--eval-samples", str(args.eval_samples)),
            *("--equal", args.equal, "--jobs", str(args.jobs), "--out", str(args.out / place)),
        ]
    )[1]


def layers(args: argparse.Namespace, place: str) -> vision_layer.Layers:
    """Measure every layer of the base model, on the tasks that an automatic choice would look at."""
    tasks = setup.labelled(f"{place}:{min(args.tasks, vision_layer.TASKS)}").tasks
    with Store(args.out / f"layer-{place}") as store:
        scope = "probe vision_layer"
        store.begin(scope, 0)
        run = Run({"policy": setup.model(args.model)}, store, scope=scope)
        return vision_layer.measure(run, store.add_tasks(tasks))


def told(place: str, found: Comparison, curve: vision_layer.Layers) -> str:
    """Say one world's figures in words."""
    return f"== {place}\n\n{found.table()}\n\nLayers of the base model\n{curve.table()}\n"


def page(command: str, found: dict[str, tuple[Comparison, vision_layer.Layers]]) -> str:
    """Return one page with the tables and figures of all worlds."""
    sections = [s for place, (table, _) in found.items() for s in comparison_sections(table, f", {place}")]
    curves = [layer_curve(f"base model, {place}", curve.curve, curve.best) for place, (_, curve) in found.items()]
    return document("VISTA and its baselines", command, *sections, section("Layers", figures(curves)))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables of each world; return 1 where a cell failed."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m experiments.vista_table", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--worlds", nargs="+", default=["shapes", "digits"])
    parser.add_argument("--tasks", type=int, default=40, help="questions to learn from")
    parser.add_argument("--test", type=int, default=80, help="unseen questions to measure on")
    parser.add_argument("--eval-samples", type=int, default=4, help="attempts at each of these, beside the greedy one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--equal", choices=["tokens", "attempts", "none"], default="tokens")
    parser.add_argument("--jobs", type=int, default=0, help="cells at a time; 0 is one per core")
    parser.add_argument("--out", type=Path, default=Path("runs/vista_table"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(arguments)
    try:
        found = {place: (compared(args, place), layers(args, place)) for place in args.worlds}
        write_page(
            args.out / "report.html", page(shlex.join(["python", "-m", "experiments.vista_table", *arguments]), found)
        )
    except UserError as error:
        say(f"vista_table: {error}")
        return 2
    except KeyboardInterrupt:
        say("\nvista_table: interrupted; nothing finished is lost, give the same command again")
        return 130
    if args.json:
        print(json.dumps({p: {**table.as_dict(), "layers": curve.as_dict()} for p, (table, curve) in found.items()}))
    else:
        print("\n".join(told(place, *both) for place, both in found.items()))
    say(f"{args.out / 'report.html'} shows it")
    return 1 if any(table.failed for table, _ in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
