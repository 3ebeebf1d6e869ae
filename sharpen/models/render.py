"""The only tokenising place: tasks become ids and spans here, ids become text here, and nothing is tokenised twice.

Each piece of user text is tokenised on its own with special tokens switched off, so that a literal
`<image>` or `<|im_end|>` in a question is text and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ..errors import ModelError
from ..types import Image, Part, Task
from .families import Family
from .model import IMAGE, QUESTION, SYSTEM, Prompt

OPEN, CLOSE = "\ue000", "\ue001"
"""Private-use characters that stand for user text while the chat template runs."""


class Renderer:
    """Turns tasks into prompts and ids into text for one model."""

    def __init__(self, tokenizer: Any, family: Family, chat_template: str | None, stop_ids: Sequence[int]) -> None:
        self.tokenizer = tokenizer
        self.family = family
        self.stop_ids = frozenset(stop_ids)
        self._template = chat_template or tokenizer.chat_template
        if not self._template:
            raise ModelError("the model has no chat template; add chat_template.jinja to its folder")
        # SentencePiece models put "▁" before any text; in the middle of a prompt that would be a blank too many.
        self._prepends = "▁" in tokenizer.convert_ids_to_tokens(tokenizer("a", add_special_tokens=False).input_ids)[0]
        self._markup = re.compile(f"({OPEN}\\d+{CLOSE}|{re.escape(family.placeholder)})")
        self.banned = tuple(sorted({tokenizer.convert_tokens_to_ids(t) for t in family.image_tokens}))
        """Ids that would pass for image features; they can neither be sampled nor predicted."""

    def prompt(self, task: Task) -> Prompt:
        """Return the ids up to where the response begins, each with its span code.

        Raises ModelError where the chat template loses or reorders a piece of the task.
        """
        texts = [*([] if task.system is None else [task.system]), *(p for p in task.content if isinstance(p, str))]
        images = iter(task.images)
        first_of_user = 1 if task.system is not None else 0
        rendered = self._rendered(task)
        ids = self._lead(rendered)
        spans = [SYSTEM] * len(ids)
        in_user = False
        for piece in self._markup.split(rendered):
            if piece == self.family.placeholder:
                in_user = True
                new = self.family.image_ids(next(images))
            elif piece.startswith(OPEN):
                number = int(piece[1:-1])
                in_user = in_user or number >= first_of_user
                new = self._ids(texts[number], special=False, first=not ids)
            else:
                new = self._ids(piece, special=True, first=not ids)
            ids += new
            spans += [IMAGE if i in self.banned else QUESTION if in_user else SYSTEM for i in new]
        return Prompt(task, tuple(ids), bytes(spans))

    def _rendered(self, task: Task) -> str:
        """Run the chat template with marks for texts, and check that every piece comes out once and in order."""
        wanted: list[str] = [] if task.system is None else [mark(0)]
        user: list[dict[str, str]] = []
        for piece in task.content:
            wanted.append(self.family.placeholder if isinstance(piece, Image) else mark(count_texts(wanted)))
            user.append({"type": "image"} if isinstance(piece, Image) else {"type": "text", "text": wanted[-1]})
        system = [] if task.system is None else [{"role": "system", "content": [{"type": "text", "text": mark(0)}]}]
        # Some templates put all images first. Then the pieces go in as one text, placeholders at their places.
        inline = [{"type": "text", "text": "".join(w for w in wanted if task.system is None or w != mark(0))}]
        found: list[str] = []
        for content in (user, inline):
            rendered = self._templated([*system, {"role": "user", "content": content}], True)
            found = self._markup.findall(rendered)
            if found == wanted:
                return rendered
        raise ModelError(
            f"task {task.id!r}: the chat template shows {len(found)} of its {len(wanted)} texts and images, "
            "or in another order; use a template that keeps the system message and the order of the content"
        )

    def part(self, text: str) -> Part:
        """Return a response that another author wrote as ids: what the template puts before it, it, the end of turn."""
        gap, stop = self._turn
        ids = (*self._ids(gap + text, special=False, first=False), stop)
        return Part(ids, self.texts([ids])[0], "teacher")

    @cached_property
    def _turn(self) -> tuple[str, int]:
        """What a whole conversation has between the prompt and a response, and the id that ends the response."""
        asked = {"role": "user", "content": [{"type": "text", "text": mark(0)}]}
        said = {"role": "assistant", "content": [{"type": "text", "text": mark(1)}]}
        prompt = self._templated([asked], True)
        before, found, after = self._templated([asked, said], False).partition(mark(1))
        gap = before.removeprefix(prompt) if found and before.startswith(prompt) else ""
        ends = [i for i in self._plain(after, True) if i in self.stop_ids]
        own = self.tokenizer.eos_token_id
        return gap, ends[0] if ends else own if own in self.stop_ids else min(self.stop_ids)

    def _templated(self, messages: list[dict[str, Any]], prompt: bool) -> str:
        rendered: str = self.tokenizer.apply_chat_template(
            messages, chat_template=self._template, tokenize=False, add_generation_prompt=prompt
        )
        return rendered

    def texts(self, runs: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """Return the text of each run of ids such that they join to the text of all of them.

        A character cut by a boundary between runs goes whole to the later one; end-of-turn tokens have no text.
        """
        result: list[str] = []
        done: list[int] = []
        shown = ""
        for at, run in enumerate(runs):
            done += run
            text: str = self.tokenizer.decode([i for i in done if i not in self.stop_ids], skip_special_tokens=False)
            if at < len(runs) - 1:
                text = text.rstrip("\ufffd")
            result.append(text[len(shown) :])
            shown = text
        return tuple(result)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each token, for showing."""
        return [self.tokenizer.decode([i], skip_special_tokens=False) for i in ids]

    def _ids(self, text: str, *, special: bool, first: bool) -> list[int]:
        """Tokenise one piece; only the first of a prompt may get the blank that some tokenizers put in front."""
        if first or not self._prepends:
            return self._plain(text, special)
        ids = self._plain(f"\n{text}", special)
        lead = self._plain("\n", special)
        return ids[len(lead) :] if ids[: len(lead)] == lead else self._plain(text, special)

    def _plain(self, text: str, special: bool) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=not special).input_ids
        return ids

    def _lead(self, rendered: str) -> list[int]:
        """Return the begin-of-sequence id where the tokenizer adds one and the template does not."""
        bos = self.tokenizer.bos_token
        if bos is None or rendered.startswith(bos):
            return []
        return [i for i in self.tokenizer("").input_ids[:1] if i == self.tokenizer.bos_token_id]


def mark(number: int) -> str:
    """Stand for a text while the template runs."""
    return f"{OPEN}{number}{CLOSE}"


def count_texts(pieces: Sequence[str]) -> int:
    """Return how many texts are among marks and placeholders."""
    return sum(piece.startswith(OPEN) for piece in pieces)
