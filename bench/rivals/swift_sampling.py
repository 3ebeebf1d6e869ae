"""A round's attempts by us and by `swift sample` of ms-swift, its transformers engine, from the same file.

python -m bench.rivals.swift_sampling            # makes its environment first: some minutes, 2 GB

Ours samples into a ledger, with ids and log-probs; theirs into a file of texts.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ..side import options, show
from .environment import Environment, with_folder
from .work import ATTEMPTS, Work, compare

SWIFT = Environment("swift", ("ms-swift",))
BATCH = 200
"""Rows a batch of theirs; its own choice would be 1."""


def main() -> None:
    """Measure and print."""
    parser = with_folder(options(__doc__))
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--batch", type=int, default=BATCH, help="rows a batch of theirs")
    asked = parser.parse_args()
    work = Work.of(asked.tasks)
    with TemporaryDirectory() as folder:
        file = work.write(Path(folder), "swift", "reply")
        settings = {
            "model": str(work.model),
            "file": str(file),
            "tasks": asked.tasks,
            "attempts": ATTEMPTS,
            "batch": asked.batch,
            "max_tokens": work.max_tokens,
        }
        result = compare(
            "rivals.swift_sampling",
            work,
            file,
            lambda: SWIFT.run(asked.environments, "swift_sampling", settings),
            f"theirs: swift sample, {asked.batch} rows a batch",
            asked.times,
        )
    show(result, asked.json)


if __name__ == "__main__":
    main()
