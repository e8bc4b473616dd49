"""What a file says of itself: whether it is whole and of a kind that is taken, before a pixel of it is decoded.

Nothing here follows the pixels: a file's chunks, segments and tags are walked, a bounded number of them.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspection.errors import FixInput
from inspection.pictures.tags import MOST_ASIDE, TAKEN, damaged, refuse_adobe, refuse_aside, refuse_turned, tags, unpack

MOST_CHUNKS = 100_000  # of a PNG; 40 megapixels of 16-bit colour in chunks of 8 kB are 30,000
MOST_SEGMENTS = 5_000  # of a JPEG; a colour profile of 16 MB has 250
MOST_SCANS = 64  # of a progressive JPEG; encoders make ten, those that search for the smallest file twenty
MOST_PACKED = 256_000  # bytes of packed text, which may hold a thousand times as many
_NO_MARKER = np.isin(np.arange(256), [0x00, *range(0xD0, 0xD8), 0xFF])  # what may follow 0xFF within a scan
_OF_COLOURS = {b"iCCP", b"cICP", b"sRGB", b"cHRM"}  # chunks that say, before EXIF, which colours values stand for
_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)  # of sRGB, times 100,000
_CICP_SRGB = bytes((1, 13, 0, 1))  # primaries, curve, no matrix, values from 0 to the highest
_WHITE = tuple(number for one in _PRIMARIES[:2] for number in (one, 100_000))  # as a TIFF's fractions
_COLOURS = tuple(number for one in _PRIMARIES[2:] for number in (one, 100_000))
_PNG_MARK, _PIXELS = b"\x89PNG\r\n\x1a\n", (b"IHDR", b"IDAT", b"IEND")
_BLOCK = 2**16  # bytes of a scan that are looked through at once


class Stored(NamedTuple):
    """What a file's header says: pixels, L or RGB, bits of a value."""

    width: int
    height: int
    mode: str
    bit_depth: int


def png(content: bytes) -> Stored:
    """Raises FixInput: breaks off, more or other chunks than a picture has, a mode that is not taken."""
    width, height, bits, colour = unpack(">IIBB", content, 16)
    if content[12:16] != b"IHDR":
        raise damaged("it does not begin with its header")
    aside = packed = 0
    told, exif = set[bytes](), b""
    for count, (name, body) in enumerate(_chunks(content)):
        if count >= MOST_CHUNKS:
            raise FixInput(f"it has more than {MOST_CHUNKS:,} chunks, which no picture needs; export it again")
        told.add(name)
        exif = bytes(body) if name == b"eXIf" else exif
        if name not in (b"IDAT", b"IHDR", b"PLTE"):
            aside += len(body)
            packed += len(body) if name in (b"zTXt", b"iTXt") else 0
            _refuse_chunk(name, body, colour)
        if name == b"IEND":
            break
    else:
        raise damaged("it breaks off")
    refuse_aside(aside)
    if colour == 2 and exif and not told & _OF_COLOURS:
        refuse_adobe(exif)
    if packed > MOST_PACKED:
        raise FixInput(f"it has {packed / 1e3:.0f} kB of packed text, which no picture needs; export it without")
    mode = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}.get(colour, f"of colour type {colour}")
    mode = "1" if (mode, bits) == ("L", 1) else mode
    if mode not in ("L", "RGB"):
        raise FixInput(f"mode {mode} is not taken; {TAKEN}")
    if bits not in (8, 16):
        raise FixInput(f"pixels are stored as {mode};{bits}; {TAKEN}")
    return Stored(width, height, mode, bits)


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and body of each chunk that is there as a whole."""
    whole, at = memoryview(content), 8
    while at + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content):
            return
        yield name, whole[at + 8 : at + 8 + length]
        at += 12 + length


def refuse_damaged_png(content: bytes, need: int) -> None:
    """Raises FixInput: a chunk's sum is wrong, or its pixels do not come to `need` bytes when they are unpacked: known
    without a place for them, as a large picture that is damaged should take none."""
    at, packed = len(_PNG_MARK), list[memoryview]()
    for name, body in _chunks(content):
        at += 12 + len(body)
        if name in _PIXELS and zlib.crc32(body, zlib.crc32(name)) != unpack(">I", content, at - 4)[0]:
            raise damaged(f"the sum of its chunk {name.decode()} is wrong")
        packed += [body] if name == b"IDAT" else []
    most = 2 * need if content[28] else need  # interlaced, it has a filter for more and shorter rows
    if not _inflates(packed, need, most + _BLOCK):
        raise damaged("its pixels are fewer than its header says, or others than it was written with")


def _refuse_chunk(name: bytes, body: memoryview, colour: int) -> None:
    """What says something of the pixels' values that is not followed here."""
    if name == b"acTL" and len(body) >= 4 and unpack(">I", body)[0] > 1:
        raise FixInput(f"the file holds several pictures; {TAKEN}")
    if name == b"tRNS":
        raise FixInput(f"one of its values stands for transparent; {TAKEN}")
    if name == b"eXIf":
        refuse_turned(body)
    if name == b"iCCP":
        try:
            start = bytes(body[:80]).index(b"\0") + 2
            profile = zlib.decompressobj().decompress(body[start:], MOST_ASIDE)
        except (ValueError, zlib.error):
            raise damaged("its colour profile cannot be read") from None
        refuse_profile(profile, colour == 0)
    if name == b"gAMA" and abs(unpack(">I", body)[0] / 45455 - 1) > 0.1:
        raise FixInput(
            f"it declares a gamma of {unpack('>I', body)[0] / 1e5:g}, and values are taken as sRGB ({45455 / 1e5:g}) "
            "or without a word about it; export it without gamma"
        )
    if name == b"cHRM" and colour == 2 and np.abs(np.subtract(unpack(">8I", body), _PRIMARIES)).max() > 2000:
        raise FixInput("it declares colours other than those of sRGB (chunk cHRM); export it as sRGB")
    if name == b"cICP" and bytes(body) != _CICP_SRGB:
        raise FixInput("it declares colours other than sRGB (chunk cICP); export it as sRGB")


def jpeg(content: bytes) -> Stored:
    """Raises FixInput: breaks off, more segments or scans than a picture has, a kind that is not taken, scans that do
    not give every coefficient."""
    seen = _Scans()
    profile: dict[int, bytes] = {}
    said: list[bytes] = []  # EXIF
    aside = 0
    for count, (marker, body) in enumerate(_segments(content)):
        aside += len(body)
        if count >= MOST_SEGMENTS:
            raise FixInput(f"it has more than {MOST_SEGMENTS:,} segments, which no picture needs; export it again")
        if marker == 0xD9:
            break
        refuse_aside(aside)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            seen.begin(marker, body)
        elif marker == 0xDA:
            seen.add(body)
        elif marker == 0xE1 and bytes(body[:6]) == b"Exif\0\0":
            refuse_turned(body[6:])
            said.append(bytes(body[6:]))
        elif marker == 0xE2 and bytes(body[:12]) == b"ICC_PROFILE\0" and len(body) > 14:
            profile[body[12]] = bytes(body[14:])
        elif marker == 0xE2 and bytes(body[:4]) == b"MPF\0":
            pictures = tags(bytes(body[4:]), strict=False).get(0xB001, (1,))
            if pictures[0] > 1:
                raise FixInput(f"the file holds several pictures; {TAKEN}")
    else:
        raise damaged("it breaks off")
    whole = b"".join(part for _, part in sorted(profile.items()))
    _refuse_colours(whole, said, len(seen.known) == 1)
    return seen.stored()


def _refuse_colours(profile: bytes, said: Sequence[bytes], grey: bool) -> None:
    """By a JPEG's profile, or else by the EXIF blocks."""
    if profile:
        refuse_profile(profile, grey)
    for exif in () if profile or grey else said:
        refuse_adobe(exif)


def _segments(content: bytes) -> Iterator[tuple[int, memoryview]]:
    """Marker and body of each segment; the data of a scan is passed over."""
    whole, at = memoryview(content), 2
    while (at := _marker(content, at)) and at < len(content):
        marker, at = content[at], at + 1
        if marker == 0xD9:
            yield marker, whole[at:at]
            return
        if marker in (0x01, 0xD8):
            continue
        length = unpack(">H", content, at)[0] if at + 2 <= len(content) else 0
        if length < 2 or at + length > len(content):
            return
        yield marker, whole[at + 2 : at + length]
        at += length


def _marker(content: bytes, at: int) -> int:
    """Where the next one stands, behind its 0xFF; 0: nowhere."""
    if content[at : at + 1] == b"\xff" and at + 1 < len(content) and not _NO_MARKER[content[at + 1]]:
        return at + 1  # as between two segments
    for start in range(at, len(content), _BLOCK):
        block = np.frombuffer(content, np.uint8, min(_BLOCK + 1, len(content) - start), start)
        found = np.flatnonzero(block[:-1] == 0xFF)
        found = found[~_NO_MARKER[block[found + 1]]]
        if found.size:
            return start + int(found[0]) + 1
    return 0


@dataclass
class _Scans:
    """What a JPEG's frame says, and which coefficients its scans have given so far."""

    kind: int = 0
    size: tuple[int, int] = (0, 0)
    known: dict[int, list[int]] = field(default_factory=dict)  # of each component: bits still missing, by coefficient
    count: int = 0

    def begin(self, kind: int, body: memoryview) -> None:
        if kind not in (0xC0, 0xC1, 0xC2):
            coded = "arithmetic-coded" if kind in (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF) else "lossless or hierarchical"
            raise FixInput(f"it is a JPEG of a kind that is not taken ({coded}); export it as an ordinary one")
        if self.known:
            raise damaged("it has two frames")
        bits, height, width, components = unpack(">BHHB", body)
        if bits != 8:
            raise FixInput(f"pixels are stored as {bits} bits in a JPEG; {TAKEN}")
        if components not in (1, 3):
            raise FixInput(f"mode {'CMYK' if components == 4 else f'of {components} components'} is not taken; {TAKEN}")
        if len(body) < 6 + 3 * components:
            raise damaged("its frame header is too short")
        self.kind, self.size = kind, (width, height)
        self.known = {body[6 + 3 * one]: [99] * 64 for one in range(components)}

    def add(self, body: memoryview) -> None:
        self.count += 1
        if self.count > MOST_SCANS:
            raise FixInput(f"it has more than {MOST_SCANS} scans, which no picture needs; export it again")
        number = body[0] if len(body) else 0
        if len(body) < 4 + 2 * number:
            raise damaged("the header of a scan is too short")
        first, last, bits = body[1 + 2 * number : 4 + 2 * number]
        first, last, low = (first, min(last, 63), bits & 15) if self.kind == 0xC2 else (0, 63, 0)
        for one in range(number):
            for k in range(first, last + 1) if body[1 + 2 * one] in self.known else ():
                self.known[body[1 + 2 * one]][k] = low

    def stored(self) -> Stored:
        if not self.known:
            raise damaged("it has no frame")
        if any(bits for one in self.known.values() for bits in one):
            raise damaged("some of its scans are missing")
        return Stored(*self.size, "L" if len(self.known) == 1 else "RGB", 8)


def tiff(content: bytes, said: Mapping[int, Any]) -> None:
    """Raises FixInput where a TIFF's tags say of its values what is not followed, or of pixels that are not there."""
    if any(tag not in said for tag in (256, 257)):
        raise damaged("it names no size")
    if 273 in said and 324 in said:
        raise damaged("it names strips and tiles, and only one of them can hold its pixels")
    bits, samples = said.get(258, (1,)), said.get(277, (1,))[0]
    if set(said.get(339, (1,))) - {1, 4}:
        raise FixInput(f"values are stored as signed numbers or floats; {TAKEN}")
    if samples not in (1, 3) or 338 in said:
        raise FixInput(f"mode with extra samples is not taken; {TAKEN}")
    if set(bits) not in ({8}, {16}):
        raise FixInput(f"pixels are stored as {bits[0]} bits, packed; {TAKEN}")
    _refuse_meaning(said, samples)
    if said[262][0] == 0 and bits[0] == 16:
        raise FixInput("white is stored as 0 (MinIsWhite) in 16 bits; export it with black as 0")
    if samples == 3 and bits[0] == 16 and said.get(284, (1,))[0] == 2:
        raise FixInput("16-bit colours are stored in three planes; export it as a plain PNG or TIFF")
    if 34675 in said:
        refuse_profile(bytes(said[34675]), samples == 1)
    elif samples == 3:
        refuse_adobe(content, said)
    _refuse_short(content, said, samples)


def _refuse_meaning(said: Mapping[int, Any], samples: int) -> None:
    """What a TIFF's tags say that its pixels or their values stand for, and that is not followed here."""
    highest = 2 ** said.get(258, (1,))[0] - 1
    if 262 not in said:
        raise FixInput("it does not say whether 0 is black or white (photometric interpretation); export it again")
    if said.get(254, (0,))[0] & 5:
        raise FixInput("its picture is a small copy or a mask of another one; export the picture itself")
    if samples == 1 and 291 in said:
        raise FixInput("it names a density for each value (GrayResponseCurve); export it without")
    if 301 in said and not _is_srgb(said[301][: highest + 1]):
        raise FixInput("its values follow a curve other than that of sRGB (TransferFunction); export it as sRGB")
    primaries = [*said.get(318, _WHITE), *said.get(319, _COLOURS)]
    if samples == 3 and np.abs(np.subtract(_fractions(primaries), np.divide(_PRIMARIES, 1e5))).max() > 0.02:
        raise FixInput("it declares colours other than those of sRGB (PrimaryChromaticities); export it as sRGB")
    for tag in (433, 532) if said[262][0] in (0, 1, 2) else ():
        if tag in said and np.any(_fractions(said[tag]) != np.resize([0, highest], len(said[tag]) // 2)):
            raise FixInput(f"it says that black and white are stored otherwise (tag {tag}); export it without")


def _is_srgb(curve: Sequence[int]) -> bool:
    """Whether a table from stored values to light, 0 to 65535, is about that of sRGB."""
    table = np.asarray(curve, np.float64) / 65535
    stored = np.linspace(0, 1, len(table))
    return bool(
        np.abs(table - np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)).max() < 0.03
    )


def _fractions(pairs: Sequence[int]) -> NDArray[np.float64]:
    """Of numerators and denominators that take turns; nothing divided by nothing is 0."""
    over, under = np.asarray(pairs, np.float64).reshape(-1, 2).T
    return np.divide(over, under, out=np.zeros_like(over), where=under != 0)


def _refuse_short(content: bytes, said: Mapping[int, Any], samples: int) -> None:
    """Strips or tiles that are missing, too short or beyond the end."""
    width, height, bits = said[256][0], said[257][0], said.get(258, (1,))[0]
    planes = samples if said.get(284, (1,))[0] == 2 else 1
    if 322 in said and 323 in said:
        across, down = max(1, said[322][0]), max(1, said[323][0])
        offsets, counts = said.get(324, ()), said.get(325, ())
        pieces, rows = -(-width // across) * -(-height // down), down
    else:
        across, down = width, max(1, min(said.get(278, (height,))[0], height))
        offsets, counts = said.get(273, ()), said.get(279, ())
        pieces, rows = -(-height // down), down
    if len(offsets) < pieces * planes or len(counts) < pieces * planes:
        raise damaged(f"it names {min(len(offsets), len(counts))} of {pieces * planes} strips or tiles")
    ends = np.asarray(offsets, np.uint64) + np.asarray(counts, np.uint64)
    if ends.size and int(ends.max()) > len(content):
        raise damaged("its pixels lie beyond the end of the file")
    packing = said.get(259, (1,))[0]
    if packing not in (1, 8, 32946) or said.get(262, (1,))[0] == 6:
        return
    row = -(-across * bits * (samples if planes == 1 else 1) // 8)
    last = rows if 322 in said else height - (pieces - 1) * down
    whole, most = memoryview(content), row * rows + _BLOCK
    for one, (offset, count) in enumerate(zip(offsets, counts, strict=False)):
        need = row * (last if one % pieces == pieces - 1 else rows)
        if not (count >= need if packing == 1 else _inflates([whole[offset : offset + count]], need, most)):
            raise damaged("a strip or tile holds fewer bytes than its rows need, or others than it was written with")


def _inflates(packed: Sequence[memoryview], need: int, most: int) -> bool:
    """Whether there are as many bytes in it and no more than `most`, and their sum is right: libtiff asks for none of
    these."""
    unpacker, size = zlib.decompressobj(), 0
    try:
        for piece in packed:
            for start in range(0, len(piece), _BLOCK):
                rest = bytes(piece[start : start + _BLOCK])
                while not unpacker.eof and size <= most and (found := unpacker.decompress(rest, 4 * _BLOCK)):
                    size, rest = size + len(found), unpacker.unconsumed_tail
                if unpacker.eof or size > most:
                    return need <= size <= most and unpacker.eof
    except zlib.error:
        return False
    return False


def bmp(content: bytes) -> None:
    """Raises FixInput: shorter than its pixels, packed, or of colours that are described elsewhere."""
    start, size = unpack("<II", content, 10)
    if size < 40:
        return  # of OS/2; its reader judges
    width, height, _, bits, packing = unpack("<iiHHI", content, 18)
    colours = (unpack("<I", content, 46)[0] or 2**bits) if bits <= 8 else 0
    if start < 14 + size + 4 * colours:
        raise damaged("its pixels begin within its header")
    if packing not in (0, 3):
        raise FixInput("it is a packed BMP; export it unpacked, or as PNG")
    if start + -(-abs(width) * bits // 32) * 4 * abs(height) > len(content):
        raise damaged("it is shorter than its pixels")
    if size >= 108 and content[70:74] in (b"DEBM", b"KNIL"):
        raise FixInput("it has a colour profile of its own; export it as sRGB or without a profile")
    if size >= 108 and content[70:74] == bytes(4) and any(content[74:122]):
        raise FixInput("it describes colours of its own (calibrated); export it as sRGB")
    if 0 < colours < 2**bits == 256 and np.frombuffer(content, np.uint8, -1, start).max(initial=0) >= colours:
        raise damaged("its pixels name colours that its palette does not hold")


@lru_cache(64)
def refuse_profile(profile: bytes, grey: bool) -> None:
    """A profile under which values stand for other colours than they do in sRGB, by more than a few steps of 255."""
    import io

    from PIL import Image, ImageCms

    steps = np.linspace(0, 255, 6).astype(np.uint8)
    colours = steps[:, None] if grey else np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 3)
    try:
        given = ImageCms.getOpenProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(given).strip()
        sample = Image.fromarray(colours if grey else colours[None])
        shown = ImageCms.profileToProfile(sample, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        raise damaged("its colour profile cannot be read") from None
    if np.abs(np.asarray(shown, int).reshape(-1, 3) - colours).max() > 4:
        words = "".join(one if one.isprintable() else "?" for one in name[:60])
        raise FixInput(f"its colour profile ({words}) is not sRGB; export it as sRGB or without a profile")
