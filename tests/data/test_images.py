"""Pictures of every kind, and bytes that are none."""

import contextlib
import hashlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pil
from support import chunk, png_header

from sharpen.data.images import decode, look_over, size, verify
from sharpen.errors import TaskError
from sharpen.types import Image

RED, WHITE, BLUE = (255, 0, 0), (255, 255, 255), (0, 0, 255)


def encoded(picture: pil.Image, kind: str = "PNG", **options: Any) -> Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.of(buffer.getvalue())


def near(pixel: Any, want: tuple[int, int, int], slack: int = 3) -> bool:
    return all(abs(p - w) <= slack for p, w in zip(pixel, want, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_common_formats(kind: str) -> None:
    image = encoded(pil.new("RGB", (4, 2), RED), kind)
    got = decode(image)
    assert got.mode == "RGB"
    assert got.size == (4, 2)
    assert near(got.getpixel((3, 1)), RED, 8)
    verify(image)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGB", "L"])
def test_transparency_lies_on_white(mode: str) -> None:
    options: dict[str, Any] = {}
    if mode in ("P", "RGB", "L"):  # one colour of a picture without alpha is declared transparent
        picture = pil.new(mode, (2, 1), 0)
        options["transparency"] = (0, 0, 0) if mode == "RGB" else 0
    else:
        picture = pil.new("RGBA", (2, 1), (0, 0, 0, 0)).convert(mode)
    image = encoded(picture, "TIFF" if mode == "PA" else "PNG", **options)
    assert decode(image).getpixel((0, 0)) == WHITE


def test_half_transparent_black_is_grey() -> None:
    assert near(decode(encoded(pil.new("RGBA", (1, 1), (0, 0, 0, 128)))).getpixel((0, 0)), (127, 127, 127), 1)


def test_exif_orientation_is_applied() -> None:
    picture = pil.new("RGB", (4, 2), WHITE)
    picture.putpixel((0, 0), RED)
    exif = pil.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise to stand upright
    got = decode(encoded(picture, exif=exif))
    assert got.size == (2, 4)
    assert got.getpixel((1, 0)) == RED


def test_cmyk_is_not_inverted() -> None:
    got = decode(encoded(pil.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert near(got.getpixel((4, 4)), RED, 8)


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I", "TIFF")])
def test_16_bit_grey_is_scaled_not_cut(mode: str, kind: str) -> None:
    picture = pil.new(mode, (3, 1))
    for x, value in enumerate((0, 32768, 65535)):
        picture.putpixel((x, 0), value)
    got = decode(encoded(picture, kind))
    assert [got.getpixel((x, 0)) for x in range(3)] == [(0,) * 3, (127,) * 3, (255,) * 3]


def png16(colour: int, *samples: int) -> Image:
    """A PNG of one pixel with 16 bits a sample, which Pillow reads and does not write."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(f">{len(samples)}H", *samples)))
    return Image.of(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("image", "want"),
    [(png16(2, 65535, 32896, 0), (255, 128, 0)), (png16(6, 0, 0, 0, 0), WHITE), (png16(4, 0, 0), WHITE)],
    ids=["colour", "colour and alpha", "grey and alpha"],
)
def test_16_bit_colour_and_alpha(image: Image, want: tuple[int, int, int]) -> None:
    assert decode(image).getpixel((0, 0)) == want


def test_palette_and_bilevel() -> None:
    assert decode(encoded(pil.new("RGB", (2, 2), BLUE).quantize(4))).getpixel((1, 1)) == BLUE
    assert decode(encoded(pil.new("1", (2, 2), 1))).getpixel((1, 1)) == WHITE


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_shows_its_first_frame(kind: str) -> None:
    frames = [pil.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    got = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True))
    assert near(got.getpixel((0, 0)), RED, 4)


@pytest.mark.parametrize(
    ("size", "limit", "want"),
    [((40, 20), 10, (10, 5)), ((20, 40), 10, (5, 10)), ((8, 4), 10, (8, 4)), ((200, 1), 4, (4, 1))],
)
def test_max_side(size: tuple[int, int], limit: int, want: tuple[int, int]) -> None:
    assert decode(encoded(pil.new("RGB", size, RED)), max_side=limit).size == want


@pytest.mark.parametrize("size", [(1, 1), (200, 1), (1, 200), (20_000, 100), (100, 20_000)])
def test_the_smallest_and_the_longest_pictures(size: tuple[int, int]) -> None:
    image = encoded(pil.new("RGB", size, RED))
    verify(image)
    look_over(image)
    assert decode(image).size == size
    assert max(decode(image, max_side=64).size) == min(64, max(size))
    assert min(decode(image, max_side=64).size) >= 1


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (201, 1)])
@pytest.mark.parametrize("act", [decode, verify, look_over])
def test_a_strip_that_no_processor_takes_is_refused(act: Any, size: tuple[int, int]) -> None:
    with pytest.raises(TaskError, match=rf"strip of {size[0]} x {size[1]} pixels, more than 200 times .*; crop it"):
        act(encoded(pil.new("RGB", size, RED)))


def test_a_picture_of_20_000_pixels_a_side_is_refused() -> None:
    with pytest.raises(TaskError, match="larger than 100 million pixels"):
        look_over(Image.of(png_header(20_000, 20_000)))


def test_max_side_of_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="max_side is 0"):
        decode(encoded(pil.new("RGB", (2, 2))), max_side=0)


@pytest.mark.parametrize("side", [10_001, 60_000])  # above our limit, and above Pillow's own
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("act", [decode, verify, look_over])
def test_a_bomb_is_refused_by_its_header(act: Any, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(TaskError, match="larger than 100 million pixels"):
        act(Image.of(png_header(side, side)))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_itself_is_allowed() -> None:
    with pytest.raises(TaskError, match="cannot be decoded"):  # not refused: only cut short
        decode(Image.of(png_header(10_000, 10_000)))


def noise() -> pil.Image:
    return pil.effect_noise((64, 64), 80).convert("RGB")


HOSTILE = {
    "nothing": b"",
    "text": b"<html>404 not found</html>",
    "magic only": b"\x89PNG\r\n\x1a\n",
    "a format for which few decoders are hardened": encoded(pil.new("RGB", (2, 2)), "PCX").read(),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "half a png": (data := encoded(noise()).read())[: len(data) // 2],
    "half a jpeg": (data := encoded(noise(), "JPEG").read())[: len(data) // 2],
    "half a progressive jpeg": (data := encoded(noise(), "JPEG", progressive=True).read())[: len(data) // 2],
    "half a gif": (data := encoded(noise(), "GIF").read())[: len(data) // 2],
    "half a webp": (data := encoded(noise(), "WEBP").read())[: len(data) // 2],
    "float tiff": encoded(pil.new("F", (2, 2), 0.5), "TIFF").read(),
    "deep tiff": encoded(pil.new("I", (2, 2), 1 << 20), "TIFF").read(),
    "lab tiff": encoded(pil.new("LAB", (2, 2)), "TIFF").read(),
}


@pytest.mark.parametrize("act", [decode, verify])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_a_task_error(name: str, act: Any) -> None:
    data = HOSTILE[name]
    with pytest.raises(TaskError) as caught:
        act(Image.of(data))
    message = str(caught.value)
    assert hashlib.sha256(data).hexdigest()[:12] in message
    assert "\n" not in message
    assert any(action in message for action in ("save it again", "convert it"))


def test_corrupt_bytes_never_raise_anything_else() -> None:
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        data = encoded(noise(), kind).read()
        for step in range(0, 400, 7):
            spoilt = bytearray(data)
            spoilt[(step * 31) % min(len(data), 600)] ^= 0xFF
            with contextlib.suppress(TaskError):
                assert decode(Image.of(bytes(spoilt)), max_side=32).mode == "RGB"


def test_a_file_that_changed_or_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pil.new("RGB", (2, 2)).save(path)
    image = Image.of(path)
    pil.new("RGB", (2, 2), RED).save(path)
    with pytest.raises(TaskError, match=r"a\.png\) has changed since"):
        decode(image)
    path.unlink()
    with pytest.raises(TaskError, match=r"a\.png\) cannot be read .*No such file.*restore it"):
        decode(image)


def test_a_fresh_process_knows_every_format(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    pil.new("RGB", (2, 3)).save(path)
    code = f"""
from pathlib import Path
from sharpen.data.images import decode
from sharpen.types import Image
print(decode(Image.of(Path({str(path)!r}))).size)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "(2, 3)\n"


def test_importing_the_nouns_brings_no_decoder() -> None:
    code = "import sys, sharpen.types, sharpen.data.images; print('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("turn", [1, 3, 5, 6, 7, 8])
def test_the_size_in_the_header_is_that_of_the_decoded_picture(turn: int) -> None:
    exif = pil.Exif()
    exif[0x0112] = turn
    image = encoded(pil.new("RGB", (7, 3)), "JPEG", exif=exif)
    assert size(image) == decode(image).size[::-1]
    assert size(image, 4) == decode(image, 4).size[::-1]


def test_a_broken_header_has_no_size() -> None:
    with pytest.raises(TaskError, match="is none of"):
        size(Image.of(b"no picture"))
