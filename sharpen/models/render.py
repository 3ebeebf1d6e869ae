"""The only tokenising place: tasks become ids and spans here, ids become text here, and nothing is tokenised twice.

Each piece of user text is tokenised on its own with special tokens switched off, so that a literal
`<image>` or `<|im_end|>` in a question is text and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

from ..errors import ModelError, TaskError
from ..types import Image, Part, Task
from .families import Family
from .model import IMAGE, QUESTION, SYSTEM, Prompt

OPEN, CLOSE = "\ue000", "\ue001"
"""Private-use characters that stand for user text while the chat template runs."""

CHOICES = ("enable_thinking", "thinking")
"""Names by which templates ask whether the answer is to begin with thoughts."""
THOUGHT, THOUGHT_ENDS = "<think>", "</think>"
THOUGHTLESS = re.compile(r"<think>\s*</think>\s*")
THINKING = re.compile(r"<think>\s*\Z")


class Renderer:
    """Turns tasks into prompts and ids into text for one model."""

    def __init__(
        self,
        tokenizer: Any,
        family: Family,
        chat_template: str | None,
        stop_ids: Sequence[int],
        thinking: bool | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.family = family
        self.stop_ids = frozenset(stop_ids)
        named = tokenizer.chat_template
        self._template = chat_template or (named.get("default") if isinstance(named, dict) else named)
        if not self._template:
            raise ModelError("the model has no chat template; add chat_template.jinja to its folder")
        self._settings = {} if thinking is None else dict.fromkeys(CHOICES, thinking)
        if self._settings and not any(name in self._template for name in CHOICES):
            raise ModelError(f"the chat template offers no choice of thinking ({' or '.join(CHOICES)}); leave it out")
        # SentencePiece models put "▁" before any text; in the middle of a prompt that would be a blank too many.
        self._prepends = "▁" in tokenizer.convert_ids_to_tokens(tokenizer("a", add_special_tokens=False).input_ids)[0]
        placeholder = f"|{re.escape(family.placeholder)}" if family.placeholder else ""
        self._markup = re.compile(f"({OPEN}\\d+{CLOSE}{placeholder})")
        ids = {t: tokenizer.convert_tokens_to_ids(t) for t in family.image_tokens}
        self.banned = tuple(sorted(set(ids.values())))
        """Ids that would pass for image features; they can neither be sampled nor predicted."""
        self._runs = re.compile("|".join(f"(?:{re.escape(t)})+" for t in ids)) if ids else None

    def prompt(self, task: Task) -> Prompt:
        """Return the ids up to where the response begins, each with its span code.

        What the template and the images' frames say is tokenised together, as the library does it, and each piece
        of user text by itself. Raises ModelError where the template loses or reorders a piece of the task.
        """
        texts = [*([] if task.system is None else [task.system]), *(p for p in task.content if isinstance(p, str))]
        images = iter(self._markups(task))
        first_of_user = 1 if task.system is not None else 0
        rendered = self._rendered(task)
        ids = self._lead(rendered)
        spans = [SYSTEM] * len(ids)
        in_user = False
        for piece, blanks in self._pieces(rendered):
            if piece.startswith(OPEN):
                number = int(piece[1:-1])
                in_user = in_user or number >= first_of_user
                new = self._ids(blanks + texts[number].strip(), special=False, first=not ids)
            else:
                new = self._framed(self._markup.sub(lambda _: next(images), piece), first=not ids)
            for i in new:
                in_user = in_user or i in self.banned
                spans.append(IMAGE if i in self.banned else QUESTION if in_user else SYSTEM)
            ids += new
        return Prompt(task, tuple(ids), bytes(spans))

    def _markups(self, task: Task) -> list[str]:
        """Return what stands for each image; whatever cannot be shown is named with its task."""
        try:
            return self.family.markup(task.images)
        except TaskError as error:
            raise TaskError(f"task {task.id!r}: {error}") from error
        except ValueError as error:  # the library's image processors have limits of their own
            raise TaskError(f"task {task.id!r}: the model cannot be shown its image ({error}); leave it out") from error

    def _pieces(self, rendered: str) -> Iterator[tuple[str, str]]:
        """Split into marks of texts and what lies between, images included, which keeps its placeholders.

        Blanks before a text come with its mark: in most vocabularies they are part of the first word.
        """
        blanks = ""
        pieces = re.split(f"({OPEN}\\d+{CLOSE})", rendered)
        for at, piece in enumerate(pieces):
            is_text = at % 2 == 1
            kept = piece if is_text or at + 1 == len(pieces) else piece.rstrip(" ")
            if kept:
                yield kept, blanks if is_text else ""
            blanks = piece[len(kept) :]

    def _framed(self, text: str, *, first: bool) -> list[int]:
        """Tokenise markup; a run of placeholders, thousands for a large image, is counted and not tokenised."""
        counts: list[int] = []

        def once(run: re.Match[str]) -> str:
            token = next(t for t in self.family.image_tokens if run[0].startswith(t))
            counts.append(len(run[0]) // len(token))
            return token

        short = self._ids(self._runs.sub(once, text) if self._runs else text, special=True, first=first)
        left = iter(counts)
        return [i for t in short for i in ([t] * next(left) if t in self.banned else [t])]

    def _rendered(self, task: Task) -> str:
        """Run the chat template with marks for texts, and check that every piece comes out once and in order."""
        system = [] if task.system is None else [_said(mark(0), task.system)]
        content: list[str] = []
        for piece in task.content:
            number = len(system) + count_texts(content)
            content.append(self.family.placeholder if isinstance(piece, Image) else _said(mark(number), piece))
        wanted = [text.strip() for text in (*system, *content)]
        pieces = [
            {"type": "image"} if isinstance(piece, Image) else {"type": "text", "text": text}
            for piece, text in zip(task.content, content, strict=True)
        ]
        # Some templates put all images first. Then the pieces go in as one text, placeholders at their places.
        inline = [{"type": "text", "text": "".join(content)}]
        forms = [_messages(system, some) for some in (pieces, inline)]
        for before in system:  # some templates know no system message: then it begins the user's
            forms += [_messages([], [{"type": "text", "text": f"{before}\n\n"}, *pieces])]
            forms += [_messages([], [{"type": "text", "text": f"{before}\n\n{inline[0]['text']}"}])]
        found: list[str] = []
        refusal = ""
        for form in forms:
            try:
                rendered = self._templated(form, True)
            except Exception as error:  # what a template raises is its own; it is told if no form will do
                refusal = f" ({type(error).__name__}: {str(error).strip()})"
                continue
            found = self._markup.findall(rendered)
            if found == wanted:
                return rendered
        raise ModelError(
            f"task {task.id!r}: the chat template shows {len(found)} of its {len(wanted)} texts and images, "
            f"or in another order{refusal}; use a template that keeps the order of the content"
        )

    def part(self, text: str) -> Part:
        """Return a response that another author wrote as ids: what the template puts before it, it, the end of turn.

        Where the prompt has begun the thoughts already the response goes on with them, or ends them if it has none.
        """
        gap, stop, thinking = self._turn
        if text.lstrip().startswith(THOUGHT):
            gap = THOUGHTLESS.sub("", gap)
            text = text.lstrip().removeprefix(THOUGHT).lstrip("\n") if thinking else text
        elif thinking and THOUGHT_ENDS not in text:
            text = f"\n{THOUGHT_ENDS}\n\n{text}"
        ids = (*self._ids(gap + text, special=False, first=False), stop)
        return Part(ids, self.texts([ids])[0], "teacher")

    @cached_property
    def _turn(self) -> tuple[str, int, bool]:
        """What stands between prompt and response, the id that ends it, and whether the prompt begins thoughts."""
        asked = {"role": "user", "content": [{"type": "text", "text": mark(0)}]}
        said = {"role": "assistant", "content": [{"type": "text", "text": mark(1)}]}
        prompt = self._templated([asked], True)
        before, found, after = self._templated([asked, said], False).partition(mark(1))
        gap = before.removeprefix(prompt) if found and before.startswith(prompt) else ""
        ends = [i for i in self._plain(after, True) if i in self.stop_ids]
        own = self.tokenizer.eos_token_id
        stop = ends[0] if ends else own if own in self.stop_ids else min(self.stop_ids)
        return gap, stop, bool(THINKING.search(prompt))

    def _templated(self, messages: list[dict[str, Any]], prompt: bool) -> str:
        rendered: str = self.tokenizer.apply_chat_template(
            messages, chat_template=self._template, tokenize=False, add_generation_prompt=prompt, **self._settings
        )
        return rendered

    def texts(self, runs: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """Return the text of each run of ids such that they join to the text of all of them.

        A character cut by a boundary between runs goes whole to the later one; end-of-turn tokens have no text.
        """
        done = list(accumulate(runs, lambda before, run: [*before, *run], initial=list[int]()))[1:]
        result: list[str] = []
        shown = ""
        for at, text in enumerate(self.said(done)):
            whole = text if at == len(done) - 1 else text.rstrip("\ufffd")
            result.append(whole[len(shown) :])
            shown = whole
        return tuple(result)

    def said(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each row by itself; end-of-turn tokens have none."""
        spoken = [[i for i in row if i not in self.stop_ids] for row in rows]
        return self.tokenizer.batch_decode(spoken, skip_special_tokens=False) if rows else []

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


def _messages(system: Sequence[str], content: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return a conversation of a system message, where there is one, and the user's."""
    first = [{"role": "system", "content": [{"type": "text", "text": text}]} for text in system]
    return [*first, {"role": "user", "content": content}]


def _said(mark: str, text: str) -> str:
    """Put a text's mark between the blanks around the text, which some templates trim."""
    core = text.strip()
    at = text.index(core) if core else len(text)
    return f"{text[:at]}{mark}{text[at + len(core) :]}"


def mark(number: int) -> str:
    """Stand for a text while the template runs."""
    return f"{OPEN}{number}{CLOSE}"


def count_texts(pieces: Sequence[str]) -> int:
    """Return how many texts are among marks and placeholders."""
    return sum(OPEN in piece for piece in pieces)
