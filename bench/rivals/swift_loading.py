"""Does ms-swift read what `sharpen export --to swift` writes: its own `load_dataset` and template.

python -m bench.rivals.swift_loading

Prompts, replies, pairs, gold answers and pictures are compared with what was exported.
"""

from .awkward import check
from .swift_sampling import SWIFT

if __name__ == "__main__":
    check(__doc__, SWIFT, "swift_loading", ["swift"])
