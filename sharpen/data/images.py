# pyright: strict
"""Encoded bytes to RGB pixels. The bytes come from anywhere, so they are taken to be hostile."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import TaskError
from ..types import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MAX_PIXELS = 100_000_000
"""Larger pictures are refused by their header: a few kilobytes can unpack to all memory (ours)."""

MAX_ASPECT = 200
"""Thinner strips are refused: image processors refuse them too, or fill all memory with them, or crop them away."""

# Raster formats only: Pillow would hand an EPS to Ghostscript, which runs programs.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
# Float, LAB and HSV pixels have no one reading as RGB; Pillow converts some of them to nonsense.
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I")

ORIENTATION = 0x0112
QUARTER_TURNS = (5, 6, 7, 8)
"""Values of that EXIF tag by which a picture lies on its side."""


def decode(image: Image, max_side: int | None = None) -> Picture:
    """Decode to 8-bit RGB, upright, transparency on white; of an animation the first frame.

    16-bit grey is scaled to 8 bits. `max_side` in pixels shrinks the longer side to at most that,
    keeping the aspect. Raises TaskError where the bytes cannot be read, are not those of the hash, are
    no picture, are cut short, hold more than 100 million pixels or are a thin strip; ValueError where max_side < 1.
    """
    if max_side is not None and max_side < 1:
        raise ValueError(f"max_side is {max_side}; give at least 1 pixel, or None for the full size")
    with _opened(image) as picture:
        rgb = _upright_rgb(picture)
    wanted = _shrunk(rgb.size, max_side)
    if wanted != rgb.size:
        from PIL.Image import Resampling

        rgb = rgb.resize(wanted, Resampling.LANCZOS)
    return rgb


def size(image: Image, max_side: int | None = None) -> tuple[int, int]:
    """Return height and width as `decode` gives them, from the header alone; raises TaskError as it does."""
    with _opened(image) as picture:
        width, height = picture.size
        turned = picture.getexif().get(ORIENTATION, 1) in QUARTER_TURNS
    width, height = _shrunk((height, width) if turned else (width, height), max_side)
    return height, width


def verify(image: Image) -> None:
    """Raise TaskError where `decode` would; cheaper for JPEG, which is made at an eighth of its size."""
    with _opened(image) as picture:
        picture.draft("RGB", (1, 1))
        _upright_rgb(picture)


def file_type(image: Image) -> str:
    """Return what a picture is encoded as, such as "png": its file's suffix and the end of its media type."""
    with _opened(image) as picture:
        return (picture.format or "png").lower()


def plain(image: Image) -> bool:
    """Say whether a reader that only opens a picture and asks for RGB sees what `decode` gives."""
    with _opened(image) as picture:
        if picture.mode.startswith("I") or picture.getexif().get(ORIENTATION, 1) != 1:
            return False
        if not picture.has_transparency_data:
            return True
        least, _ = cast("tuple[int, int]", picture.convert("RGBA").getchannel("A").getextrema())
        return least == 255


def written_plain(image: Image) -> Image:
    """Return the picture as `decode` gives it, as a PNG."""
    data = BytesIO()
    decode(image).save(data, "PNG")
    return Image.of(data.getvalue())


def look_over(image: Image) -> None:
    """Raise TaskError where a header refuses a picture or its bytes end early; decodes only what has no end mark.

    A thousand times cheaper than `verify` on large pictures, and blind to damage inside that no checksum covers.
    """
    with _opened(image) as picture:
        data = image.read()
        if picture.format == "PNG":
            picture.verify()  # the checksum of every chunk
        elif picture.format == "JPEG":
            _require_end(b"\xff\xd9" in data[-64:])
        elif picture.format == "GIF":
            _require_end(data.rstrip(b"\0").endswith(b";"))
        elif picture.format == "WEBP":
            _require_end(len(data) >= 8 + int.from_bytes(data[4:8], "little"))
        else:
            _upright_rgb(picture)


def _require_end(there: bool) -> None:
    if not there:
        raise OSError("its end is missing")


def _shrunk(sides: tuple[int, int], most: int | None) -> tuple[int, int]:
    """Scale width and height so that neither is more than `most`."""
    scale = 1.0 if most is None else most / max(sides)
    return (max(1, round(sides[0] * scale)), max(1, round(sides[1] * scale))) if scale < 1 else sides


@contextmanager
def _opened(image: Image) -> Generator[Picture]:
    """Open within the limits; whatever goes wrong inside the block is this image's TaskError."""
    from PIL import Image as pil

    data = encoded(image)
    pil.init()
    try:
        formats = [name for name in FORMATS if name in pil.OPEN]
        with pil.open(BytesIO(data), formats=formats) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise pil.DecompressionBombError(f"{width} x {height} pixels")
            if max(width, height) > MAX_ASPECT * min(width, height):
                what = f"is a strip of {width} x {height} pixels, more than {MAX_ASPECT} times as long as wide"
                raise _refusal(image, f"{what}; crop it or leave it out")
            if picture.mode not in MODES and not picture.mode.startswith("I;16"):
                raise TypeError(f"pixels of kind {picture.mode!r}")
            yield picture
    except TaskError:
        raise
    except (pil.DecompressionBombError, pil.DecompressionBombWarning) as error:
        what = f"is larger than {MAX_PIXELS // 10**6} million pixels ({_line(error)}); shrink it first"
        raise _refusal(image, what) from error
    except pil.UnidentifiedImageError as error:
        what = f"is none of {', '.join(FORMATS)}, or its header is broken; convert it or leave it out"
        raise _refusal(image, what) from error
    except Exception as error:  # a decoder fed hostile bytes raises anything: struct, zlib, index, memory
        what = f"cannot be decoded ({_line(error)}); save it again as 8-bit PNG or JPEG, or leave it out"
        raise _refusal(image, what) from error


def encoded(image: Image) -> bytes:
    """Return the bytes; TaskError where they are gone, or another picture's: a file changed since it was hashed."""
    try:
        data = image.read()
    except OSError as error:
        raise _refusal(image, f"cannot be read ({_line(error)}); restore it or leave it out") from error
    if not isinstance(image.source, bytes) and hashlib.sha256(data).hexdigest() != image.sha256:
        raise _refusal(image, "has changed since it was loaded; restore it or load the tasks again")
    return data


def _upright_rgb(picture: Picture) -> Picture:
    """8-bit RGB of any mode in MODES; Pillow alone would cut 16-bit grey at 255, to white."""
    from PIL import Image as pil
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        picture = picture.convert("I")
        low, high = cast("tuple[int, int]", picture.getextrema())
        if not 0 <= low <= high <= 65535:
            raise TypeError(f"32-bit pixels from {low} to {high}")
        return picture.point(lambda v: v * (1 / 257)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = pil.new("RGBA", picture.size, "white")
        picture = pil.alpha_composite(white, picture)
    return picture.convert("RGB")


def _refusal(image: Image, what: str) -> TaskError:
    where = f" ({image.source})" if isinstance(image.source, Path) else ""
    return TaskError(f"image {image.sha256[:12]}{where} {what}")


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
