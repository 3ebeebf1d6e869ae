# pyright: strict
"""Attempts as they are shown in the report: question, image, and every token with what was measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

from ..types import Image, Task
from .heat import Look, looks
from .markup import Html, join, picture, tag

UNKNOWN = "–"
SHADES = 9  # the darkest class of report.css, a9
VERDICTS = {"right": "✓ right", "wrong": "✗ wrong", "unknown": "? unknown"}


@dataclass(frozen=True)
class Trace:
    """One attempt to show; `tokens` joined are the response, and every index counts them from 0.

    `given` leading tokens stood before the call that wrote the rest. `replaced` is what was put in the
    place of the token at `critical`; where it is that token itself, the attempt is one after the change.
    `attention` is the image's share per token, a NaN where unknown, `looks` are maps of some of them over the pictures.
    ValueError where these do not fit.
    """

    title: str
    task: Task
    tokens: tuple[str, ...]
    verdict: str
    given: int = 0
    critical: int | None = None
    replaced: str | None = None
    attention: tuple[float, ...] | None = None
    score: float | None = None
    note: str = ""
    looks: tuple[Look, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.tokens)
        shares = count if self.attention is None else len(self.attention)
        inside = all(0 <= at < count for at in (self.critical, *(look.token for look in self.looks)) if at is not None)
        if not (0 <= self.given <= count == shares and inside and self.verdict in VERDICTS):
            raise ValueError(
                f"trace {self.title!r} of task {self.task.id!r}: {count} tokens, {shares} attention shares, "
                f"{self.given} given, critical {self.critical}, verdict {self.verdict!r}; give one share per "
                f"token, indices within them and a verdict of {', '.join(VERDICTS)}"
            )


def attempts(traces: Sequence[Trace]) -> list[Html]:
    """Show the traces; one scale of shades for all, so that they can be compared."""
    if not traces:
        return [tag("p", "No trace was chosen.")]
    most = max((s for t in traces for s in known(t)), default=0.0)
    return [marks(traces, most), *map(partial(attempt, most=most), traces)]


def known(trace: Trace) -> list[float]:
    """Return the attention shares that are numbers."""
    return [share for share in trace.attention or () if isfinite(share)]


def shade(share: float, most: float) -> str:
    """Name the class of a share, `most` being the darkest; none where it is unknown."""
    if not isfinite(share):
        return ""
    return f" a{round(SHADES * min(1.0, max(0.0, share / most)))}" if most > 0 else " a0"


def marks(traces: Sequence[Trace], most: float) -> Html:
    """Say what the marks on tokens mean; only marks that occur."""
    items: list[Html] = []
    if any(known(t) for t in traces):
        levels = [most * i / SHADES for i in range(0, SHADES + 1, 3)]
        swatches = [tag("span", f" {level:.1%} ", class_=f"t{shade(level, most)}") for level in levels]
        items.append(tag("li", *swatches, " of the attention is on the image"))
    if any(t.given for t in traces):
        prefix = tag("span", "text", class_="prefix")
        items.append(tag("li", prefix, tag("b", "⟩", class_="cut"), " prefix that stood before this attempt"))
    if any(t.critical is not None for t in traces):
        items.append(tag("li", tag("span", "token", class_="t critical"), " critical token, or what took its place"))
    if any(t.replaced is not None for t in traces):
        items.append(tag("li", tag("ins", "→ token"), " what took its place"))
    return tag("ul", *items, class_="legend", aria_label="marks on tokens") if items else Html("")


def attempt(trace: Trace, most: float) -> Html:
    """Show one attempt beside its question."""
    task = trace.task
    images = [picture(image, f"image {i} of the question") for i, image in enumerate(task.images, 1)]
    scored = trace.score is not None and isfinite(trace.score)
    facts = {
        "question": asked(task),
        "gold answer": UNKNOWN if task.answer is None else task.answer,
        "vision-aware attention score": f"{trace.score:+.2f} (z within the question)" if scored else UNKNOWN,
        "attention on the image": spread(trace),
        "note": trace.note,
    }
    listed = [join(tag("dt", k), tag("dd", v, dir="auto")) for k, v in facts.items() if v]
    badge = tag("span", VERDICTS[trace.verdict], class_=f"badge {trace.verdict}")
    return tag(
        "article",
        tag("h3", tag("bdi", trace.title), " ", badge, " ", tag("small", tag("bdi", task.id))),
        tag("div", *(images or [tag("span", "no image", class_="missing")]), class_="images"),
        tag("dl", *listed),
        response(trace, most),
        *looks(trace.looks, trace.tokens, task.images),
    )


def asked(task: Task) -> Html:
    """Write the question, saying where its images stand if not before it, and its choices."""
    pieces: list[Html] = []
    seen = 0
    for piece in task.content:
        if isinstance(piece, Image):
            seen += 1
            pieces += [tag("i", f"[image {seen}]")] if task.places else []
        else:
            pieces.append(join(piece))
    choices = [tag("ul", *(tag("li", choice, dir="auto") for choice in task.choices))] if task.choices else []
    return join(*pieces, *choices)


def spread(trace: Trace) -> str:
    """Say in words what the shades say, for those who cannot see them."""
    shares = known(trace)
    if not shares or trace.attention is None:
        return UNKNOWN
    low, high = trace.attention.index(min(shares)) + 1, trace.attention.index(max(shares)) + 1
    mean = sum(shares) / len(shares)
    return f"mean {mean:.1%}, least {min(shares):.1%} (token {low}), most {max(shares):.1%} (token {high})"


def response(trace: Trace, most: float) -> Html:
    """Write the tokens, shaded and marked."""
    written = [token(trace, i, most) for i in range(len(trace.tokens))]
    if trace.given:
        hint = f"the first {trace.given} tokens stood before this attempt"
        prefix = tag("span", *written[: trace.given], class_="prefix", title=hint)
        written = [prefix, tag("b", "⟩", class_="cut", title=hint), *written[trace.given :]]
    return tag("div", *written, class_="tokens", dir="auto", role="group", aria_label="response")


def token(trace: Trace, at: int, most: float) -> Html:
    """Write one token; the pointer finds its number and its share."""
    text, critical = trace.tokens[at], at == trace.critical
    share = trace.attention[at] if trace.attention is not None else float("nan")
    measured = f", {share:.1%} on the image" if isfinite(share) else ""
    title = f"{'critical ' if critical else ''}token {at + 1} of {len(trace.tokens)}{measured}"
    blank = " blank" if text and not text.strip() and (critical or "\n" in text) else ""
    style = f"t{shade(share, most)}{' critical' if critical else ''}{blank}"
    written = tag("span", text, class_=style, title=title if critical or measured else None)
    if critical and trace.replaced is not None:
        if trace.replaced == text:
            return join(written, tag("ins", "← put here", class_="put"))
        return join(written, tag("ins", "→ ", tag("bdi", trace.replaced), class_="put"))
    return written
