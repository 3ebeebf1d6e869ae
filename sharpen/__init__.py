"""sharpen: make a vision-language model reason better from its own attempts.

Importing it is quick: torch and transformers are imported when a model is loaded.
"""

from __future__ import annotations

from .compare import compare
from .data.load import load_tasks
from .evaluate import evaluate
from .examples import Imitate, Prefer, Reinforce
from .improve import improve
from .methods.rest_em import RestEm
from .methods.vista import Vista
from .models import load
from .run import Run
from .store import Store
from .train import Train
from .types import Group, Image, Part, Prefix, Reading, Rollout, Task

__all__ = [
    "Group",
    "Image",
    "Imitate",
    "Part",
    "Prefer",
    "Prefix",
    "Reading",
    "Reinforce",
    "RestEm",
    "Rollout",
    "Run",
    "Store",
    "Task",
    "Train",
    "Vista",
    "compare",
    "evaluate",
    "improve",
    "load",
    "load_tasks",
]
