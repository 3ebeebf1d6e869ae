# pyright: strict
"""Files behind a URL, fetched once into a local cache: http and https, and what fsspec reaches, such as s3 and gs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from ..errors import TaskError
from ..progress import say
from ..types import digest
from .fields import BadRow, line, short

URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
DRIVERS = {"s3": "'sharpen[s3]'", "gs": "'sharpen[gs]'", "gcs": "'sharpen[gs]'", "az": "adlfs", "abfs": "adlfs"}
"""What fsspec needs for a scheme: an extra of ours, or a package."""
TIMEOUT_S = 60.0  # without a byte: ours
VERSION = ("etag", "last-modified", "content-length", "size", "mtime", "lastmodified", "generation", "md5hash")
"""What a server may say of a file that changes when the file does."""


def cache_folder() -> Path:
    """Return where fetched files are kept: `SHARPEN_CACHE`, else the user's cache folder."""
    own = os.environ.get("SHARPEN_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sharpen"


@dataclass(frozen=True)
class Remote:
    """The folder of a URL; pictures beside a remote task file are fetched like it, and from nowhere else."""

    base: str

    def find(self, path: str) -> Path:
        """Fetch the picture; its path may not lead out of the folder."""
        if path.startswith("/") or ".." in path.split("/") or "\\" in path or any(ord(c) < 32 for c in path):
            raise BadRow(f"image {short(path)!r} lies outside the task file's folder {self.base}; move it there")
        try:
            return fetch(f"{self.base}/{quote(path) if self.base.startswith('http') else path}")
        except TaskError as error:
            raise BadRow(str(error)) from None


def fetch(url: str) -> Path:
    """Return a local copy of a URL's file, fetched unless the one that is there is still what the server has.

    Raises TaskError where it cannot be reached and no copy of it is there.
    """
    folder = cache_folder() / "data" / digest(url)[:24]
    try:
        with _opened(url) as (stream, version, size):
            target = folder / digest(version)[:24] / _name(url)
            if not target.exists():
                _copy(stream, target, url, size)
            return target
    except Exception as error:  # drivers raise of every kind: no keys, no route, no bucket
        held = sorted(folder.glob("*/*"), key=lambda file: file.stat().st_mtime)
        held = [file for file in held if not file.name.endswith(".partial")]
        if isinstance(error, ImportError) or not held:
            raise _unreachable(url, error) from error
        say(f"  {url} cannot be reached ({line(error)}); taking the copy in {held[-1]}")
        return held[-1]


def _unreachable(url: str, error: Exception) -> TaskError:
    driver = DRIVERS.get(url.split("://")[0].lower())
    if isinstance(error, ImportError):
        what = driver or "fsspec"
        return TaskError(f"{url} needs a package that is not installed ({line(error)}); run: pip install {what}")
    return TaskError(f"{url} cannot be fetched ({line(error)}); check the address and who may read it")


def _name(url: str) -> str:
    return re.sub(r"[^\w.@+-]", "_", urlsplit(url).path.rsplit("/", 1)[-1])[-100:] or "file"


def _copy(stream: IO[bytes], target: Path, url: str, size: int | None) -> None:
    """Write the stream to its place, whole or not at all."""
    say(f"  fetching {url}" + (f", {size / 1e6:,.1f} MB" if size else ""))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        if size is not None and partial.stat().st_size != size:
            raise OSError(f"{partial.stat().st_size} of {size} bytes came")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _opened(url: str) -> Generator[tuple[IO[bytes], list[tuple[str, str]], int | None]]:
    """Open a URL: its stream, what tells this version of the file from others, and its size where that is known."""
    scheme = url.split("://")[0].lower()
    if scheme in ("http", "https"):
        try:
            with urlopen(Request(url, headers={"User-Agent": "sharpen"}), timeout=TIMEOUT_S) as reply:
                said = {str(k).lower(): str(v) for k, v in reply.headers.items()}
                size = said.get("content-length")
                whole = int(size) if size and size.isdecimal() and "content-encoding" not in said else None
                yield reply, _version(said), whole
        except URLError as error:
            raise OSError(str(error)) from error
        return
    if scheme in ("file", "local"):
        raise ValueError("give the path itself")
    core: Any = import_module("fsspec.core")
    files, path = core.url_to_fs(url)
    info = {str(k).lower(): v for k, v in cast("dict[str, object]", files.info(path)).items()}
    size = info.get("size")
    with files.open(path, "rb") as stream:
        yield stream, _version(info), size if isinstance(size, int) else None


def _version(said: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(said[name])) for name in VERSION if said.get(name) is not None]
