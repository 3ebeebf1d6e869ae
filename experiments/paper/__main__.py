"""All models: `python -m experiments.paper` takes the options of one; `--page` writes docs/experiments.md anew."""

from __future__ import annotations

import sys

from . import internvl3_2b, internvl3_8b, qwen2_5_vl_3b, qwen2_5_vl_7b, qwen3_vl_2b
from .command import main
from .page import PAGE, made

SUBJECTS = [module.SUBJECT for module in (qwen2_5_vl_3b, qwen2_5_vl_7b, qwen3_vl_2b, internvl3_2b, internvl3_8b)]

if __name__ == "__main__":
    if sys.argv[1:] == ["--page"]:
        PAGE.write_text(made(PAGE.read_text(), SUBJECTS))
        sys.exit(0)
    sys.exit(main(SUBJECTS))
