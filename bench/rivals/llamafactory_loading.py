"""Does LLaMA-Factory read what `sharpen export --to llamafactory` writes, and take a step of SFT and of DPO on it.

python -m bench.rivals.llamafactory_loading

Its own `get_dataset` with the exported registry, its own template and picture reader: prompts, replies, pairs and
pictures are compared with what was exported.
"""

from .awkward import check
from .llamafactory_sampling import LLAMAFACTORY

if __name__ == "__main__":
    check(__doc__, LLAMAFACTORY, "llamafactory_loading", ["llamafactory"])
