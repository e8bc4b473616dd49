"""Decode an image, nothing more. No other file turns bytes into pixels.

Pixels are given as they are stored. What a file says of them is followed or the file is refused, never half
(docs/production.md, "What a picture may be"): an EXIF orientation is refused, for a turned picture no longer has the
size that the camera declares. A TIFF's Orientation tag is no wish of a viewer, it says in which order the rows are
stored, and is obeyed.

What comes from outside is judged by `decode`; a picture that was taken in is not judged again by `levels_of`.
"""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inspection.cameras import Camera
from inspection.errors import FetchData, FixInput
from inspection.pictures import decoder, structure, tags
from inspection.pictures.structure import Stored
from inspection.pictures.tags import TAKEN

warnings.filterwarnings("ignore", module=r"PIL\.")  # what Pillow remarks on a damaged file, a refusal says
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")  # of their files, as a rule
_MODES = {"L": ("L", 8), "RGB": ("RGB", 8), "I;16": ("L", 16), "I;16B": ("L", 16), "I;16L": ("L", 16)}
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_MOST = 178.0  # megapixels, from which Pillow too takes a header for a claim that its file does not hold
_OWN = (_PNG, _JPEG)  # begin so: structure.py reads their headers, and not Pillow
_TIFF = (b"II*\0", b"MM\0*", b"II+\0")
_DEEP = {"RGB;16B", "RGB;16L", "RGB;16N"}  # Pillow's names for 16-bit colour, of which it reads the upper bytes
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

    @cached_property
    def highest(self) -> int:
        """The highest value that is stored."""
        return int(self.pixels.max())

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


@dataclass(frozen=True)
class Header:
    """What a file says of itself. What is `plain` is not packed, and whole: there is nothing to be remarked."""

    width: int
    height: int
    mode: str
    bit_depth: int
    format: str
    plain: bool = False


def decode(content: bytes, max_megapixels: float, camera: Camera | None = None) -> Picture:
    """The picture in `content`.

    Args:
        camera: from which it should come: no picture that is larger than that is decoded, and none whose values lie
            above its full light is taken.

    Raises:
        FixInput: not an image, of a format, mode or size that is not taken, or damaged: whatever its decoder remarks
            refuses it. The header is judged before any pixel is decoded, so a small file cannot blow up in memory.
    """
    said = header(content, max_megapixels)
    if camera is not None:
        _refuse_larger(said, camera)
    picture = believed(content, max_megapixels) if said.plain else _heard(content, said)
    if camera is not None:
        _refuse_brighter(picture, camera)
    return picture


def _heard(content: bytes, said: Header) -> Picture:
    """The picture, if its decoder remarks nothing."""
    channels = 1 if said.mode == "L" else 3
    count = said.width * said.height
    size = count * channels * said.bit_depth // 8
    if said.format == "PNG" and size > decoder.LARGE:
        structure.refuse_damaged_png(content, size + said.height)
    pixels, remark = decoder.decoded(content, count, size, channels == 3)
    if remark:
        raise tags.damaged(remark)
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    if pixels.shape != (said.height, said.width, channels) or pixels.dtype.itemsize * 8 != said.bit_depth:
        raise FixInput("its pixels are not what its header says; export it again as a plain PNG or TIFF")
    return Picture(pixels, said.mode, said.bit_depth, said.format)


def header(content: bytes, max_megapixels: float) -> Header:
    """What a file says of itself; no pixel is decoded. Raises FixInput as `decode`, as far as that shows here."""
    if not content:
        raise FixInput("the file is empty; drop it again when it is complete")
    if content.startswith(_PNG):
        said = Header(*structure.png(content), "PNG")
    elif content.startswith(_JPEG):
        said = Header(*structure.jpeg(content), "JPEG")
    else:
        said = _by_pillow(content)
    _refuse_oversize(said.width, said.height, max_megapixels)
    if not said.width or not said.height:
        raise tags.damaged("it has no pixels")
    return said


def _by_pillow(content: bytes) -> Header:
    """Of the formats with many dialects, once their structure is known to be bounded and whole."""
    if content.startswith(b"MM\0+"):
        raise FixInput("it is a BigTIFF whose numbers begin with their upper byte; export it as an ordinary TIFF")
    said_by = tags.tags(content) if content[:4] in _TIFF else {}
    if content.startswith(b"BM"):
        structure.bmp(content)
    with _opened(io.BytesIO(content)) as image:
        mode, bit_depth = _stored_as(image)
        said = Header(image.width, image.height, mode, bit_depth, str(image.format))
    if said.format == "TIFF":
        structure.tiff(content, said_by)
    packed = said_by.get(259, (1,))[0] != 1 or (mode, bit_depth) == ("RGB", 16)  # of which Pillow reads half
    return replace(said, plain=not packed)


def believed(content: bytes, max_megapixels: float) -> Picture:
    """The picture in `content`, which was judged before. Raises FixInput as Pillow sees it, or, of the formats by which
    Pillow stumbles over what their own decoder takes, as `decode`."""
    try:
        return _read_by_pillow(content, max_megapixels)
    except FixInput:
        if not content.startswith(_OWN):
            raise
    return _heard(content, header(content, max_megapixels))


def _read_by_pillow(content: bytes, max_megapixels: float) -> Picture:
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


def stored(path: Path) -> Stored:
    """The header of a picture; no pixel is decoded. Raises FixInput as `decode`, FetchData: there is no such file."""
    try:
        try:
            with path.open("rb") as file, _opened(file) as image:
                return Stored(image.width, image.height, *_stored_as(image))
        except FixInput:
            content = path.read_bytes()
            if not content.startswith(_OWN):
                raise
            said = header(content, _MOST)
            return Stored(said.width, said.height, said.mode, said.bit_depth)
    except FileNotFoundError:
        raise FetchData("no such file; correct the name") from None


def read(path: Path, max_megapixels: float, known: bool = False) -> Picture:
    """The picture in a file.

    Args:
        known: it was judged before, when it was taken in.

    Raises:
        FetchData: no such file. FixInput: as `decode`, with the file's name.
    """
    try:
        return (believed if known else decode)(path.read_bytes(), max_megapixels)
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
    return read(folder / capture.path, max_megapixels, known=True).levels((int(capture.black), int(capture.white)))


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


def _refuse_larger(said: Header, camera: Camera) -> None:
    for name, value, most in (("width", said.width, camera.width), ("height", said.height, camera.height)):
        if value > most:
            raise FixInput(
                f"{name} is {value} px, but cameras.yaml declares {most} px for {camera.name}; correct the camera or "
                "cameras.yaml"
            )


def _refuse_brighter(picture: Picture, camera: Camera) -> None:
    """Values above the camera's full light, which JPEG overshoots at edges, mean something else."""
    black, white = camera.span
    tolerance = (white - black) // 8 if picture.format == "JPEG" else 0
    if picture.bit_depth != camera.bit_depth or picture.highest <= white + tolerance:
        return
    used = int(np.bitwise_or.reduce(picture.pixels, axis=None))
    unused = (used & -used).bit_length() - 1
    hint = f", as their lowest {unused} bits are all 0" if unused > 1 else ""
    raise FixInput(
        f"values reach {picture.highest}, but cameras.yaml says that {white} is full light (`white` of {camera.name}): "
        f"are they left-justified{hint}? Set the camera to right-justified, or correct `white`"
    )


def _stored_as(image: Image.Image) -> tuple[str, int]:
    """Mode and bit depth as the file has them.

    Pillow reads 16-bit colour as well as 2- or 4-bit grey as 8 bit without a word; its raw mode tells.
    """
    if getattr(image, "is_animated", False):
        raise FixInput(f"the file holds several pictures; {TAKEN}")
    if image.mode not in _MODES:
        raise FixInput(f"mode {image.mode} is not taken; {TAKEN}")
    mode, bit_depth = _MODES[image.mode]
    raw = {word for tile in getattr(image, "tile", ()) for word in _words(tile[3])}
    if image.mode == "RGB" and raw & _DEEP:
        return mode, 16
    if bit_depth == 8 and any(re.search(r";(?!8)\d", word) for word in raw):
        raise FixInput(f"pixels are stored as {', '.join(sorted(raw))}; {TAKEN}")
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
