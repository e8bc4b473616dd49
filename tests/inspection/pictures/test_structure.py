import io
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from inspection.errors import FixInput
from inspection.pictures.images import decode, header
from inspection.pictures.tags import tags
from tests.inspection.intake.files import SIGNATURE, chunk, encoded, many_scans, png, rows, smooth, tiff
from tests.inspection.world import noise

GREY, COLOUR = smooth(30, 41, 1), smooth(30, 41, 3)
DEEP = noise(1, 30, 41, 1, 16).reshape(30, 41, 1)
PACKED = zlib.compress(rows(COLOUR))


def refused(content: bytes) -> str:
    with pytest.raises(FixInput) as refusal:
        decode(content, 40)
    words = str(refusal.value)
    assert words and "\n" not in words and len(words) < 300
    return words


MEGABYTE = zlib.compress(bytes(10**6), 9)


def other_profile() -> bytes:
    """sRGB with its red and blue exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    table = {bytes(profile[128 + 4 + 12 * k :][:4]): 128 + 4 + 12 * k for k in range(profile[131])}
    red, blue = table[b"rXYZ"], table[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = profile[blue : blue + 4], profile[red : red + 4]
    return bytes(profile)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ADOBE = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
MPF = b"MPF\0MM\0*\0\0\0\x08\0\x01\xb0\x01\0\x04\0\0\0\x01\0\0\0\x02\0\0\0\0"


def with_segment(content: bytes, marker: int, body: bytes) -> bytes:
    return content[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + content[2:]


def exif(*camera: tuple[int, int, int, bytes], order: str = ">") -> bytes:
    """An EXIF block that says these tags (tag, type, count, value) of its camera, and `camera` alone."""

    def told(*entries: tuple[int, int, int, bytes]) -> bytes:
        rows_ = [struct.pack(f"{order}HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries]
        return struct.pack(f"{order}H", len(entries)) + b"".join(rows_) + bytes(4)

    first = told((0x8769, 4, 1, struct.pack(f"{order}I", 26)))
    inner = told(*camera, (0xA005, 4, 1, struct.pack(f"{order}I", 26 + 6 + 12 * (len(camera) + 1))))
    return (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", 8) + first + inner


def indexed(block: bytes, index: bytes, order: str = ">") -> bytes:
    """With the index of interoperability behind it."""
    return block + struct.pack(f"{order}HHHI4sI", 1, 1, 2, 4, index, 0)


SPACE_2, SPACE_1, UNCALIBRATED = ((0xA001, 3, 1, struct.pack(">H", space)) for space in (2, 1, 65535))
SAYS_ADOBE = {
    "colour space 2": exif(SPACE_2),
    "colour space 2, little-endian": exif((0xA001, 3, 1, struct.pack("<H", 2)), order="<"),
    "index R03": indexed(exif(UNCALIBRATED), b"R03\0"),
    "index R03, little-endian": indexed(exif(order="<"), b"R03\0", "<"),
}
SAYS_NOTHING = {
    "sRGB": indexed(exif(SPACE_1), b"R98\0"),
    "no calibration": exif(UNCALIBRATED),
    "a thumbnail's index": indexed(exif(UNCALIBRATED), b"THM\0"),
    "damaged": exif(SPACE_2)[:30],
}


@pytest.mark.parametrize("name", SAYS_ADOBE)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_colours_of_adobe_rgb_by_the_word_of_exif_alone_are_refused(kind: str, name: str) -> None:
    said = encoded(COLOUR, kind, exif=b"Exif\0\0" + SAYS_ADOBE[name])
    assert "Adobe RGB" in refused(said) and "export it as sRGB" in refused(said)
    decode(encoded(GREY, kind, exif=b"Exif\0\0" + SAYS_ADOBE[name]), 40)  # grey has no colours


@pytest.mark.parametrize("name", SAYS_NOTHING)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_that_says_srgb_or_nothing_of_colours_is_taken(kind: str, name: str) -> None:
    decode(encoded(COLOUR, kind, exif=b"Exif\0\0" + SAYS_NOTHING[name]), 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_profile_says_more_than_exif(kind: str) -> None:
    decode(encoded(COLOUR, kind, exif=b"Exif\0\0" + SAYS_ADOBE["colour space 2"], icc_profile=SRGB), 40)


def test_an_exif_block_that_names_the_same_megabytes_again_and_again_is_read_for_a_bounded_time() -> None:
    entry = struct.pack(">HHII", 0x9000, 1, 10**6, 8)
    rows_ = b"".join(struct.pack(">H", number) + entry[2:] for number in range(1, 1001))
    block = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 1000) + rows_ + bytes(4 + 10**6)
    assert len(tags(block, strict=False)) == 4


def test_a_tiff_says_it_in_its_own_directories() -> None:
    block = Image.Exif()
    block.get_ifd(0x8769)[0xA001] = 2
    assert "Adobe RGB" in refused(encoded(COLOUR, "TIFF", exif=block.tobytes()))
    decode(encoded(COLOUR, "TIFF", exif=block.tobytes(), icc_profile=SRGB), 40)


def without(content: bytes, tag: int) -> bytes:
    """A TIFF of which one tag has another, private number."""
    entry = struct.pack("<HHI", tag, 3, 1)
    assert content.count(entry) == 1
    return content.replace(entry, struct.pack("<HHI", 65000, 3, 1))


def late_header(first: bytes) -> bytes:
    """A PNG that begins with another chunk."""
    content = png(41, 30, 8, 2, PACKED)
    return SIGNATURE + first + content[len(SIGNATURE) :]


def bmp(pixels: np.ndarray, size: int, calibrated: bytes = b"", palette: int = 256, start: int = 0) -> bytes:
    """A BMP whose header takes `size` bytes, with a palette of so many greys where it is grey."""
    height, width, channels = pixels.shape
    colours = b"".join(bytes([k, k, k, 0]) for k in range(palette)) if channels == 1 else b""
    lines = b"".join(row[:, ::-1].tobytes().ljust(-(-width * channels // 4) * 4, b"\0") for row in pixels[::-1])
    head = struct.pack("<IiiHHIIiiII", size, width, height, 1, 8 * channels, 0, len(lines), 1, 1, len(colours) // 4, 0)
    head = (head + (bytes(56) + calibrated if calibrated else b"")).ljust(size, b"\0")
    at = start or 14 + size + len(colours)
    return b"BM" + struct.pack("<IHHI", 14 + len(head + colours + lines), 0, 0, at) + head + colours + lines


def primaries(*of: int) -> dict[int, tuple[int, list[int]]]:
    """What a TIFF says of white and of its primaries, each number times 100,000."""
    pairs = [number for one in of for number in (one, 100_000)]
    return {318: (5, pairs[:4]), 319: (5, pairs[4:])}


PRIMARIES_OF_ADOBE = primaries(*ADOBE)
SRGB_CURVE = [round(65535 * (k / 255) ** 2.2) for k in range(256)]
HALF_FOLLOWED = {
    "a PNG's transparent colour": (png(41, 30, 8, 2, PACKED, chunk(b"tRNS", b"\0\1" * 3)), "transparent"),
    "a PNG of linear values": (png(41, 30, 8, 2, PACKED, chunk(b"gAMA", struct.pack(">I", 100000))), "gamma of 1"),
    "a PNG of other colours": (png(41, 30, 8, 2, PACKED, chunk(b"cHRM", struct.pack(">8I", *ADOBE))), "cHRM"),
    "a PNG of high dynamic range": (png(41, 30, 8, 2, PACKED, chunk(b"cICP", b"\x09\x10\0\1")), "cICP"),
    "an animated PNG": (png(41, 30, 8, 2, PACKED, chunk(b"acTL", struct.pack(">II", 2, 0))), "several pictures"),
    "a PNG's profile": (encoded(COLOUR, "PNG", icc_profile=other_profile()), "colour profile"),
    "a JPEG's profile": (encoded(COLOUR, "JPEG", icc_profile=other_profile()), "colour profile"),
    "a TIFF's profile": (encoded(COLOUR, "TIFF", icc_profile=other_profile()), "colour profile"),
    "a profile that is none": (encoded(COLOUR, "JPEG", icc_profile=b"x" * 400), "colour profile cannot be read"),
    "a JPEG of several pictures": (with_segment(encoded(GREY, "JPEG"), 0xE2, MPF), "several pictures"),
    "a TIFF of 12 packed bits": (tiff(DEEP, said={258: (3, [12])}), "12 bits, packed"),
    "a TIFF of 4 packed bits": (tiff(GREY, said={258: (3, [4])}), "4"),
    "a TIFF of 2 packed bits": (tiff(GREY, said={258: (3, [2])}), "2"),
    "a deep TIFF with white as 0": (tiff(DEEP, said={262: (3, [0])}), "MinIsWhite"),
    "a TIFF of signed values": (tiff(GREY, said={339: (3, [2])}), "signed"),
    "a TIFF of signed 16-bit values": (tiff(DEEP, said={339: (3, [2])}), ""),
    "a TIFF with a palette": (tiff(GREY, said={262: (3, [3]), 320: (3, [0] * 768)}), "mode P"),
    "a TIFF with a colour filter": (tiff(GREY, said={262: (3, [32803])}), ""),
    "a TIFF of Lab": (tiff(COLOUR, said={262: (3, [8])}), "mode LAB"),
    "a TIFF with alpha": (tiff(smooth(30, 41, 3)[..., [0, 1, 2, 0]], said={338: (3, [2])}), "mode RGBA"),
    "a TIFF with a channel to spare": (tiff(COLOUR[..., [0, 1, 2, 0]], said={338: (3, [0])}), "extra samples"),
    "a TIFF of linear values from a colour filter": (tiff(COLOUR, said={262: (3, [34892])}), ""),
    "a TIFF whose values follow a curve": (tiff(GREY, said={301: (3, [257 * k for k in range(256)])}), "curve"),
    "a TIFF of densities": (tiff(GREY, said={291: (3, [2000 - 7 * k for k in range(256)])}), "density"),
    "a TIFF of other colours": (tiff(COLOUR, said=PRIMARIES_OF_ADOBE), "PrimaryChromaticities"),
    "a TIFF of television's black and white": (tiff(COLOUR, said={532: (5, [15, 1, 235, 1] * 3)}), "tag 532"),
    "a TIFF that is decoded upside down": (tiff(GREY, said={433: (5, [255, 1, 0, 1])}), ""),
    "a TIFF that is a small copy": (tiff(GREY, said={254: (4, [1])}), "small copy or a mask"),
    "a TIFF that is a mask": (tiff(GREY, said={254: (4, [4])}), "small copy or a mask"),
    "a TIFF that does not say what 0 is": (without(tiff(GREY), 262), "photometric"),
    "a TIFF of strips and tiles": (tiff(GREY, tile=16, said={273: (4, [8]), 279: (4, [1230])}), "strips and tiles"),
    "a TIFF by another mark": (b"II\0*" + tiff(GREY, said={262: (3, [32803])})[4:], ""),
    "a PNG of television's black and white": (png(41, 30, 8, 2, PACKED, chunk(b"cICP", b"\x01\x0d\0\0")), "cICP"),
    "a PNG that begins with another chunk": (late_header(chunk(b"tRNS", b"\0\1" * 3)), "begin with its header"),
    "a PNG of a telephone": (late_header(chunk(b"CgBI", b"\x50\0\x20\2")), "begin with its header"),
    "a BMP with colours of its own": (bmp(COLOUR, 108, calibrated=b"\0\0\1\0" * 3), "colours of its own"),
    "a BMP with too small a palette": (bmp(GREY, 40, palette=16), "palette"),
    "a BMP whose pixels begin within its header": (bmp(COLOUR, 40, start=14), "within its header"),
    "deep colours in planes": (tiff(noise(1, 30, 41, 3, 16), planar=2), "three planes"),
}


@pytest.mark.parametrize("name", HALF_FOLLOWED)
def test_what_a_file_says_of_its_values_and_is_not_followed_refuses_it(name: str) -> None:
    content, words = HALF_FOLLOWED[name]
    assert words in refused(content)


@pytest.mark.parametrize(
    "content",
    [
        encoded(COLOUR, "PNG", icc_profile=SRGB),
        encoded(COLOUR, "TIFF", icc_profile=SRGB),
        png(41, 30, 8, 2, PACKED, chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"sRGB", b"\0")),
        png(41, 30, 8, 2, PACKED, chunk(b"cHRM", struct.pack(">8I", *ADOBE[:4], 30000, 60000, 15000, 6000))),
        png(41, 30, 8, 2, PACKED, chunk(b"acTL", struct.pack(">II", 1, 0))),
        tiff(COLOUR, planar=2),
        tiff(COLOUR, said={274: (3, [1])}),
        tiff(COLOUR, said=primaries(*ADOBE[:4], 30000, 60000, 15000, 6000)),
        tiff(COLOUR, said={301: (3, SRGB_CURVE * 3)}),
        tiff(COLOUR, said={532: (5, [0, 1, 255, 1] * 3)}),
        png(41, 30, 8, 2, PACKED, chunk(b"cICP", b"\x01\x0d\0\1")),
        bmp(COLOUR, 40),
        bmp(COLOUR, 108),
    ],
)
def test_what_changes_no_value_is_taken(content: bytes) -> None:
    assert np.array_equal(decode(content, 40).pixels, COLOUR)


def test_white_as_0_and_the_order_of_rows_are_followed_in_a_tiff_of_8_bits() -> None:
    assert np.array_equal(decode(tiff(GREY, said={262: (3, [0])}), 40).pixels, 255 - GREY)
    assert np.array_equal(decode(tiff(GREY, packing=8, said={262: (3, [0])}), 40).pixels, 255 - GREY)
    assert np.array_equal(decode(tiff(GREY, said={274: (3, [3])}), 40).pixels, GREY[::-1, ::-1])
    assert np.array_equal(decode(tiff(GREY, packing=8, said={274: (3, [6])}), 40).pixels, np.rot90(GREY, -1))


@pytest.mark.parametrize(("kind", "words"), [(0xC9, "arithmetic"), (0xCA, "arithmetic"), (0xC3, "lossless")])
def test_a_jpeg_of_another_kind_is_refused_in_words(kind: int, words: str) -> None:
    content = encoded(GREY, "JPEG")
    at = content.index(b"\xff\xc0")
    assert words in refused(content[: at + 1] + bytes([kind]) + content[at + 2 :])
    assert "12 bits" in refused(content[: at + 4] + b"\x0c" + content[at + 5 :])


def test_a_progressive_jpeg_of_which_whole_scans_are_missing_is_refused_although_no_decoder_warns() -> None:
    content = encoded(COLOUR, "JPEG", progressive=True)
    starts = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]
    for at in starts[1:]:
        assert "some of its scans are missing" in refused(content[:at] + b"\xff\xd9")


def text(number: int) -> bytes:
    """A megabyte in one thousand bytes."""
    return chunk(b"zTXt", b"k%d\0\0" % number + MEGABYTE)


def directory(entries: int, kind: int = 4, count: int = 1, at: int = 8) -> bytes:
    body = b"".join(struct.pack("<HHII", 700 + k, kind, count, at) for k in range(entries))
    return struct.pack("<2sHIH", b"II", 42, 8, entries) + body + struct.pack("<I", 0)


def chained(number: int) -> bytes:
    """Directories of a TIFF that lead from one to the next, and the last to the first."""
    body = b"".join(struct.pack("<HHHIII", 1, 256, 4, 1, 9, 8 + 18 * ((k + 1) % number)) for k in range(number))
    return struct.pack("<2sHI", b"II", 42, 8) + body


ATTACKS: dict[str, Callable[[], bytes]] = {
    "2,000 scans": lambda: many_scans(2000, 1500, 2000),
    "3 million chunks": lambda: png(41, 30, 8, 2, PACKED, chunk(b"quIt") * 3_000_000),
    "3 million chunks of pixels": lambda: SIGNATURE + png(41, 30, 8, 2, PACKED)[8:33] + chunk(b"IDAT") * 3_000_000,
    "texts that unpack to gigabytes": lambda: png(41, 30, 8, 2, PACKED, *map(text, range(2000))),
    "a text of 5 MB": lambda: png(41, 30, 8, 2, PACKED, chunk(b"tEXt", b"k\0" + b"x" * 5_000_000)),
    "a profile that unpacks to 100 MB": lambda: png(
        41, 30, 8, 2, PACKED, chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(10**8), 9))
    ),
    "segments without end": lambda: encoded(GREY, "JPEG")[:2] + b"\xff\xe5\0\2" * 1_000_000,
    "0xFF without end": lambda: encoded(GREY, "JPEG")[:-2] + b"\xff" * 5_000_000,
    "a TIFF of 60,000 tags": lambda: directory(60_000),
    "a TIFF whose tags are all of one piece": lambda: directory(900, 1, 900_000) + bytes(2_000_000),
    "a TIFF that leads in a circle": lambda: chained(60_000),
    "a TIFF that leads to itself": lambda: chained(1),
    "a TIFF of a billion strips": lambda: tiff(GREY, said={278: (4, [1]), 257: (4, [10**6])}),
    "a strip that unpacks to a gigabyte": lambda: tiff(
        np.zeros((1000, 1000, 1), np.uint8), packing=8, said={256: (4, [10]), 257: (4, [10]), 278: (4, [10])}
    ),
    "40 megapixels and one strip": lambda: tiff(GREY, said={256: (4, [8000]), 257: (4, [5000])}),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_before_a_pixel_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = ATTACKS[name]()
    monkeypatch.setattr("inspection.pictures.decoder.decoded", None)
    begin = time.process_time()
    with pytest.raises(FixInput) as refusal:
        header(content, 40)
    assert time.process_time() - begin < 1 and str(refusal.value)


def test_a_large_deflated_tiff_of_one_strip_is_checked_in_no_time() -> None:
    pixels = noise(1, 3000, 3000).reshape(3000, 3000, 1)
    content = tiff(pixels, packing=8)
    begin = time.process_time()
    header(content, 40)
    assert time.process_time() - begin < 1
    assert np.array_equal(decode(content, 40).pixels, pixels)


def test_the_largest_picture_is_taken() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((5000, 8000), np.uint8)).save(buffer, "JPEG", progressive=True)
    begin = time.process_time()
    assert decode(buffer.getvalue(), 40).width == 8000
    assert time.process_time() - begin < 10
