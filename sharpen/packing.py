"""Attempts and readings as compressed numbers: what the ledger stores, and never a pickled object."""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .types import Image, Part, Reading

DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, zlib.error)
"""What unpacking a damaged row can raise."""


def pack_parts(parts: Sequence[Part]) -> bytes:
    """Pack an attempt's parts; `unpack_parts` gives them back equal."""
    head = [
        {"by": p.by, "text": p.text, "ids": len(p.ids), "logprobs": p.logprobs is not None,
         "image": p.image.sha256 if p.image else None}
        for p in parts
    ]  # fmt: skip
    numbers = b"".join(array("i", p.ids).tobytes() + array("f", p.logprobs or ()).tobytes() for p in parts)
    return zlib.compress(json.dumps(head).encode() + b"\n" + numbers, 1)


def unpack_parts(blob: bytes, images: Path) -> tuple[Part, ...]:
    """Undo `pack_parts`; pictures lie in the folder `images` under their hash."""
    head, _, numbers = zlib.decompress(blob).partition(b"\n")
    parts: list[Part] = []
    for said in json.loads(head):
        ids, numbers = _take("i", said["ids"], numbers)
        logprobs, numbers = _take("f", said["ids"] if said["logprobs"] else 0, numbers)
        image = Image(said["image"], images / said["image"]) if said["image"] else None
        drawn = tuple(logprobs) if said["logprobs"] else None
        parts.append(Part(tuple(ids), said["text"], said["by"], drawn, image))
    _used_up(numbers)
    return tuple(parts)


def pack_numbers(values: Sequence[int]) -> bytes:
    """Pack integers of 32 bits."""
    return zlib.compress(array("i", values).tobytes(), 1)


def unpack_numbers(blob: bytes) -> tuple[int, ...]:
    """Undo `pack_numbers`."""
    return tuple(array("i", zlib.decompress(blob)))


def pack_reading(reading: Reading) -> bytes:
    """Pack a reading; floats are kept as the float32 they were measured in."""
    r = reading
    width = len(r.top[0]) if r.top else 0
    fields: dict[str, object] = {"tokens": len(r.logprobs), "top": width, "layers": list(r.attention)}
    rows = [row for tokens in r.maps.values() for row in tokens.values()]
    if rows:
        fields |= {"maps": list(next(iter(r.maps.values()))), "image": len(rows[0])}
    shares = [v for spans in r.attention.values() for triple in spans for v in triple]
    ids = [i for row in r.top for i in row]
    floats = array("f", [*r.logprobs, *r.entropy, *shares, *(v for row in rows for v in row)])
    head = json.dumps(fields).encode()
    return zlib.compress(head + b"\n" + array("i", [*r.rank, *ids]).tobytes() + floats.tobytes(), 1)


def unpack_reading(blob: bytes) -> Reading:
    """Undo `pack_reading`."""
    head, _, numbers = zlib.decompress(blob).partition(b"\n")
    fields = json.loads(head)
    n, width = fields["tokens"], fields["top"]
    rank, numbers = _take("i", n, numbers)
    ids, numbers = _take("i", n * width, numbers)
    logprobs, numbers = _take("f", n, numbers)
    entropy, numbers = _take("f", n, numbers)
    attention: dict[int, tuple[tuple[float, float, float], ...]] = {}
    for layer in fields["layers"]:
        shares, numbers = _take("f", 3 * n, numbers)
        attention[layer] = tuple((shares[3 * i], shares[3 * i + 1], shares[3 * i + 2]) for i in range(n))
    maps: dict[int, dict[int, tuple[float, ...]]] = {layer: {} for layer in fields["layers"] if "maps" in fields}
    for layer in maps:
        for token in fields["maps"]:
            found, numbers = _take("f", fields["image"], numbers)
            maps[layer][token] = tuple(found)
    _used_up(numbers)
    top = tuple(tuple(int(i) for i in ids[i * width : (i + 1) * width]) for i in range(n))
    return Reading(tuple(logprobs), tuple(entropy), tuple(int(i) for i in rank), top, attention, maps)


def _take(code: str, count: int, data: bytes) -> tuple[array[Any], bytes]:
    size = count * 4
    if not 0 <= size <= len(data):
        raise ValueError(f"{len(data)} bytes are left where {size} belong")
    return array(code, data[:size]), data[size:]


def _used_up(data: bytes) -> None:
    if data:
        raise ValueError(f"{len(data)} bytes are left over")
