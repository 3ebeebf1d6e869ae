"""A round's attempts by us and by LLaMA-Factory's batch inference: `do_predict` with `predict_with_generate`.

python -m bench.rivals.llamafactory_sampling            # makes its environment first: some minutes, 2 GB

LLaMA-Factory writes one reply to a row, so each task is there as often as it is attempted. Ours samples into a ledger,
with ids and log-probs; theirs into a file of texts.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ..side import options, show
from .environment import Environment, with_folder
from .work import ATTEMPTS, Work, compare

LLAMAFACTORY = Environment("llamafactory", ("llamafactory", "jieba", "nltk", "rouge-chinese"))
BATCH = 200
"""Rows a batch of theirs."""


def main() -> None:
    """Measure and print."""
    parser = with_folder(options(__doc__))
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--batch", type=int, default=BATCH, help="rows a batch of theirs")
    asked = parser.parse_args()
    work = Work.of(asked.tasks)
    with TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        ours.mkdir()
        theirs.mkdir()
        file = work.write(ours, "swift", "asked")
        work.write(theirs, "llamafactory", "reply", ATTEMPTS)
        settings = {
            "model": str(work.model),
            "tasks": str(theirs),
            "dataset": "sharpen_sft",
            "batch": asked.batch,
            "max_tokens": work.max_tokens,
        }
        result = compare(
            "rivals.llamafactory_sampling",
            work,
            file,
            lambda: LLAMAFACTORY.run(asked.environments, "llamafactory_predict", settings),
            f"theirs: LLaMA-Factory, {asked.batch} rows a batch",
            asked.times,
        )
    show(result, asked.json)


if __name__ == "__main__":
    main()
