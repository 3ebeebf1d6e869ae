"""What makes a model's attempts its own, and what a manifest says of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..train.record import DONE

if TYPE_CHECKING:
    from .hf import HF

DESCRIBED = ("processor_config.json", "preprocessor_config.json", "generation_config.json", "sharpen.json")
SETTINGS = "sharpen.json"
"""File in a model's folder with the settings recommended for it; not part of its identity."""
HASHED = {".safetensors", ".json", ".jinja", ".model", ".txt"}


def of(model: HF) -> str:
    """Return a hash of weights, tokenizer, processor settings, number format and what else changes answers."""
    how = model.loading
    asked = "" if how.thinking is None else f"thinking {how.thinking}"
    shown = f"at most {how.max_side} pixels" if how.max_side else ""
    total = hashlib.sha256(f"{model.net.dtype}{how.quantize}{asked}{shown}".encode())
    hashed = HASHED | ({".py"} if how.trust_remote_code else set())
    for folder in (model.folder, *model.adapters):
        for file in sorted(folder.iterdir()):
            if file.suffix in hashed and file.name not in {SETTINGS, DONE}:
                with file.open("rb") as data:
                    total.update(file.name.encode() + hashlib.file_digest(data, "sha256").digest())
    return total.hexdigest()


def described(model: HF) -> dict[str, Any]:
    """Return name, folder, revision, adapters, how the model was loaded, processor and generation settings."""
    files = [model.folder / name for name in DESCRIBED]
    return {
        "name": model.name,
        "folder": str(model.folder.resolve()),
        "revision": commit(model.folder),
        "adapters": [{"folder": str(a.resolve()), "revision": commit(a)} for a in model.adapters],
        "family": type(model.family).__name__,
        "image_processor": None if model.parts.images is None else type(model.parts.images).__name__,
        "dtype": str(model.net.dtype).removeprefix("torch."),
        "device": str(model.device),
        "attention": model.decoder.config._attn_implementation,
        "loading": asdict(model.loading),
        **{file.name: json.loads(file.read_text()) for file in files if file.exists()},
    }


def commit(folder: Path) -> str | None:
    """Return the commit of a folder in the hub's cache, which is named by it; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def settings(folder: Path) -> dict[str, Any]:
    """Return a model's recommended settings; empty where it has none."""
    file = folder / SETTINGS
    return dict(json.loads(file.read_text())) if file.exists() else {}
