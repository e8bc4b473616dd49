"""Captures of which no two have the same bytes."""

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from inspection.cameras import Camera
from plant.line import Plant
from plant.shot import Shot, key_of

START = datetime(2026, 1, 5, 6, tzinfo=UTC)
PNG_END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def unlike(content: bytes, number: int) -> bytes:
    """The same picture as other bytes: a PNG with a comment, so that files differ and decoding costs the same."""
    body = b"Comment\x00" + str(number).encode()
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    return content.removesuffix(PNG_END) + chunk + PNG_END


def pictures(camera: Camera, count: int = 16) -> list[bytes]:
    """Drawn pictures of a camera, as PNG."""
    return [shot.content for shot in Plant(1, (camera,)).shots(START.date(), count)]


def shots(camera: Camera, files: list[bytes], first: int, count: int) -> Iterator[Shot]:
    """Captures number `first` and on, two of each part, a second apart."""
    for number in range(first, first + count):
        at, serial = START + timedelta(seconds=number), f"s{number // 2:07d}"
        part = camera.parts[number // 2 % len(camera.parts)]
        content = unlike(files[number % len(files)], number)
        yield Shot(key_of(camera.name, part, serial, at), camera.name, camera.line, part, serial, at, "good", content)
