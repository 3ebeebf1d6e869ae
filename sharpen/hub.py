"""A trained model onto the Hugging Face Hub: only where it is asked for, and nothing but the model and its card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError, UserError
from .progress import say
from .report.cards import CARD
from .train import record

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WEIGHTS = (".safetensors", ".safetensors.index.json")


@dataclass(frozen=True)
class Pushed:
    """What was uploaded, and where to."""

    repo: str
    url: str
    round: int
    private: bool
    files: list[str]
    removed: list[str]
    """Weights of an earlier push that are none of this model's, and would be loaded in the place of it."""


def require_pushable(repo: str) -> None:
    """Raise UserError where a push to this repository would be refused for what is known before a run."""
    from huggingface_hub import constants, get_token

    if not NAME.fullmatch(repo):
        raise UserError(f"--push-to-hub {repo} names no repository of the Hub; give OWNER/NAME")
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"--push-to-hub {repo} needs the Hub, and HF_HUB_OFFLINE is set; unset it")
    if get_token() is None:
        raise UserError(f"--push-to-hub {repo} needs a token that may write; run `hf auth login` or set HF_TOKEN")


def push(folder: Path, repo: str, *, round: int | None = None, public: bool = False) -> Pushed:
    """Upload the model that a run's last round trained, or the given one's, in one commit; private unless `public`.

    What goes up is what training wrote, its record and its card. Raises UserError where the Hub cannot be reached or
    refuses, or the repository is public and that was not asked for: the run's folder stays as it is.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    require_pushable(repo)
    model = chosen(folder, round)
    number = int(model.name.removeprefix("round-"))
    files = uploads(model)
    say(f"  {model} goes to {repo}: {len(files)} files")
    try:
        api = HfApi()
        api.create_repo(repo, private=not public, exist_ok=True)
        known = api.model_info(repo)
        private = bool(known.private)
        if not private and not public:
            raise UserError(f"{repo} is public; say so with --public, or push to another repository")
        there = [file.rfilename for file in known.siblings or ()]
        removed = [name for name in there if name.endswith(WEIGHTS) and name not in files]
        operations: list[Any] = [CommitOperationAdd(name, str(model / name)) for name in files]
        operations += [CommitOperationDelete(name) for name in removed]
        done = api.create_commit(repo, operations, commit_message=f"sharpen: {folder.resolve().name}, {model.name}")
    except UserError:
        raise
    except Exception as error:  # the library's and its HTTP client's are of every kind: network, token, permission
        said = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{model} could not be pushed to {repo} ({type(error).__name__}: {said}); the run and its results are "
            "safe, give the same command again to push"
        ) from error
    return Pushed(repo, str(done.commit_url), number, private, files, removed)


def chosen(folder: Path, round: int | None) -> Path:
    """Return the folder of the model to push, whole as training wrote it; raises ModelError where there is none."""
    there = {int(model.name.removeprefix("round-")): model for model in record.trained(folder)}
    if not there or (round is not None and round not in there):
        what = f"of round {round}" if round is not None else "that it trained"
        raise ModelError(f"{folder} holds no model {what}, only of rounds {sorted(there)}; give one of them")
    model = there[max(there) if round is None else round]
    if wrong := list(record.changed(model, record.read(model))):
        raise ModelError(f"{model}: {wrong[0]}; it is not pushed")
    return model


def uploads(model: Path) -> list[str]:
    """Return the files to upload: those that training wrote, their record, and the card."""
    beside = [name for name in (record.DONE, CARD) if (model / name).is_file()]
    return sorted({*record.read(model)["files"], *beside})


def announce(done: Pushed) -> None:
    """Say what was uploaded."""
    state = "private" if done.private else "public"
    say(f"  round {done.round} is on the Hub, {state}: {done.url}")
    say(f"  {len(done.files)} files: {', '.join(done.files)}")
    if done.removed:
        say(f"  removed weights of an earlier push: {', '.join(done.removed)}")
