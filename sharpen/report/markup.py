# pyright: strict
"""HTML written so that nothing can be forgotten: text is escaped unless it is already `Html`.

Text comes from models and data sets, so it is taken to be hostile; so are the bytes of images.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape

from ..data.images import MAX_PIXELS
from ..types import Image

MAX_BYTES = 4_000_000
"""Larger image files are named, not shown: the page holds every one of them as text (ours)."""

SHOWN_SIDE = 256  # small pictures are scaled up towards this many pixels: ours
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # their lengths: "BM" alone begins many a text
VOID = ("meta", "img", "br")

# What would vanish, spoil the encoding, or turn the direction of the text around it.
HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def shown(text: str) -> str:
    """Make control, direction and other invisible characters visible; newline and tab stay."""

    def picture(match: re.Match[str]) -> str:
        code = ord(match[0])
        return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"

    return HIDDEN.sub(picture, text)


def html(text: str) -> Html:
    """Return text as markup: escaped, unless it is markup."""
    return text if isinstance(text, Html) else Html(escape(shown(text)))


def join(*pieces: str) -> Html:
    """Put pieces one after another, each escaped unless it is markup."""
    return Html("".join(html(piece) for piece in pieces))


def tag(name: str, /, *children: str, **attributes: object) -> Html:
    """Write an element; `class_` is class and `data_x` data-x, None leaves an attribute out."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown(str(value)))}"')
    start = f"<{' '.join(words)}>"
    return Html(start if name in VOID else f"{start}{join(*children)}</{name}>")


def picture(image: Image, alt: str) -> Html:
    """Embed an image, small ones scaled up by a whole number, or say why it is not shown."""
    try:
        data = image.read()
    except OSError:
        return refusal("the file cannot be read")
    if not isinstance(image.source, bytes) and sha256(data).hexdigest() != image.sha256:
        return refusal("the file has changed since it was loaded")
    mime = sniff(data)
    if mime is None:
        return refusal("type unknown")
    if len(data) > MAX_BYTES:
        return refusal(f"{len(data) / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:.0f}")
    width, height = size(data, mime)
    if width * height > MAX_PIXELS:
        return refusal(f"{width} × {height} pixels")
    side = max(width, height)
    scale = max(1, SHOWN_SIDE // side) if min(width, height) else 1
    return tag(
        "img",
        class_="small" if scale > 1 else None,
        src=f"data:{mime};base64,{b64encode(data).decode()}",
        alt=alt,
        width=width * scale or None,
        height=height * scale or None,
    )


def refusal(why: str) -> Html:
    """Stand in for an image."""
    return tag("span", f"image not shown ({why})", class_="missing")


def sniff(data: bytes) -> str | None:
    """Tell the raster formats that every browser shows by their first bytes; None for all others."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in BMP_HEADERS:
        return "image/bmp"
    return None


def size(data: bytes, mime: str) -> tuple[int, int]:
    """Width and height in pixels where the header says so plainly; 0 × 0 for JPEG and WebP."""
    if mime == "image/png":
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if mime == "image/gif":
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if mime == "image/bmp" and data[14] != 12:
        width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
        return abs(width), abs(height)
    return 0, 0
