# pyright: strict
"""Tasks as other projects' rows hold them: text with `<image>` at the pictures' places, messages, and pictures."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ...types import Image, Task
from ..fields import MARK
from ..images import file_type
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

    def escaped(self, text: str) -> str:
        """Write a literal `<image>` in a text as `< image >`, so that it is no place of a picture."""
        found, count = _LITERAL.subn(r"< \1 >", text)
        self.notes["literal <image>, <video> or <audio> written with blanks"] += count
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
        pictures = iter(task.images)
        messages = self.typed(task)
        parts: list[Row] = []
        for piece in task.content:
            uri = {"url": data_uri(next(pictures))} if isinstance(piece, Image) else None
            parts.append({"type": "image_url", "image_url": uri} if uri else {"type": "text", "text": piece})
        return [*messages[:-1], {"role": "user", "content": parts}]

    def stored(self, task: Task) -> list[Row]:
        """Return pictures as a table holds them."""
        return [{"bytes": image.read(), "path": name(image)} for image in task.images]

    def paths(self, task: Task) -> list[str]:
        """Return pictures as files beside the rows, each written once."""
        found: list[str] = []
        for image in task.images:
            file = self.folder / "images" / name(image)
            if not file.exists():
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(image.read())
            found.append(f"images/{file.name}")
        return found


def said(role: str, text: str) -> Row:
    """Return a message of one text part."""
    return {"role": role, "content": [{"type": "text", "text": text}]}


def name(image: Image) -> str:
    """Return a file name for a picture: its hash, and a suffix that says what it is."""
    return f"{image.sha256}.{file_type(image)}"


def data_uri(image: Image) -> str:
    """Return a picture as a data URI."""
    return f"data:image/{file_type(image)};base64,{b64encode(image.read()).decode()}"
