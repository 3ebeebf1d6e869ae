"""Training on examples of any method: settings here, mathematics in `losses`, one trainer in `trainer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import require
from ..progress import say

if TYPE_CHECKING:
    from ..examples import Examples
    from ..models.model import Model
    from ..trackers import Tracking

PASS_TOKENS = 2**14
"""Most tokens of a forward pass in training, padding included, where more than one attempt is in it (ours)."""


@dataclass(frozen=True)
class Train:
    """Settings of one round's training.

    None takes what the model's folder recommends (`sharpen.json`), else the value named beside it. The recommended
    rate is one for imitation: a method that learns otherwise takes a share of it, its `lr_share`.
    """

    lr: float | None = None  # peak; else 1e-5: VISTA-DPO §4.1, ours for SFT, which the paper leaves open
    epochs: int | None = None  # else 3: VISTA §4.1
    batch: int | None = None  # examples a step; else 16: VISTA-DPO §4.1
    micro_batch: int = 16  # most examples a forward pass; a step's gradients are accumulated
    warmup: float = 0.1  # share of the steps, then a cosine to zero: ours
    weight_decay: float = 0.0  # ours
    max_grad_norm: float = 1.0  # ours
    lora: int = 0  # rank; 0 trains the whole language model
    lora_alpha: int = 32  # ours
    beta: float = 0.1  # β of DPO, VISTA §4.1
    clip_low: float = 0.2  # ε of GRPO, arXiv 2402.03300 §4.2
    clip_high: float = 0.2
    kl: float = 0.0  # weight of the KL to the starting model in policy gradients; ours
    checkpoints: int = 4  # written while training, the last one kept to resume from
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        for name in ("micro_batch", "epochs", "batch"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"train.{name.replace('_', '-')}", value, "1 or more")
        for name in ("lora", "checkpoints", "warmup", "lr", "beta", "clip_low", "clip_high", "kl"):
            value = getattr(self, name)
            require(value is None or value >= 0, f"train.{name.replace('_', '-')}", value, "0 or more")


def rated(settings: Train, model: object, method: object) -> Train:
    """Return the settings with the method's share of the model's recommended rate, where the user names no rate.

    Where the model recommends none either they stay as they are: the value beside `Train.lr` is DPO's own.
    """
    recommended: Mapping[str, Any] = getattr(model, "recommended", {})
    whole, share = recommended.get("train", {}).get("lr"), getattr(method, "lr_share", 1.0)
    if settings.lr is not None or whole is None or share == 1:
        return settings
    say(f"  learning rate {share * whole:g}: {share:g} of the {whole:g} that the model recommends for imitation")
    return replace(settings, lr=share * whole)


class Trainer(Protocol):
    """What turns examples into the next model; `reference` gives log-probs of the starting one."""

    def __call__(
        self,
        start: Model,
        examples: Examples,
        settings: Train,
        folder: Path,
        reference: Callable[[], Mapping[str, Sequence[float]]],
        seed: int,
    ) -> Model: ...


def shared(tracking: Tracking) -> Trainer:
    """Return the trainer of all methods; torch is needed from here on only."""
    from .trainer import train

    return partial(train, tracking=tracking)
