import io
import resource
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inspection.errors import FetchData, FixInput
from inspection.pictures.images import Picture, believed, decode, largest, levels_of, read, stored
from plant.shot import png
from tests.inspection.world import encoded, noise

SEEDS = {
    f"{kind}-{channels}-{bits}": encoded(noise(1, 9, 11, channels, bits), kind)
    for kind in ("PNG", "JPEG", "TIFF", "BMP")
    for channels, bits in ((1, 8), (3, 8), (1, 16))
    if bits == 8 or kind in ("PNG", "TIFF")
}
SEEDS["PNG-3-16"] = png(noise(1, 9, 11, 3, 16))
SEEDS["TIFF-3-16"] = cv2.imencode(".tiff", cv2.cvtColor(noise(1, 9, 11, 3, 16), cv2.COLOR_RGB2BGR))[1].tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims that size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def refused(content: bytes, max_megapixels: float = 40) -> str:
    with pytest.raises(FixInput) as refusal:
        decode(content, max_megapixels)
    words = str(refusal.value)
    assert words and "\n" not in words
    return words


@pytest.mark.parametrize("name", [name for name in SEEDS if "JPEG" not in name])
def test_a_lossless_file_gives_the_pixels_that_were_put_in(name: str) -> None:
    kind, channels, bits = name.split("-")
    shot = decode(SEEDS[name], 40)
    put_in = noise(1, 9, 11, int(channels), int(bits)).reshape(9, 11, -1)
    assert shot.pixels.dtype == put_in.dtype and np.array_equal(shot.pixels, put_in)
    assert (shot.mode, shot.bit_depth, shot.format) == ("L" if channels == "1" else "RGB", int(bits), kind)
    assert (shot.width, shot.height) == (11, 9)


STUMBLES = {
    "a PNG's text that unpacks to 2 MB": SEEDS["PNG-3-8"].replace(
        b"\0\0\0\0IEND", chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2 * 10**6))) + b"\0\0\0\0IEND"
    ),
    **{
        f"a JPEG's {name}": SEEDS["JPEG-3-8"][:2]
        + mark
        + struct.pack(">H", len(body) + 2)
        + body
        + SEEDS["JPEG-3-8"][2:]
        for name, mark, body in (
            ("short JFIF", b"\xff\xe0", b"JFIF\0"),
            ("short note of Adobe", b"\xff\xee", b"Adobe\0"),
            ("damaged note of Photoshop", b"\xff\xed", b"Photoshop 3.0\x008BIM\xff\xff"),
            ("profile without a number", b"\xff\xe2", b"ICC_PROFILE\0"),
        )
    },
}


@pytest.mark.parametrize("name", STUMBLES)
def test_what_is_taken_in_is_read_later_although_pillow_stumbles_over_it(name: str, tmp_path: Path) -> None:
    with pytest.raises((OSError, ValueError, struct.error)), Image.open(io.BytesIO(STUMBLES[name])) as image:
        image.load()
    taken = decode(STUMBLES[name], 40)
    assert np.array_equal(believed(STUMBLES[name], 40).pixels, taken.pixels)
    (tmp_path / "x").write_bytes(STUMBLES[name])
    assert stored(tmp_path / "x") == (11, 9, "RGB", 8)


@pytest.mark.parametrize("name", SEEDS)
def test_the_header_alone_says_of_every_picture_what_is_taken_of_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(SEEDS[name])
    shot = decode(SEEDS[name], 40)
    assert stored(tmp_path / "x") == (shot.width, shot.height, shot.mode, shot.bit_depth)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "PPM", "JPEG2000", "DIB"])
def test_no_header_of_another_format_slips_through(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(encoded(noise(1, 9, 11, 3), kind))
    with pytest.raises(FixInput, match="expected PNG, JPEG, TIFF or BMP"):
        stored(tmp_path / "x")
    assert "expected PNG, JPEG, TIFF or BMP" in refused(encoded(noise(1, 9, 11, 3), kind))


def test_a_header_that_claims_more_than_any_picture_holds_does_not_slip_through(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(claims(60_000, 60_000))
    with pytest.raises(FixInput):
        stored(tmp_path / "x")


def test_a_jpeg_gives_about_the_pixels_that_were_put_in() -> None:
    smooth = np.tile(np.linspace(40, 200, 32, dtype=np.uint8)[:, None, None], (1, 32, 3))
    shot = decode(encoded(smooth, "JPEG"), 40)
    assert (shot.mode, shot.format, shot.pixels.shape) == ("RGB", "JPEG", (32, 32, 3))
    assert np.abs(shot.pixels.astype(int) - smooth).max() < 10


def test_both_byte_orders_of_16_bit_give_the_same_pixels() -> None:
    pixels = noise(3, 5, 6, 1, 16)
    for order, mark in (("<", b"II"), (">", b"MM")):
        entries = [
            (256, 4, 6),
            (257, 4, 5),
            (258, 3, 16),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, 0),
            (278, 4, 5),
            (279, 4, 60),
        ]
        at = 8 + 2 + 12 * len(entries) + 4
        body = struct.pack(f"{order}H", len(entries))
        for tag, kind, value in entries:
            number = at if tag == 273 else value
            packed = struct.pack(f"{order}I", number) if kind == 4 else struct.pack(f"{order}HH", number, 0)
            body += struct.pack(f"{order}HHI", tag, kind, 1) + packed
        content = mark + struct.pack(f"{order}HI", 42, 8) + body + b"\0" * 4 + pixels.astype(f"{order}u2").tobytes()
        shot = decode(content, 40)
        assert shot.pixels.dtype == np.uint16 and np.array_equal(shot.pixels[:, :, 0], pixels)


def test_levels_lie_on_one_scale_whatever_the_bit_depth() -> None:
    eight = Picture(np.array([[[0], [128], [255]]], np.uint8), "L", 8, "PNG").levels()
    sixteen = Picture(np.array([[[0], [128 * 257], [65535]]], np.uint16), "L", 16, "PNG").levels()
    assert eight.dtype == sixteen.dtype == np.float32 and eight.shape == (1, 3, 1)
    assert eight[0, :, 0].tolist() == [0, 128, 255]
    assert sixteen[0, 2, 0] == 255 and np.allclose(eight, sixteen, atol=1e-4)
    between = Picture(np.array([[[100]]], np.uint16), "L", 16, "PNG").levels()
    assert 0 < float(between[0, 0, 0]) < 1  # fractions are kept


def test_an_empty_file_is_refused() -> None:
    assert "empty" in refused(b"")


@pytest.mark.parametrize("content", [b"part 7: good\n" * 50, b"<html>", b"\0" * 400, b"GIF89a" + b"\0" * 40, b"x"])
def test_what_is_no_image_is_refused_with_the_formats_that_are_taken(content: bytes) -> None:
    assert refused(content) == "not an image; expected PNG, JPEG, TIFF or BMP"


@pytest.mark.parametrize("name", [name for name in SEEDS if "TIFF" not in name])
def test_a_truncated_file_is_refused(name: str) -> None:
    content = SEEDS[name]
    assert "export it again" in refused(content[: len(content) - 30])
    for length in range(1, len(content) - 30, 7):
        assert refused(content[:length])


def test_a_truncated_tiff_is_refused() -> None:
    assert "export it again" in refused(SEEDS["TIFF-1-8"][:-20]) or "not an image" in refused(SEEDS["TIFF-1-8"][:-20])


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "F", "I", "YCbCr"])
def test_a_mode_that_no_camera_may_declare_is_refused_by_name(mode: str) -> None:
    buffer = io.BytesIO()
    kind = "PNG" if mode in ("1", "P", "LA", "RGBA") else "TIFF"
    Image.new(mode, (8, 8)).save(buffer, kind)
    words = refused(buffer.getvalue())
    assert words.startswith(f"mode {mode} ") and "8 or 16 bit, grey or RGB" in words


@pytest.mark.parametrize("compression", [1, 5, 8])  # none, LZW, deflate
def test_16_bit_colour_keeps_both_bytes_however_the_tiff_is_packed(compression: int) -> None:
    pixels = noise(5, 40, 30, 3, 16)
    packed = cv2.imencode(
        ".tiff", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    )[1].tobytes()
    shot = decode(packed, 40)
    assert (shot.mode, shot.bit_depth, shot.format) == ("RGB", 16, "TIFF") and np.array_equal(shot.pixels, pixels)


def test_16_bit_colour_with_alpha_is_refused() -> None:
    deep = noise(1, 6, 28, 1, 16).reshape(6, 7, 4)
    assert "mode RGBA is not taken" in refused(cv2.imencode(".png", deep)[1].tobytes())


def test_16_bit_colour_of_which_rows_are_missing_is_refused_although_opencv_fills_them_up() -> None:
    header = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(range(120))) * 9)  # of 20
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert "export it again" in refused(content)


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "GIF"])
def test_a_file_with_several_pictures_is_refused(kind: str) -> None:
    buffer = io.BytesIO()
    first, second = (Image.fromarray(noise(n, 8, 8)) for n in (1, 2))
    first.save(buffer, kind, save_all=True, append_images=[second])
    words = refused(buffer.getvalue())
    assert words == "not an image; expected PNG, JPEG, TIFF or BMP" if kind == "GIF" else "several pictures" in words


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_exif_orientation_that_turns_a_picture_is_refused_and_one_that_does_not_is_taken(kind: str) -> None:
    for orientation in range(1, 9):
        exif, buffer = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        Image.fromarray(noise(1, 8, 24)).save(buffer, kind, exif=exif)
        if orientation == 1:
            assert decode(buffer.getvalue(), 40).pixels.shape == (8, 24, 1)
        else:
            assert f"EXIF orientation {orientation}" in refused(buffer.getvalue())


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow on broken tags
@pytest.mark.parametrize("name", sorted(SEEDS))
def test_a_truncated_file_never_gives_other_pixels(name: str) -> None:
    whole = decode(SEEDS[name], 40).pixels
    for length in range(1, len(SEEDS[name])):
        try:
            shot = decode(SEEDS[name][:length], 40)
        except FixInput:
            continue
        assert np.array_equal(shot.pixels, whole), length


def test_levels_of_8_bit_are_the_pixels() -> None:
    pixels = noise(1, 9, 11).reshape(9, 11, 1)
    assert np.array_equal(Picture(pixels, "L", 8, "PNG").levels(), pixels.astype(np.float32))
    assert np.array_equal(Picture(pixels, "L", 8, "PNG").levels((0, 255)), pixels.astype(np.float32))


@pytest.mark.parametrize(("bits", "black", "white"), [(8, 16, 235), (16, 0, 4095), (16, 240, 65535), (16, 63, 1023)])
def test_black_becomes_0_and_white_255_exactly_and_what_lies_outside_is_cut_off(
    bits: int, black: int, white: int
) -> None:
    stored = np.array([0, black, (black + white) / 2, white, 2**bits - 1])
    pixels = stored.astype(np.uint8 if bits == 8 else np.uint16).reshape(1, 5, 1)
    levels = Picture(pixels, "L", bits, "PNG").levels((black, white))[0, :, 0]
    assert levels.dtype == np.float32
    assert levels[[0, 1, 3, 4]].tolist() == [0, 0, 255, 255]
    assert levels[2] == pytest.approx(255 * (int(pixels[0, 2, 0]) - black) / (white - black), rel=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_full_light_is_255_for_every_span(bits: int) -> None:
    """Otherwise saturated pixels would not count as clipped."""
    for white in range(2, 2**bits, 1 if bits == 8 else 257):
        pixels = np.full((1, 1, 1), white, np.uint8 if bits == 8 else np.uint16)
        assert Picture(pixels, "L", bits, "PNG").levels((1, white))[0, 0, 0] == 255


def test_the_levels_of_a_capture_follow_what_its_camera_was_declared_to_deliver(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(np.full((2, 2), 4095, np.uint16)))
    rows = pd.DataFrame({"path": ["a.png", "a.png"], "black": [0, 0], "white": [4095, 65535]})
    deep, full = (levels_of(tmp_path, 40, row) for row in rows.itertuples(index=False))
    assert deep.max() == 255 and full.max() < 16


def test_no_picture_that_is_taken_is_larger_than_the_largest() -> None:
    deep = noise(1, 1000, 1000, 3, 16)  # noise does not compress
    plain = cv2.imencode(".tiff", deep, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1]
    assert len(plain) <= largest(1) and len(png(deep)) <= largest(1) < 2 * len(plain)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_less_than_8_bit_is_refused_and_not_silently_stretched(bits: int) -> None:
    header = struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)
    rows = (b"\0" + b"\x5a" * bits) * 2
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert "8 or 16 bit, grey or RGB" in refused(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 2**31 - 1), (60000, 1000), (7000, 7000), (1, 10**9)])
def test_a_decompression_bomb_is_refused_at_once_and_without_memory(size: tuple[int, int]) -> None:
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    words = refused(claims(*size))
    assert "pixels" in words
    assert time.monotonic() - begin < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_an_image_larger_than_the_limit_is_refused_with_the_setting_s_name_and_one_at_the_limit_is_taken() -> None:
    content = encoded(noise(1, 100, 100))
    assert decode(content, 0.01).width == 100
    assert "100×100" in refused(content, 0.0099) and "ingest.max_megapixels = 0.0099" in refused(content, 0.0099)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow on broken tags
@settings(max_examples=400)
@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(
        st.tuples(st.integers(0, 10**6), st.one_of(st.sampled_from([0, 1, 255]), st.integers(0, 255))), max_size=4
    ),
    st.one_of(st.none(), st.integers(1, 400)),
    st.binary(max_size=3),
)
def test_damaged_bytes_give_a_picture_or_a_refusal_and_nothing_else(
    name: str, changes: list[tuple[int, int]], length: int | None, inserted: bytes
) -> None:
    content = bytearray(SEEDS[name][:length])
    for at, value in changes:  # half of them within the first 64 bytes, where the header is
        content[at % (min(64, len(content)) if at % 2 else len(content))] = value
    middle = len(content) // 2
    content[middle:middle] = inserted
    try:
        shot = decode(bytes(content), 1)
    except FixInput as error:
        assert str(error)
    else:
        assert shot.pixels.ndim == 3 and shot.pixels.shape[2] in (1, 3) and shot.pixels.dtype in (np.uint8, np.uint16)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_picture_or_a_refusal(content: bytes) -> None:
    try:
        assert isinstance(decode(content, 1), Picture)
    except FixInput as error:
        assert str(error)


def test_reading_names_the_file_that_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part 7.png").write_text("good")
    with pytest.raises(FixInput, match=r"part 7\.png: not an image"):
        read(tmp_path / "part 7.png", 40)


def test_reading_a_file_that_is_not_there_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(FetchData, match=r"a\.png is not on this disk: run `dvc pull`"):
        read(tmp_path / "a.png", 40)


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(noise(1, 1, 1)))
    assert read(tmp_path / "a.png", 40).pixels.shape == (1, 1, 1)
