import io
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from inspection.errors import FixInput
from inspection.pictures import decoder, structure, tags
from inspection.pictures.images import believed, decode
from tests.inspection.intake.files import chunk, encoded, many_scans, png, rows, smooth, tiff
from tests.inspection.world import noise

JPEGS = {
    f"{channels}-{quality}-{progressive}-{blocks}-{subsampling}": encoded(
        smooth(123, 217, channels),
        "JPEG",
        quality=quality,
        progressive=progressive,
        restart_marker_blocks=blocks,
        **({"subsampling": subsampling} if channels == 3 else {}),
    )
    for channels, quality, progressive, blocks, subsampling in product(
        (1, 3), (5, 75, 100), (False, True), (0, 3), (0, 1, 2)
    )
    if channels == 3 or not subsampling
}


def refused(content: bytes) -> str:
    with pytest.raises(FixInput) as refusal:
        decode(content, 40)
    words = str(refusal.value)
    assert words and "\n" not in words
    return words


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_that_was_cut_and_closed_is_refused_with_the_decoder_s_words(name: str) -> None:
    whole = JPEGS[name]
    start = whole.index(b"\xff\xda") + 20
    for share in (0.1, 0.5, 0.9):
        cut = whole[: start + int((len(whole) - start) * share)].rstrip(b"\xff")
        words = refused(cut + b"\xff\xd9")
        assert "export it again" in words
        assert "Corrupt JPEG data" in words or "scans are missing" in words or "breaks off" in words


@pytest.mark.parametrize("name", JPEGS)
def test_bytes_after_a_whole_jpeg_are_taken_and_the_pixels_are_as_ever(name: str) -> None:
    for trail in (b"", b"\0" * 700, b"\xff\xd8\xff\xe0 a thumbnail"):
        assert np.array_equal(decode(JPEGS[name] + trail, 40).pixels, believed(JPEGS[name], 40).pixels)


@pytest.mark.parametrize("name", [name for name in JPEGS if "-0-" in name or "-3-" in name])
def test_bits_that_turned_in_a_jpeg_are_refused_wherever_its_decoder_warns(name: str) -> None:
    whole, warned = JPEGS[name], 0
    start = whole.index(b"\xff\xda") + 20
    for at in range(start, len(whole) - 2, max(1, (len(whole) - start) // 12)):
        changed = bytearray(whole)
        changed[at : at + 3] = b"\x55\xaa\x11"
        try:
            decode(bytes(changed), 40)
        except FixInput as error:
            warned += "Corrupt JPEG data" in str(error)
    assert warned


def test_an_end_that_is_missing_or_comes_late_is_refused() -> None:
    whole = JPEGS["3-75-False-0-2"]
    assert "breaks off" in refused(whole[:-2])
    assert "extraneous bytes" in refused(whole[:-2] + b"\x11\x22\x33" * 9 + whole[-2:])


PIXELS = smooth(30, 41, 3)
PACKED = zlib.compress(rows(PIXELS))
HALF = zlib.compress(rows(PIXELS))[: len(PACKED) // 2]
TURNED = PACKED[:-1] + bytes([PACKED[-1] ^ 1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(41, 30, 8, 2, HALF), "Not enough image data"),
        (png(41, 30, 8, 2, PACKED[:-4]), "Not enough image data"),
        (png(41, 30, 8, 2, TURNED), "incorrect data check"),
        (png(41, 30, 8, 2, zlib.compress(rows(PIXELS[:-1]))), "Not enough image data"),
        (png(41, 30, 8, 2, zlib.compress(rows(PIXELS) + b"more")), "Too much image data"),
        (png(41, 30, 8, 2, PACKED + b"more"), "Extra compressed data"),
        (png(41, 30, 8, 2, PACKED)[:-20] + b"\0\0\0\0" + png(41, 30, 8, 2, PACKED)[-16:], ""),
        (png(41, 30, 8, 2, PACKED, end=False), "breaks off"),
        (png(41, 30, 8, 2, PACKED)[:-13] + b"!" + png(41, 30, 8, 2, PACKED)[-12:], "CRC error"),
        (png(41, 30, 8, 2, PACKED, chunk(b"zTXt", b"a\0\0no such thing")), "zTXt"),
    ],
)
def test_a_damaged_png_is_refused(content: bytes, words: str) -> None:
    assert words in refused(content)


def test_a_whole_png_is_taken_with_bytes_behind_its_end() -> None:
    assert np.array_equal(decode(png(41, 30, 8, 2, PACKED) + b"behind" * 99, 40).pixels, PIXELS)


@pytest.mark.parametrize("packing", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_packed_tiff_whose_strips_are_cut_is_refused(packing: str, channels: int) -> None:
    whole = encoded(smooth(200, 300, channels), "TIFF", compression=packing)
    with Image.open(io.BytesIO(whole)) as image:
        tags = dict(image.tag_v2)  # type: ignore[attr-defined]
    at, count = tags[273][-1], tags[279][-1]
    assert np.array_equal(decode(whole, 40).pixels, believed(whole, 40).pixels)
    emptied = whole[: at + count // 2] + b"\0" * (count - count // 2) + whole[at + count :]
    if packing != "packbits":  # zeros are packed bytes there
        assert "damaged" in refused(emptied)
    assert "damaged" in refused(whole[: min(at + count // 2, len(whole) - 30)])


@pytest.mark.parametrize(
    "made", [{}, {"rows": 7}, {"tile": 16}, {"order": ">"}, {"packing": 8}, {"tile": 16, "packing": 8}]
)
@pytest.mark.parametrize("kind", [(1, 8), (3, 8), (1, 16), (3, 16)])
def test_a_tiff_of_any_making_gives_the_pixels_put_in_and_a_short_one_none(
    made: dict[str, Any], kind: tuple[int, int]
) -> None:
    pixels = noise(1, 37, 53, *kind).reshape(37, 53, -1)
    assert np.array_equal(decode(tiff(pixels, **made), 40).pixels, pixels)
    assert np.array_equal(decode(tiff(pixels, **made) + b"behind", 40).pixels, pixels)
    assert "damaged" in refused(tiff(pixels, cut=20, **made))


def test_a_private_tag_of_a_camera_is_no_damage() -> None:
    pixels = noise(1, 9, 11).reshape(9, 11, 1)
    assert np.array_equal(decode(tiff(pixels, packing=8, said={65000: (3, [7])}), 40).pixels, pixels)


def test_a_bmp_that_is_too_short_is_refused() -> None:
    whole = encoded(smooth(30, 41, 3), "BMP")
    assert np.array_equal(decode(whole + b"\0\0", 40).pixels, smooth(30, 41, 3))
    assert "damaged" in refused(whole[:-1])


def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((structure, "MOST_SCANS"), (structure, "MOST_SEGMENTS"), (tags, "MOST_ASIDE")):
        monkeypatch.setattr(module, name, 10**9)
    begin = time.monotonic()
    assert "far more than a picture of its size" in refused(many_scans(1200, 800, 10_000))
    assert time.monotonic() - begin < 60  # its scans alone would take minutes
    assert decode(JPEGS["3-75-False-0-2"], 40).width == 217


def test_a_decoder_that_is_killed_refuses_its_file_only() -> None:
    content = JPEGS["3-75-False-0-2"]
    decode(content, 40)
    process = decoder._idle[-1]
    os.kill(process._popen.pid, signal.SIGKILL)
    process._popen.wait()
    assert decode(content, 40).width == 217


def test_a_picture_is_not_called_wrong_where_the_computer_was_too_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    content = JPEGS["3-75-False-0-2"]
    decode(content, 40)
    monkeypatch.setattr(decoder, "PATIENCE", 0.2)
    os.kill(decoder._idle[-1]._popen.pid, signal.SIGSTOP)  # it gets no processor
    words = refused(content)
    assert "too busy" in words and "andon quarantine retry" in words and "export" not in words
    monkeypatch.undo()
    assert decode(content, 40).width == 217


def test_memory_beyond_the_picture_s_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    large = encoded(np.zeros((4000, 4000, 3), np.uint8), "PNG")
    assert decode(large, 40).width == 4000
    monkeypatch.setattr(decoder, "SPARE", 2**20 - 4 * 48_000_000)
    assert "memory" in refused(large)
    monkeypatch.undo()
    assert decode(large, 40).width == 4000


def test_it_works_where_memory_is_limited_already() -> None:
    code = (
        "import resource; from inspection.pictures import decoder, images;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31));"
        f"print([images.decode({JPEGS['1-5-False-0-0']!r}, 40).width for _ in range(3)], decoder._idle[0].lives)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[217, 217, 217] True\n"


def test_one_process_decodes_one_file_after_the_other() -> None:
    pids = set()
    for content in (*list(JPEGS.values())[:3], b"\xff\xd8\xff no picture"):
        with suppress(FixInput):
            decode(content, 40)
        pids |= {process._popen.pid for process in decoder._idle}
    assert len(pids) == len(decoder._idle)


def test_a_process_that_was_forked_has_a_decoder_of_its_own() -> None:
    content = JPEGS["3-75-False-0-2"]
    decode(content, 40)
    child = os.fork()
    if not child:
        os._exit(0 if not decoder._idle and decode(content, 40).width == 217 else 1)
    assert decode(content, 40).width == 217
    assert os.waitpid(child, 0)[1] == 0
    assert decode(content, 40).width == 217


def test_a_decoder_ends_with_whom_it_works_for() -> None:
    code = (
        "import io, sys; from inspection.pictures import decoder, images;"
        f"images.decode({JPEGS['1-5-False-0-0']!r}, 40); print(decoder._idle[0]._popen.pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_threads_decode_each_with_its_own() -> None:
    found: dict[str, Any] = {}

    def work(name: str) -> None:
        for _ in range(5):
            found[name] = decode(JPEGS[name], 40).pixels

    names = list(JPEGS)[:4]
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[name], believed(JPEGS[name], 40).pixels) for name in names)


def test_a_large_picture_that_is_damaged_is_refused_before_there_is_a_place_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoder, "LARGE", 0)
    pixels = smooth(1500, 2000, 3)
    whole = encoded(pixels, "JPEG", progressive=True, subsampling=0)
    decode(encoded(pixels[:8, :8], "JPEG"), 40)
    idle = _peak()
    with pytest.raises(FixInput, match="premature end"):
        decode(whole[: len(whole) * 9 // 10] + b"\xff\xd9", 40)
    assert _peak() - idle < 2.5 * pixels.nbytes + len(whole), "its coefficients are twice the picture"
    assert np.array_equal(decode(whole, 40).pixels, believed(whole, 40).pixels), "and a sound one is as ever"
    for colours in (pixels, smooth(150, 200, 1)):
        drawn = encoded(colours, "PNG")
        at = len(drawn) // 2
        with pytest.raises(FixInput, match="sum of its chunk IDAT is wrong"):
            decode(drawn[:at] + bytes([drawn[at] ^ 1]) + drawn[at + 1 :], 40)
        assert np.array_equal(decode(drawn, 40).pixels, colours)
    height, width, _ = colours.shape
    half = zlib.compress(rows(colours[: height // 2]))
    with pytest.raises(FixInput, match="its pixels are fewer"):
        decode(png(width, height, 8, 0, half), 40)


def _peak() -> int:
    """Bytes that the decoder at rest has held at most since it was asked last."""
    (process,) = decoder._idle[-1:]
    folder = Path(f"/proc/{process._popen.pid}")
    (line,) = (one for one in (folder / "status").read_text().splitlines() if one.startswith("VmHWM"))
    (folder / "clear_refs").write_text("5")
    return int(line.split()[1]) * 1024
