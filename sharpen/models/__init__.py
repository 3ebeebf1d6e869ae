"""Models by name: `tiny`, a folder, or a hub id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError

if TYPE_CHECKING:
    from .hf import HF


def load(name: str, *, dtype: str | None = None, device: str | None = None) -> HF:
    """Load a model; raises ModelError where there is none or its weights are not safetensors."""
    folder = folder_of(name)
    from .hf import HF

    try:
        return HF(folder, name, dtype=dtype, device=device)
    except ModelError:
        raise
    except Exception as error:
        # Whatever a broken folder makes the libraries raise, it is the folder that has to be looked at.
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise ModelError(f"{name} cannot be loaded from {folder}: {type(error).__name__}: {lines[0]}") from error


def folder_of(name: str) -> Path:
    """Return the local folder of a model, fetching it from the hub where the name is a hub id."""
    if name == "tiny":
        from ..worlds import TINY

        return TINY
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise ModelError(f"the folder {folder} holds no config.json; give a folder that save_pretrained wrote")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"there is no model {name!r}: neither a folder nor reachable on the hub "
            f"({type(error).__name__}); give 'tiny', a folder or a hub id"
        ) from error
