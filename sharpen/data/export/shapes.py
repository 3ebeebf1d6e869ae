# pyright: strict
"""Tasks as other projects' rows hold them: text with `<image>` at the pictures' places, messages, and pictures."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from ...types import Image, Task
from ..fields import MARK
from ..images import file_type, plain, written_plain
from ..rows import place

_LITERAL = re.compile(r"<(image|video|audio)>")
"""Text that its readers would take for a place of a picture."""

Row = dict[str, object]


@dataclass
class Shapes:
    """Writes tasks in one way for one target; pictures that are named by path are put into `folder`."""

    folder: Path
    notes: Counter[str] = field(default_factory=Counter[str])
    """What was written otherwise than it stood, and how often."""
    rows: Iterator[int] = field(default_factory=count)
    """Row numbers, for a target that wants them."""
    _rewritten: set[str] = field(default_factory=set[str])
    _files: dict[str, str] = field(default_factory=dict[str, str])

    def escaped(self, text: str) -> str:
        """Write a literal `<image>` in a text as `< image >`, so that it is no place of a picture."""
        found, times = _LITERAL.subn(r"< \1 >", text)
        self.notes["literal <image>, <video> or <audio> written with blanks"] += times
        return found

    def marked(self, task: Task) -> str:
        """Return the question with `<image>` where its pictures stand, all other ones escaped."""
        text = ""
        wanted, places = "", list[int]()
        for piece in task.content:
            if isinstance(piece, Image):
                places.append(len(wanted))
                text += MARK
            else:
                said = self.escaped(piece)
                wanted += said
                # A mark alone on its line goes with its line break when it is read: the text keeps its own.
                alone = re.search(rf"(?:^|\n)[ \t]*(?:{MARK}[ \t]*)+\Z", text)
                text += f"\n{said}" if alone and re.match(r"[ \t]*\r?\n", said) else said
        if task.images and place(text, len(task.images)) != (wanted, tuple(places)):
            self.notes["questions whose white space beside a picture a reader takes away"] += 1
        return text

    def asked(self, task: Task) -> list[Row]:
        """Return system and user messages, pictures as marks in the text."""
        system: list[Row] = []
        if task.system is not None:
            system.append({"role": "system", "content": self.escaped(task.system)})
        return [*system, {"role": "user", "content": self.marked(task)}]

    def typed(self, task: Task) -> list[Row]:
        """Return system and user messages of parts, pictures as parts of their own."""
        system = [] if task.system is None else [said("system", task.system)]
        parts = [{"type": "image"} if isinstance(p, Image) else {"type": "text", "text": p} for p in task.content]
        return [*system, {"role": "user", "content": parts}]

    def inline(self, task: Task) -> list[Row]:
        """Return system and user messages of parts, pictures as data URIs inside."""
        pictures = map(self.shown, task.images)
        messages = self.typed(task)
        parts: list[Row] = []
        for piece in task.content:
            uri = {"url": data_uri(next(pictures))} if isinstance(piece, Image) else None
            parts.append({"type": "image_url", "image_url": uri} if uri else {"type": "text", "text": piece})
        return [*messages[:-1], {"role": "user", "content": parts}]

    def shown(self, image: Image) -> Image:
        """Return the picture as our model saw it, for readers that only decode.

        They leave it on its side where its EXIF turns it, show black behind what is transparent, and cut 16 bits at
        255, which is white: such a picture is written anew.
        """
        if plain(image):
            return image
        if image.sha256 not in self._rewritten:
            self._rewritten.add(image.sha256)
            self.notes["pictures turned upright, put on white or scaled to 8 bits, as they were shown"] += 1
        return written_plain(image)

    def stored(self, task: Task) -> list[Row]:
        """Return pictures as a table holds them."""
        return [{"bytes": image.read(), "path": name(image)} for image in map(self.shown, task.images)]

    def paths(self, task: Task) -> list[str]:
        """Return pictures as files beside the rows, each written once."""
        return [self._files.get(image.sha256) or self._file(image) for image in task.images]

    def _file(self, image: Image) -> str:
        shown = self.shown(image)
        file = self.folder / "images" / name(shown)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(shown.read())
        self._files[image.sha256] = f"images/{file.name}"
        return self._files[image.sha256]


def said(role: str, text: str) -> Row:
    """Return a message of one text part."""
    return {"role": role, "content": [{"type": "text", "text": text}]}


def name(image: Image) -> str:
    """Return a file name for a picture: its hash, and a suffix that says what it is."""
    return f"{image.sha256}.{file_type(image)}"


def data_uri(image: Image) -> str:
    """Return a picture as a data URI."""
    return f"data:image/{file_type(image)};base64,{b64encode(image.read()).decode()}"
