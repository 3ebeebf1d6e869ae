"""Models by name: `tiny`, a folder, a hub id, or the folder of an adapter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from .settings import Loading

if TYPE_CHECKING:
    from .hf import HF

FETCHED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


def load(name: str, loading: Loading | None = None, *, dtype: str | None = None, device: str | None = None) -> HF:
    """Load a model; raises ModelError where there is none or its weights are not safetensors."""
    settings = loading or Loading()
    folder = folder_of(name, settings)
    from .hf import HF

    adapter = None
    try:
        if is_adapter(folder):
            from .loading import base_of

            adapter, (base, revision) = folder, base_of(folder)
            folder = folder_of(base, replace(settings, revision=revision))
        return HF(folder, name, settings, adapter=adapter, dtype=dtype, device=device)
    except ModelError:
        raise
    except Exception as error:
        # Whatever a broken folder makes the libraries raise, it is the folder that has to be looked at.
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise ModelError(f"{name} cannot be loaded from {folder}: {type(error).__name__}: {lines[0]}") from error


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds changes to another model and not a model."""
    return (folder / "adapter_config.json").exists() and not (folder / "config.json").exists()


def folder_of(name: str, loading: Loading | None = None) -> Path:
    """Return the local folder of a model, fetching it from the hub where the name is a hub id."""
    settings = loading or Loading()
    if name == "tiny":
        from ..worlds import TINY

        return TINY
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").exists() and not is_adapter(folder):
            raise ModelError(
                f"the folder {folder} holds neither config.json nor adapter_config.json; give a folder that "
                "save_pretrained wrote"
            )
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        patterns = [*FETCHED, *(["*.py"] if settings.trust_remote_code else [])]
        options: dict[str, Any] = {"revision": settings.revision} if settings.revision else {}
        return Path(snapshot_download(name, allow_patterns=patterns, **options))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        at = f" at revision {settings.revision!r}" if settings.revision else ""
        raise ModelError(
            f"there is no model {name!r}{at}: neither a folder nor reachable on the hub "
            f"({type(error).__name__}); give 'tiny', a folder or a hub id"
        ) from error
