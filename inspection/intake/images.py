"""Decode an image, nothing more. No other file turns bytes into pixels.

Pixels are given as they are stored. An EXIF orientation is not applied: a fixed camera does not set it, and a turned
picture would no longer have the size that the camera declares. (A TIFF's Orientation tag is no such wish of a viewer,
it says in which order the rows are stored, and is obeyed.)
"""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inspection.errors import FetchData, FixInput

warnings.filterwarnings("ignore", module=r"PIL\.")  # what Pillow remarks on a damaged file, a refusal says
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")  # of their files, as a rule
_MODES = {"L": ("L", 8), "RGB": ("RGB", 8), "I;16": ("L", 16), "I;16B": ("L", 16), "I;16L": ("L", 16)}
_DEEP = {"RGB;16B", "RGB;16L", "RGB;16N"}  # Pillow's names for 16-bit colour, of which it reads the upper bytes
_TAKEN = "set the camera to 8 or 16 bit, grey or RGB, one picture a file"
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(struct.error, zlib.error),
)  # what Pillow raises of damaged files


@dataclass(frozen=True)
class Picture:
    """Pixels as (H, W, C) uint8 0..255 or uint16 0..65535, C = 1 (mode L) or 3 (mode RGB)."""

    pixels: NDArray[Any]
    mode: str
    bit_depth: int
    format: str

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    def levels(self, span: tuple[int, int] | None = None) -> NDArray[np.float32]:
        """The pixels as (H, W, C) float32 on the scale 0..255, whatever the bit depth; fractions are kept.

        Args:
            span: the stored values that become 0 and 255, what lies outside is cut off; by default all that the
                bit depth can hold.
        """
        full = 2**self.bit_depth - 1
        black, white = span or (0, full)
        levels = self.pixels.astype(np.float32)
        if (black, white) == (0, full) == (0, 255):
            return levels
        levels -= np.float32(black)
        levels *= np.float32(255)  # exact below 2**24, so that white becomes 255 and no fraction less
        levels /= np.float32(white - black)
        return np.clip(levels, 0, 255, out=levels)


def decode(content: bytes, max_megapixels: float) -> Picture:
    """The picture in `content`.

    Raises:
        FixInput: not an image, of a format, mode or size that is not taken, or damaged. The header is
            judged before any pixel is decoded, so a small file cannot blow up in memory.
    """
    if not content:
        raise FixInput("the file is empty; drop it again when it is complete")
    with _opened(io.BytesIO(content)) as image:
        _refuse_oversize(image.width, image.height, max_megapixels)
        mode, bit_depth = _stored_as(image)
        pixels = np.asarray(image)
        kind = str(image.format)
    if bit_depth == 16:
        pixels = pixels.astype(np.uint16, copy=False) if mode == "L" else _deep_colour(content, pixels)
    return Picture(pixels if pixels.ndim == 3 else pixels[:, :, None], mode, bit_depth, kind)


@contextmanager
def _opened(source: BinaryIO) -> Iterator[Image.Image]:
    """A picture whose header was read; raises FixInput when it is none, or turns out to be damaged."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            yield image
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = "its header claims far more pixels than it holds" if "bomb" in str(error) else "not an image"
        raise FixInput(f"{reason}; expected PNG, JPEG, TIFF or BMP") from None
    except _BROKEN as error:
        raise FixInput(f"the image is damaged ({_first_line(error)}); export it again") from None


class Stored(NamedTuple):
    """What a file's header says: pixels, L or RGB, bits of a value."""

    width: int
    height: int
    mode: str
    bit_depth: int


def stored(path: Path) -> Stored:
    """The header of a picture; no pixel is decoded. Raises FixInput as `decode`, FetchData: there is no such file."""
    try:
        with path.open("rb") as file, _opened(file) as image:
            return Stored(image.width, image.height, *_stored_as(image))
    except FileNotFoundError:
        raise FetchData("no such file; correct the name") from None


def read(path: Path, max_megapixels: float) -> Picture:
    """The picture in a file.

    Raises:
        FetchData: no such file. FixInput: as `decode`, with the file's name.
    """
    try:
        return decode(path.read_bytes(), max_megapixels)
    except FileNotFoundError:
        raise FetchData(f"{path} is not on this disk: run `dvc pull`, or correct the name.") from None
    except FixInput as error:
        raise FixInput(f"{path}: {error}.") from None


def levels_of(folder: Path, max_megapixels: float, capture: Any) -> NDArray[np.float32]:
    """The levels, (H, W, C) float32 0..255, of a capture below `folder`, as its camera was declared when it came.

    Args:
        capture: a manifest's row; its `path`, `black` and `white` are read.

    Raises:
        FetchData, FixInput: as `read`.
    """
    return read(folder / capture.path, max_megapixels).levels((int(capture.black), int(capture.white)))


def largest(max_megapixels: float) -> int:
    """The most bytes that a picture of that size takes: 16-bit colour, not compressed, and 4 MB for tags and the like.

    A file that is larger need not be read to be refused.
    """
    return int(max_megapixels * 6e6) + 4_000_000


def _refuse_oversize(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * 1e6:
        raise FixInput(
            f"{width}×{height} pixels are more than ingest.max_megapixels = {max_megapixels:g}; "
            "raise it if this camera is meant to be so large"
        )


def _stored_as(image: Image.Image) -> tuple[str, int]:
    """Mode and bit depth as the file has them.

    Pillow reads 16-bit colour as well as 2- or 4-bit grey as 8 bit without a word; its raw mode tells.
    """
    if getattr(image, "is_animated", False):
        raise FixInput(f"the file holds several pictures; {_TAKEN}")
    if image.mode not in _MODES:
        raise FixInput(f"mode {image.mode} is not taken; {_TAKEN}")
    mode, bit_depth = _MODES[image.mode]
    raw = {word for tile in getattr(image, "tile", ()) for word in _words(tile[3])}
    if image.mode == "RGB" and raw & _DEEP:
        return mode, 16
    if bit_depth == 8 and any(re.search(r";(?!8)\d", word) for word in raw):
        raise FixInput(f"pixels are stored as {', '.join(sorted(raw))}; {_TAKEN}")
    return mode, bit_depth


def _words(arguments: Any) -> list[str]:
    """The words among a Pillow tile's arguments; its raw mode is one of them."""
    return [one for one in (arguments if isinstance(arguments, tuple) else (arguments,)) if isinstance(one, str)]


def _deep_colour(content: bytes, upper: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """16-bit colour, (H, W, 3), of which Pillow has read the upper bytes.

    OpenCV reads both bytes, but of a damaged file it gives what it could and says nothing, so the two must agree.
    """
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape != upper.shape or pixels.dtype != np.uint16:
        raise FixInput("its 16-bit colours cannot be read; export it again as a plain PNG or TIFF")
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if not np.array_equal(pixels >> 8, upper):
        raise FixInput("the image is damaged (two decoders read different pixels); export it again")
    return np.asarray(pixels, np.uint16)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
