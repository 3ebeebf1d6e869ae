"""`sharpen merge ADAPTER --out DIR`: an adapter and its base as one model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tyro

from .cli import emit, parse
from .data.load import load
from .errors import require
from .models.settings import Loading


@dataclass(frozen=True)
class MergeOptions:
    """Write an adapter and its base model as one folder, which loads anywhere and is asked whether it answers alike."""

    adapter: tyro.conf.Positional[str]
    """Folder or hub id of an adapter; its base model is found by the name in it."""
    out: Path
    """A new folder."""
    loading: Loading = field(default_factory=Loading)
    """How the model comes into memory; `auto` takes the number format of the base model's files."""
    tasks: str = "digits:4"
    """Questions that both are asked: a world, a benchmark, a file or a folder."""
    max_tokens: int = 128
    """Most tokens of an answer."""
    json: bool = False

    def __post_init__(self) -> None:
        require(self.max_tokens >= 1, "max-tokens", self.max_tokens, "1 or more")
        require(not self.loading.quantize, "loading.quantize", self.loading.quantize, "nothing: merging needs all bits")


def merge_command(arguments: Sequence[str]) -> None:
    """`sharpen merge ADAPTER --out DIR`."""
    from .merge import merge

    options: MergeOptions = parse(MergeOptions, "merge", arguments)
    asked = load(options.tasks, split="test").tasks
    done = merge(options.adapter, options.out, asked, options.loading, options.max_tokens)
    emit({"adapter": options.adapter, "out": str(options.out), **asdict(done)}, options.json)
    if not options.json:
        print(f"{options.out}: whole weights in {done.dtype}, loaded again and asked what the adapter was asked before")
        print(done.told())
        if not done.ended_beside:
            print("no answer ended, so the end of turn was not tried: give a larger --max-tokens or other --tasks")
