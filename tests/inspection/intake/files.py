"""Files of odd kinds, written by hand: PNG chunks, TIFF tags, JPEG scans."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FORMS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 7: "B"}  # of a fraction both numbers stand among the values


def smooth(height: int, width: int, channels: int) -> np.ndarray:
    """Something that JPEG packs as it packs a part."""
    y, x = np.mgrid[:height, :width]
    levels = [127 + 90 * np.sin(x / (7 + k)) * np.cos(y / (11 - k)) + 20 * ((x + y) % 5 == 0) for k in range(channels)]
    return np.stack(levels, -1).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, bits: int, colour: int, packed: bytes, *before: bytes, end: bool = True) -> bytes:
    """With the chunks `before` its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return SIGNATURE + header + b"".join(before) + chunk(b"IDAT", packed) + (chunk(b"IEND") if end else b"")


def rows(pixels: np.ndarray) -> bytes:
    """As they stand in a PNG before they are packed."""
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big)


def tiff(
    pixels: np.ndarray,
    order: str = "<",
    rows: int = 0,
    tile: int = 0,
    packing: int = 1,
    planar: int = 1,
    cut: int = 0,
    onward: int = 0,
    said: dict[int, tuple[int, Sequence[int]]] | None = None,
) -> bytes:
    """A TIFF of strips of `rows`, or of tiles; of the last one `cut` bytes are missing.

    Args:
        said: tags, each with its type and values, that replace or add to the usual ones.
    """
    height, width, channels = pixels.shape
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    planes = [pixels] if planar == 1 else [pixels[:, :, [k]] for k in range(channels)]
    pieces = [bytes(one) for plane in planes for one in _pieces(plane, rows or height, tile)]
    pieces = [zlib.compress(one) for one in pieces] if packing != 1 else pieces
    pieces[-1] = pieces[-1][: len(pieces[-1]) - cut]
    at = {324 if tile else 273: (4, [0] * len(pieces)), 325 if tile else 279: (4, [len(one) for one in pieces])}
    usual = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8 * pixels.dtype.itemsize] * channels),
        259: (3, [packing]),
        262: (3, [1 if channels == 1 else 2]),
        277: (3, [channels]),
        284: (3, [planar]),
    }
    usual |= {322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [rows or height])}
    tags = dict(sorted((usual | at | (said or {})).items()))
    end = 8 + 2 + 12 * len(tags) + 4
    start = end + sum(4 * len(values) for _, values in tags.values())
    offsets = [start + sum(map(len, pieces[:k])) for k in range(len(pieces))]
    tags[324 if tile else 273] = (4, offsets)
    body, aside = struct.pack(order + "H", len(tags)), b""
    for tag, (kind, values) in tags.items():
        data = struct.pack(f"{order}{len(values)}{_FORMS[kind]}", *values)
        if len(data) > 4:
            data, aside = struct.pack(order + "I", end + len(aside)), aside + data
        body += struct.pack(order + "HHI", tag, kind, len(values) // (2 if kind == 5 else 1)) + data.ljust(4, b"\0")
    body += struct.pack(order + "I", onward)
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HI", 42, 8) + body + aside.ljust(start - end, b"\0") + b"".join(pieces)


def _pieces(plane: np.ndarray, rows: int, tile: int) -> Iterator[bytes]:
    height, width, channels = plane.shape
    if not tile:
        yield from (plane[y : y + rows].tobytes() for y in range(0, height, rows))
        return
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            whole = np.zeros((tile, tile, channels), plane.dtype)
            part = plane[y : y + tile, x : x + tile]
            whole[: part.shape[0], : part.shape[1]] = part
            yield whole.tobytes()


def many_scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG that refines nothing, again and again."""
    whole = encoded(np.full((height, width), 99, np.uint8), "JPEG", progressive=True)
    at = whole.rindex(b"\xff\xda")
    return whole[:at] + whole[at:-2] * count + whole[-2:]
