"""One picture as a camera hands it over, and its delivery: files in the inbox, labels later in a CSV."""

import csv
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspection.pictures.images import decode
from plant.chance import generator
from plant.optics import Pixels


@dataclass(frozen=True)
class Shot:
    """One capture with its truth. `image` is what was drawn, or a replayed file: untouched, read when it is needed."""

    key: str  # the file's name in the inbox
    camera: str
    line: str
    part: str
    serial: str
    captured_at: datetime  # UTC, whole milliseconds
    label: str  # "": nobody will give one
    image: Pixels | bytes | Path = field(repr=False)

    @property
    def pixels(self) -> Pixels:
        """(H, W) or (H, W, 3), uint8 or uint16."""
        if not isinstance(self.image, bytes | Path):
            return self.image
        pixels = decode(self.content, max_megapixels=1000).pixels
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels

    @property
    def levels(self) -> NDArray[np.float32]:
        """(H, W, C) float32, the pixels' own values."""
        return np.atleast_3d(self.pixels).astype(np.float32)

    @property
    def content(self) -> bytes:
        """The file's bytes: as they were, or a PNG of the pixels."""
        if isinstance(self.image, Path):
            return self.image.read_bytes()
        return self.image if isinstance(self.image, bytes) else png(self.image)


def key_of(camera: str, part: str, serial: str, captured_at: datetime, suffix: str = ".png") -> str:
    """The inbox name: camera/part/serial/20261102T061512345Z.png."""
    stamp = f"{captured_at:%Y%m%dT%H%M%S}{captured_at.microsecond // 1000:03d}Z"
    return f"{camera}/{part}/{serial}/{stamp}{suffix}"


def drop(shots: Iterable[Shot], inbox: Path) -> list[Path]:
    """The files written under `inbox`, as old as their captures; a reader sees each whole or not at all."""
    written = []
    for shot in shots:
        path = inbox / shot.key
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_bytes(shot.content)
        os.utime(unfinished, 2 * (shot.captured_at.timestamp(),))
        os.replace(unfinished, path)
        written.append(path)
    return written


def labelled_at(shot: Shot) -> datetime:
    """When a person gets round to this part: 2 hours to 4 days after the capture, half within 10 hours."""
    hours = 10 * float(np.exp(generator(shot.camera, shot.serial, "labelling").normal(0, 0.8)))
    delay = timedelta(hours=min(max(hours, 2.0), 96.0))
    return (shot.captured_at + delay).replace(microsecond=0)


def write_labels(shots: Iterable[Shot], path: Path, by: str, until: datetime | None = None) -> int:
    """The number of rows written: key,label,by,labelled_at, earliest first, only labels given by `until`."""
    rows = sorted((labelled_at(shot), shot.key, shot.label) for shot in shots if shot.label)
    rows = [row for row in rows if until is None or row[0] <= until]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["key", "label", "by", "labelled_at"])
        writer.writerows([key, label, by, f"{at:%Y-%m-%dT%H:%M:%SZ}"] for at, key, label in rows)
    return len(rows)


def png(pixels: Pixels) -> bytes:
    """A PNG of (H, W) or (H, W, 3), uint8 or uint16. Pillow cannot write 16-bit colour."""
    height, width = pixels.shape[:2]
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    rows = np.frombuffer(big_endian.tobytes(), np.uint8).reshape(height, -1)
    up = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))  # filter 2: less the row above
    lines = np.concatenate([np.full((height, 1), 2, np.uint8), up], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 1)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
