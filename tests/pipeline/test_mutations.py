"""Damaged files, thousands of them: the readers take them or refuse them in words, fast and within their memory.

The readers run in a child process, so that a crash of a C library is seen and named. A case is reproduced by its
number: `python -m tests.pipeline.test_mutations 17 18 DIR` reads that one and, if it fails, leaves its bytes in DIR.
"""

import io
import os
import resource
import signal
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import Generator
from PIL import Image

from inspection.errors import FixInput
from inspection.intake import sidecar
from inspection.intake.dropped import Dropped
from inspection.pictures import images
from inspection.records import sheets
from plant.shot import png

ROOT = Path(__file__).parents[2]
SEED = 20261102
MEGAPIXELS = 4
MEMORY = 600 * 2**20  # bytes that a reader may take beyond what the libraries hold when they are loaded
SECONDS = 10
EXTREMES = (0, 1, 2, 7, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)


@cache
def originals() -> tuple[bytes, ...]:
    """One file of every format and mode that is taken, and of every way to pack it."""
    r = np.random.default_rng(SEED)
    grey = r.integers(0, 256, (23, 31), np.uint8)
    colour = r.integers(0, 256, (23, 31, 3), np.uint8)
    deep, deep_colour = r.integers(0, 65536, (23, 31), np.uint16), r.integers(0, 65536, (23, 31, 3), np.uint16)
    packings = [("TIFF", {"compression": how}) for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")]
    made = []
    for pixels in (grey, colour):
        others = [("JPEG", {}), ("JPEG", {"progressive": True}), ("BMP", {}), ("TIFF", {"compression": "jpeg"})]
        for kind, options in (("PNG", {}), *others, *packings):
            made.append(encoded(pixels, kind, options))
    made += [encoded(deep, kind, options) for kind, options in (("PNG", {}), *packings)]
    made += [png(deep_colour), cv2.imencode(".tiff", deep_colour)[1].tobytes()]
    return tuple(made)


def encoded(pixels: np.ndarray, kind: str, options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def flipped(content: bytes, r: Generator) -> bytes:
    """Some bits turned, half of the time where the header is."""
    changed = bytearray(content)
    for _ in range(r.integers(1, 12)):
        changed[r.integers(min(64, len(changed)) if r.random() < 0.5 else len(changed))] ^= 1 << r.integers(8)
    return bytes(changed)


def truncated(content: bytes, r: Generator) -> bytes:
    return content[: r.integers(len(content))]


def spliced(content: bytes, r: Generator) -> bytes:
    """A piece of another file put in or over."""
    other = originals()[r.integers(len(originals()))]
    start, at = r.integers(len(other)), r.integers(len(content))
    piece = other[start : start + r.integers(1, 200)]
    return content[:at] + piece + content[at + (len(piece) if r.random() < 0.5 else 0) :]


def header_edited(content: bytes, r: Generator) -> bytes:
    """One to three numbers of the header set to an extreme, in either byte order and of 2 or 4 bytes."""
    changed = bytearray(content)
    for _ in range(r.integers(1, 4)):
        form = ("<", ">")[r.integers(2)] + "HI"[r.integers(2)]
        at = r.integers(0, min(len(changed), 160) - 4)
        struct.pack_into(form, changed, at, EXTREMES[r.integers(len(EXTREMES))] % 2 ** (8 * struct.calcsize(form)))
    return bytes(changed)


def structure_lied(content: bytes, r: Generator) -> bytes:
    """The fields that hold the file together say something else, with check sums that fit."""
    if content.startswith(b"\x89PNG"):
        return _png_lies(content, r)
    if content[:2] in (b"II", b"MM"):
        return _tiff_lies(content, r)
    at, form = (18, "<I") if content.startswith(b"BM") else (max(content.find(b"\xff\xc0"), 0) + 5, ">H")
    changed = bytearray(content)  # width and height
    for step in range(2):
        value = EXTREMES[r.integers(len(EXTREMES))] % 2 ** (8 * struct.calcsize(form))
        struct.pack_into(form, changed, at + step * struct.calcsize(form), value)
    return bytes(changed)


def _png_lies(content: bytes, r: Generator) -> bytes:
    if r.random() < 0.3:  # a chunk that claims another length
        at = 33 if r.random() < 0.7 else 8
        return content[:at] + struct.pack(">I", EXTREMES[r.integers(len(EXTREMES))]) + content[at + 4 :]
    width, height, *rest = struct.unpack(">IIBBBBB", content[16:29])
    if r.random() < 0.5:
        width, height = (int(r.choice((*EXTREMES, 2000, width))) for _ in range(2))
    else:  # bits, colour, packing, filter, interlace
        rest[r.integers(5)] = int(r.choice((0, 1, 2, 3, 4, 6, 8, 16, 255)))
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, *rest)
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def _tiff_lies(content: bytes, r: Generator) -> bytes:
    """Another value in a tag, or a directory that leads to itself or into the dark."""
    order = "<" if content[:2] == b"II" else ">"
    (at,) = struct.unpack(order + "I", content[4:8])
    (tags,) = struct.unpack(order + "H", content[at : at + 2])
    changed = bytearray(content)
    if r.random() < 0.3:
        onward = int(r.choice((at, 0, 8, len(content) - 1, 2**32 - 1)))
        struct.pack_into(order + "I", changed, at + 2 + 12 * tags, onward)
    for _ in range(r.integers(1, 4)):
        tag = at + 2 + 12 * r.integers(tags)
        place, form = ((0, "H"), (2, "H"), (4, "I"), (8, "I"))[r.integers(4)]
        value = int(r.choice((*EXTREMES, at, 330, 256, 257, 273, 12, 16)))
        struct.pack_into(order + form, changed, tag + place, value % 2 ** (8 * struct.calcsize(form)))
    return bytes(changed)


ANYWHERE: tuple[Callable[[bytes, Generator], bytes], ...] = (flipped, truncated, spliced, header_edited)
ON_A_SOUND_FILE = (*ANYWHERE, structure_lied, structure_lied)
CELLS = (
    "file",
    "key",
    "label",
    "camera",
    "serial",
    "captured_at",
    "a.png",
    "good",
    '"',
    "'",
    ",",
    ";",
    "\t",
    "\n",
    "\r",
)
ODD = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b'"',
    b'""',
    b"\r",
    b"\n\n",
    b"\x80",
    b",,,,",
    "\u202e€".encode(),
    b"a" * 300000,
)


def image(number: int) -> tuple[bytes, str]:
    """The bytes of a damaged image and a suffix, more often than not a wrong one."""
    r = np.random.default_rng([SEED, number])
    content = ON_A_SOUND_FILE[r.integers(len(ON_A_SOUND_FILE))](originals()[number % len(originals())], r)
    if r.random() < 0.3 and len(content) > 40:
        content = ANYWHERE[r.integers(len(ANYWHERE))](content, r)
    return content, (".png", ".jpg", ".tif", ".bmp", ".csv", "")[r.integers(6)]


def table(number: int) -> tuple[bytes, str]:
    """The bytes of a damaged CSV."""
    r = np.random.default_rng([SEED, number])
    if r.random() < 0.25:
        return "".join(r.choice(CELLS, r.integers(1, 80))).encode(), ".csv"
    head = ["file", "key", "label", "by", "labelled_at", "camera", "part", "serial"]
    row = ["a/1.png", "a/1.png", "good", "Ines", "2026-11-02T06:15:12", "cam-1", "bracket", "s-1"]
    content = "\n".join((",", ";", "\t")[r.integers(3)].join(cells) for cells in (head, *[row] * 9)).encode()
    for _ in range(r.integers(1, 6)):
        at = r.integers(len(content))
        content = content[:at] + ODD[r.integers(len(ODD))] + content[at + r.integers(3) :]
    return (truncated(content, r) if r.random() < 0.2 else content), ".csv"


def read_image(path: Path) -> None:
    """Decode it as the pipeline does: what is no refusal is a sound picture."""
    picture = images.read(path, MEGAPIXELS)
    assert (
        picture.pixels.ndim == 3
        and picture.pixels.size
        and picture.pixels.shape[2] == (3 if picture.mode == "RGB" else 1)
    )
    assert picture.pixels.dtype == (np.uint16 if picture.bit_depth == 16 else np.uint8)
    assert picture.width * picture.height <= MEGAPIXELS * 1e6
    levels = picture.levels((3, 200))
    assert levels.min() >= 0 and levels.max() <= 255


def read_table(path: Path) -> None:
    """Read it both as a label sheet and as a sidecar."""
    content = path.read_bytes()
    values = {"key": "a/sheet.csv", "path": path, "size": len(content), "modified": datetime(2026, 11, 2, tzinfo=UTC)}
    dropped = Dropped(**{one.name: values.get(one.name, 0) for one in fields(Dropped)})
    for reader in (lambda: sheets._read(path), lambda: sidecar.read(dropped, content)):
        try:
            reader()
        except FixInput as error:
            assert str(error)


def child(first: int, last: int, folder: Path) -> None:
    """Read the cases `first` to `last`, of which each sixth is a table; the number of each is printed before."""
    originals()
    warnings.simplefilter("ignore")  # Pillow on broken tags
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    for number in range(first, last):
        make, read = (table, read_table) if number % 6 == 5 else (image, read_image)
        content, suffix = make(number)
        path = folder / f"case{suffix}"
        path.write_bytes(content)
        print(number, flush=True)
        signal.alarm(SECONDS)  # ends the process
        try:
            read(path)
        except FixInput as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error), error
        signal.alarm(0)
        path.unlink()
    print("done", flush=True)


@pytest.mark.parametrize("cases", [pytest.param(480), pytest.param(12000, marks=pytest.mark.slow)])
def test_damaged_files_are_taken_or_refused_in_words(cases: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.pipeline.test_mutations", "0", str(cases), str(tmp_path)]
    surroundings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    last = (done.stdout.split() or ["none"])[-1]
    ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
    assert last == "done", f"case {last} (seed {SEED}): {ended}\n{done.stderr[-2000:]}"


if __name__ == "__main__":
    child(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
