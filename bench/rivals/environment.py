"""Environments of the rivals: a folder for each with the versions of `NAME.txt`, made once and used again."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from sharpen.data.remote import cache_folder
from sharpen.types import digest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
LINES = 12
"""Last lines of a failure that are shown."""


class Failed(Exception):
    """A rival that cannot be installed or does not run; the message is its own."""


@dataclass(frozen=True)
class Ran:
    """What a program in another environment answered, and what the whole process took."""

    answer: dict[str, Any]
    cpu: float
    wall: float


@dataclass(frozen=True)
class Environment:
    """A rival's packages; versions of all that they need are in the file beside this one."""

    name: str
    packages: tuple[str, ...]

    @property
    def pins(self) -> Path:
        return HERE / f"{self.name}.txt"

    def python(self, folder: Path | None) -> Path:
        """Return the interpreter of the environment, which is made where it is not there; raises Failed."""
        home = (folder or cache_folder() / "rivals") / self.name
        python, mark = home / "bin" / "python", home / "made-from"
        recipe = digest(self.packages, self.pins.read_text("utf-8"))
        if not (mark.exists() and mark.read_text() == recipe):
            shutil.rmtree(home, ignore_errors=True)
            print(f"making {home} (some minutes, 2 to 3 GB)", file=sys.stderr, flush=True)
            home.parent.mkdir(parents=True, exist_ok=True)
            command([sys.executable, "-m", "venv", home])
            self.install(python)
            mark.write_text(recipe)
        return python

    def install(self, python: Path) -> None:
        """Install torch for this machine, a CPU build where there is no GPU, and then the packages."""
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "-c", self.pins]
        torch = next(line for line in self.pins.read_text("utf-8").splitlines() if line.startswith("torch=="))
        if shutil.which("nvidia-smi"):
            command([*pip, torch])
        else:
            try:
                command([*pip, "--no-deps", "--retries", "1", f"{torch}+cpu"])
            except Failed:
                command([*pip, "--no-deps", "--index-url", CPU_WHEELS, torch])
        command([*pip, *self.packages])

    def run(self, folder: Path | None, script: str, asked: dict[str, Any]) -> Ran:
        """Run a script of `inside/` there; it is given a file that says what to do and one for its answer."""
        return program([self.python(folder), HERE / "inside" / f"{script}.py"], asked)


def program(words: list[Any], asked: dict[str, Any]) -> Ran:
    """Run a program that reads what is asked from one file and writes its answer to another; raises Failed."""
    with TemporaryDirectory() as scratch:
        question, answer = Path(scratch, "asked.json"), Path(scratch, "answer.json")
        question.write_text(json.dumps(asked), encoding="utf-8")
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": f"{scratch}/datasets", "MODELSCOPE_CACHE": scratch}
        alone = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
        command([*words, question, answer], {**offline, **alone, "PYTHONPATH": ""}, scratch)
        wall, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Ran(json.loads(answer.read_text("utf-8")), cpu, wall)


def command(words: list[Any], environment: dict[str, str] | None = None, folder: str | None = None) -> None:
    """Run a command silently; raises Failed with its last lines where it fails."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LINES:])
        raise Failed(
            f"{Path(str(words[0])).name} {' '.join(map(str, words[1:4]))} ended with {done.returncode}:\n{said}"
        )


def with_folder(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what every script of a rival takes."""
    about = "folder of the environments; by default in the user's cache"
    parser.add_argument("--environments", type=Path, default=None, metavar="DIR", help=about)
    return parser
