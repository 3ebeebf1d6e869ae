"""First thing in every environment here: parts of torchvision and torchaudio that need CUDA are not asked for.

The wheels on PyPI are built for CUDA. Beside a CPU build of torch their own libraries do not load, and the import stops
at the first operator that they would have brought. No work here calls one: their names are declared, and that is all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

BOXES = "(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []
"""A library's declarations end with it."""


def loosen() -> None:
    """Make both importable where they are not."""
    if torch.version.cuda is None:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(operator + BOXES)
        _declared.append(library)
    try:
        import torchaudio  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    except OSError:
        empty = ModuleType("torchaudio")
        empty.__spec__ = ModuleSpec("torchaudio", None)
        empty.__version__ = "0"  # pyright: ignore[reportAttributeAccessIssue]
        sys.modules["torchaudio"] = empty


def answer(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Do what the first file says and write the answer to the second."""
    loosen()
    asked, out = (Path(name) for name in sys.argv[1:3])
    out.write_text(json.dumps(work(json.loads(asked.read_text("utf-8")))), encoding="utf-8")
