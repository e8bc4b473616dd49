"""Decode an image, nothing more. No other file turns bytes into pixels."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inspection.errors import FetchData, FixInput

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}
_MODES = {"L": ("L", 8), "RGB": ("RGB", 8), "I;16": ("L", 16), "I;16B": ("L", 16), "I;16L": ("L", 16)}
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, TypeError)


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

    def levels(self) -> NDArray[np.float32]:
        """The pixels as (H, W, C) float32 on the scale 0..255, whatever the bit depth; fractions are kept."""
        full = np.float32(255 / (2**self.bit_depth - 1))
        return self.pixels.astype(np.float32) * full if self.bit_depth != 8 else self.pixels.astype(np.float32)


def decode(content: bytes, max_megapixels: float) -> Picture:
    """The picture in `content`.

    Raises:
        FixInput: not an image, of a format, mode or size that is not taken, or damaged. The header is
            judged before any pixel is decoded, so a small file cannot blow up in memory.
    """
    if not content:
        raise FixInput("the file is empty; drop it again when it is complete")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _refuse_oversize(image.width, image.height, max_megapixels)
            if image.mode not in _MODES:
                raise FixInput(f"mode {image.mode} is not taken; set the camera to 8 or 16 bit grey or 8 bit RGB")
            mode, bit_depth = _MODES[image.mode]
            _refuse_other_depth(image, bit_depth)
            pixels = np.asarray(image)
            kind = str(image.format)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = "its header claims far more pixels than it holds" if "bomb" in str(error) else "not an image"
        raise FixInput(f"{reason}; expected PNG, JPEG, TIFF or BMP") from None
    except _BROKEN as error:
        raise FixInput(f"the image is damaged ({_first_line(error)}); export it again") from None
    if bit_depth == 16:
        pixels = pixels.astype(np.uint16)
    return Picture(pixels if pixels.ndim == 3 else pixels[:, :, None], mode, bit_depth, kind)


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


def levels_of(folder: Path, max_megapixels: float, path: str) -> NDArray[np.float32]:
    """The levels, (H, W, C) float32 0..255, of the picture at `path` below `folder`; raises as `read`."""
    return read(folder / path, max_megapixels).levels()


def _refuse_oversize(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * 1e6:
        raise FixInput(
            f"{width}×{height} pixels are more than ingest.max_megapixels = {max_megapixels:g}; "
            "raise it if this camera is meant to be so large"
        )


def _refuse_other_depth(image: Image.Image, bit_depth: int) -> None:
    """Pillow reads 16-bit colour as 8 bit and 2- or 4-bit grey as 8 bit without a word; the raw mode tells."""
    raw = {
        str(argument)
        for tile in getattr(image, "tile", ())
        for argument in _arguments(tile)
        if isinstance(argument, str)
    }
    if bit_depth == 8 and any("16" in name or name in ("L;2", "L;4", "L;2I", "L;4I", "1") for name in raw):
        raise FixInput(
            f"pixels are stored as {', '.join(sorted(raw))}; set the camera to 8 or 16 bit grey or 8 bit RGB"
        )


def _arguments(tile: Any) -> tuple[Any, ...]:
    arguments = tile[3]
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
