"""Does verl read what `sharpen export --to verl` writes: its own datasets for reinforcement and for SFT.

python -m bench.rivals.verl_loading

Prompts, replies, ground truths and pictures are compared with what was exported. EasyR1 is on no package index, so its
files are read by the library that its loader is built on, and the answer says so.
"""

from .awkward import check
from .environment import Environment

VERL = Environment("verl", ("verl", "qwen-vl-utils", "torchvision"))

if __name__ == "__main__":
    check(__doc__, VERL, "verl_loading", ["verl", "easyr1"])
