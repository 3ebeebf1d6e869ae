"""What a model takes on a GPU: memory to sample and to train, and tokens a second, from its configuration.

Nothing here has been measured on a GPU. Memory is a sum of tensors that the code of this package holds; speed is what
the GPU's maker says, times a share of it that training reached on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sharpen.estimate import Speeds
from sharpen.models.settings import GPU_CACHE_SHARE, GPU_ROWS
from sharpen.train import PASS_TOKENS

EFFICIENCY = 0.26
"""Share of bare matrix products that training reaches, `training` in bench/README.md; taken for all work on a GPU."""
HALF, SINGLE = 2, 4
"""Bytes of a number in bfloat16 and in float32."""
HELD = 2
"""Models in memory beside the one in training: the base model and that of the round before."""
PASSES = 4
"""Forward passes that a token takes in training: one on, one again for its checkpoints, and a backward one of two."""

Way = Literal["full", "full, 8-bit Adam", "LoRA"]


@dataclass(frozen=True)
class Architecture:
    """A decoder's sizes as its `config.json` has them, and the parameters of tower and projector."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    tied: bool
    biased: bool
    """Whether queries, keys and values have a bias; Qwen2 has one, Qwen3 has norms instead."""
    vision: int

    @property
    def language(self) -> int:
        """Parameters that are trained: decoder and output layer."""
        ins, outs = self._linear
        matrices = sum(i * o for i, o in zip(ins, outs, strict=True))
        attention = (self.heads + 2 * self.kv_heads) * self.head if self.biased else 2 * self.head
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (matrices + attention + 2 * self.hidden) + self.hidden

    @property
    def weights(self) -> int:
        """All parameters."""
        return self.language + self.vision

    @property
    def cached(self) -> int:
        """Bytes of a token in the cache: a key and a value in every layer."""
        return 2 * self.layers * self.kv_heads * self.head * HALF

    def adapters(self, rank: int) -> int:
        """Return the parameters of LoRA on every matrix of the decoder's layers."""
        ins, outs = self._linear
        return rank * self.layers * (sum(ins) + sum(outs))

    @property
    def _linear(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Inputs and outputs of a layer's matrices: queries, keys, values, output, gate, up, down."""
        wide, narrow = self.heads * self.head, self.kv_heads * self.head
        ins = (self.hidden, self.hidden, self.hidden, wide, self.hidden, self.hidden, self.inner)
        return ins, (wide, narrow, narrow, self.hidden, self.inner, self.inner, self.hidden)


@dataclass(frozen=True)
class GPU:
    """A GPU as its maker describes it: bytes of memory, bfloat16 operations and bytes a second."""

    name: str
    memory: float
    operations: float
    bandwidth: float


GPUS = {
    "a800": GPU("A800 80 GB", 80 * 2**30, 312e12, 2.039e12),  # the paper's
    "h200": GPU("H200 141 GB", 141e9, 989e12, 4.8e12),
    "rtx4090": GPU("RTX 4090 24 GB", 24 * 2**30, 165e12, 1.008e12),
}


def rows(model: Architecture, gpu: GPU, tokens: int) -> int:
    """Return how many attempts of so many tokens, prompts included, are written together; 0 where none fits."""
    free = gpu.memory - HELD * HALF * model.weights
    return max(0, min(GPU_ROWS, int(free * GPU_CACHE_SHARE / (model.cached * tokens))))


def sampling_bytes(model: Architecture, gpu: GPU, tokens: int) -> float:
    """Return what sampling holds: base and current model, and the cache of a batch of the longest attempts."""
    return HELD * HALF * model.weights + rows(model, gpu, tokens) * tokens * model.cached


def training_bytes(model: Architecture, way: Way, rank: int, tokens: int) -> float:
    """Return what training holds beside base and current model.

    Full: weights in float32, and for those trained a gradient and Adam's two moments, of 8 or 2 bytes. LoRA: weights in
    bfloat16 and adapters with all of that. Activations with checkpoints: the input of every layer and the tensors of
    one layer, in float32, for a pass of PASS_TOKENS or of one attempt that is longer.
    """
    each = model.layers * model.hidden + 8 * model.hidden + 3 * model.inner
    activations = SINGLE * max(PASS_TOKENS, tokens) * each
    if way == "LoRA":
        own = HALF * model.weights + 4 * SINGLE * model.adapters(rank)
    else:
        moments = 2 * SINGLE if way == "full" else 2
        own = SINGLE * model.weights + (SINGLE + moments) * model.language
    return HELD * HALF * model.weights + own + activations


def speeds(model: Architecture, gpu: GPU, prompt: float, attempt: float, limit: int) -> Speeds:
    """Return tokens a second at EFFICIENCY: two operations a parameter and token, or the memory that a step reads.

    A step writes one token in each row of a batch: it reads the weights once and the cache of all rows, half of their
    attempts written.
    """
    operations = 2 * model.weights
    read = EFFICIENCY * gpu.operations / operations
    together = max(1, rows(model, gpu, round(prompt) + limit))
    moved = HALF * model.weights + together * (prompt + attempt / 2) * model.cached
    step = max(operations * together / gpu.operations, moved / gpu.bandwidth) / EFFICIENCY
    return Speeds(write=together / step, read=read, train=read / PASSES)
