"""Models by name: `tiny`, a folder, a hub id, or the folder of an adapter."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from .settings import Loading

if TYPE_CHECKING:
    from .hf import HF

ADAPTER = "adapter_model.safetensors"
FETCHED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


def load(name: str, loading: Loading | None = None, *, dtype: str | None = None, device: str | None = None) -> HF:
    """Load a model; raises ModelError where there is none or its weights are not safetensors."""
    settings = loading or Loading()
    folder, adapters = found(name, settings)
    from .hf import HF

    with broken(name, folder):
        return HF(folder, name, settings, adapters=adapters, dtype=dtype, device=device)


def found(name: str, loading: Loading) -> tuple[Path, list[Path]]:
    """Return the folder of a name's weights, and those of the adapters on top of them, the lowest first."""
    folder, adapters = folder_of(name, loading), list[Path]()
    while is_adapter(folder):
        if folder in adapters:
            raise ModelError(f"the adapter {folder} names itself as its base model; correct its adapter_config.json")
        adapters.insert(0, folder)
        with broken(name, folder):
            base, revision = base_of(folder)
        folder = folder_of(base, replace(loading, revision=revision))
    return folder, adapters


@contextmanager
def broken(name: str, folder: Path) -> Generator[None]:
    """Name the folder in whatever the libraries raise about it: it is the folder that has to be looked at."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise ModelError(f"{name} cannot be loaded from {folder}: {type(error).__name__}: {lines[0]}") from error


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds changes to another model and not a model."""
    return (folder / "adapter_config.json").exists() and not (folder / "config.json").exists()


def base_of(adapter: Path) -> tuple[str, str]:
    """Return name and revision of the model that an adapter was made for; raises ModelError without safetensors."""
    if not (adapter / ADAPTER).exists():
        raise ModelError(f"the adapter {adapter} holds no {ADAPTER}; save it with safetensors")
    said = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    name = said.get("base_model_name_or_path")
    if not name:
        raise ModelError(
            f"the adapter {adapter} does not name its base model; add base_model_name_or_path to its config"
        )
    return str(name), str(said.get("revision") or "")


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
    except HFValidationError as error:  # no id on the hub looks like it
        raise ModelError(f"there is no folder {name!r}; give 'tiny', a folder or a hub id, OWNER/NAME") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        at = f" at revision {settings.revision!r}" if settings.revision else ""
        if isinstance(error, LocalEntryNotFoundError):
            why = "the hub could not be reached (no network, or the name is wrong)"
        elif isinstance(error, HfHubHTTPError):
            why = f"the hub shows none to you ({type(error).__name__})"
        else:
            why = f"it could not be fetched from the hub ({type(error).__name__}: {error})"
        raise ModelError(
            f"there is no model {name!r}{at}: no such folder is here, and {why}; check the name, or download it where "
            "there is a network and give the folder"
        ) from error
