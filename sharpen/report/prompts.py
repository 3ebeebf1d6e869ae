# pyright: strict
"""Prompts as a model is shown them: every token under the colour of its span, images where they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from ..models.model import IMAGE, QUESTION, SYSTEM, Prompt
from .html import document, section, write_page
from .markup import Html, join, picture, tag

NAMES = {SYSTEM: "system", QUESTION: "question", IMAGE: "image"}


def write_prompts(
    path: Path,
    command: str,
    told: Sequence[str],
    prompts: Sequence[Prompt],
    pieces: Callable[[Sequence[int]], list[str]],
) -> None:
    """Write a page of what was found and the prompts; `pieces` gives the text of each token."""
    found = section("What was found", tag("ul", *(tag("li", line, dir="auto") for line in told)))
    key = tag("p", *(join(tag("span", name, class_=f"t s{code}"), " ") for code, name in NAMES.items()))
    shown = [prompt_of(prompt, pieces(prompt.ids)) for prompt in prompts]
    write_page(path, document("Preflight", command, found, section("Prompts as they are shown", key, *shown)))


def prompt_of(prompt: Prompt, pieces: Sequence[str]) -> Html:
    """Show one prompt beside its pictures; a run of image tokens is one mark with its length."""
    task = prompt.task
    written: list[Html] = []
    for code, run in groupby(zip(prompt.spans, pieces, strict=True), key=lambda pair: pair[0]):
        texts = [text for _, text in run]
        if code == IMAGE:
            written.append(tag("span", f"⟨{len(texts)} image tokens⟩", class_=f"t s{IMAGE}"))
        else:
            written += [tag("span", text, class_=f"t s{code}") for text in texts]
    images = [picture(image, f"image {i} of the question") for i, image in enumerate(task.images, 1)]
    facts = {
        "gold answer": "–" if task.answer is None else task.answer,
        "choices": " | ".join(task.choices),
        "tokens": f"{len(prompt.ids):,}, of them {prompt.spans.count(IMAGE):,} of images",
    }
    listed = [join(tag("dt", name), tag("dd", value, dir="auto")) for name, value in facts.items() if value]
    return tag(
        "article",
        tag("h3", tag("bdi", task.id)),
        tag("div", *(images or [tag("span", "no image", class_="missing")]), class_="images"),
        tag("dl", *listed),
        tag("div", *written, class_="tokens", dir="auto", role="group", aria_label="prompt"),
    )
