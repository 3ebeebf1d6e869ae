# pyright: strict
"""The pictures beside a ledger: each once, under its sha256, and known to be that before it is relied on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..data.images import encoded
from ..progress import say
from ..types import Image
from .files import put, sha256


class Pictures:
    """A folder of pictures; a file that is no more what its name says is written anew from where it came from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: set[str] = set()

    def add(self, images: Iterable[Image]) -> dict[str, Image]:
        """Write what is missing or damaged, whole or not at all, and return the images as they lie there, by hash.

        Raises TaskError for an image whose own bytes are gone or were changed, StoreError where one cannot be written.
        """
        wanted = {image.sha256: image for image in images}
        places = {sha: self.folder / sha for sha in wanted}
        there = {sha for sha, place in places.items() if place.exists()}
        damaged = {sha for sha in there - self._known if not self._whole(places[sha])}
        if damaged:
            say(f"  {len(damaged)} pictures in {self.folder} were changed or cut; they are written anew")
        put((place, encoded(wanted[sha])) for sha, place in places.items() if sha in damaged or sha not in there)
        self._known.update(wanted)
        return {sha: Image(sha, place) for sha, place in places.items()}

    @staticmethod
    def _whole(place: Path) -> bool:
        """Whether a file holds what its name says; one that cannot be read does not."""
        with suppress(OSError):
            return sha256(place) == place.name
        return False
