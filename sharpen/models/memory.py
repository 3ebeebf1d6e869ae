"""Memory of the device: what of it a batch may take, and how an error says that there is no more."""

from __future__ import annotations

import torch

from .settings import GPU_CACHE_SHARE

CPU_CACHE_BYTES = 2**30
SAID = ("DefaultCPUAllocator", "not enough memory", "out of memory")
"""Words of the errors without a class of their own: what a CPU has none of is a plain RuntimeError."""
ADVICE = "shorten the prompts, lower max-tokens or take a smaller model"


def ran_out(error: Exception) -> bool:
    """Whether an error is one of no memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID)


def for_cache(device: torch.device) -> int:
    """Return the bytes that keys and values of a batch may take."""
    if device.type == "cpu":
        return CPU_CACHE_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    # What torch has from the system and holds for its next tensors is free as well.
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int((free + held) * GPU_CACHE_SHARE)


def give_back(device: torch.device) -> None:
    """Have torch give back what it holds of a GPU for its next tensors: pieces that may fit none of them."""
    if device.type != "cpu":
        torch.cuda.empty_cache()
