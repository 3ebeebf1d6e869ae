"""Which attention a network computes: the name in its configuration, changed for a while."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def attending(config: Any, name: str) -> Generator[None]:
    """Have the language model of `config` use the attention registered as `name` in all forward passes inside."""
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
