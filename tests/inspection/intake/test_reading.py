import hashlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspection.intake.dropped import Dropped, Listing, by_key, capture_id
from inspection.intake.reading import AHEAD, Read, Reader, Result
from inspection.intake.sidecar import Sidecars
from inspection.pictures import images
from inspection.records.batches import SCHEMA
from monitoring.camera.image_stats import image_stats
from tests.inspection.intake.test_inbox import SETTINGS
from tests.inspection.world import CAMERAS, GREY, NOON, encoded, key, noise, picture

INGEST = SETTINGS.model_copy(update={"key_pattern": "{camera}/{part}/{serial}/{captured_at}", "max_megapixels": 0.05})


class Box:
    """An inbox in memory; what is gone holds None."""

    uri = "memory"

    def __init__(self, contents: dict[str, bytes | None]) -> None:
        self.held, self.asked = contents, list[str]()

    def list(self) -> Listing:
        found = (Dropped(name, len(content or b""), "1", NOON) for name, content in self.held.items())
        return Listing(by_key(found), ())

    def contents(self, files: Iterable[Dropped]) -> Iterator[tuple[Dropped, bytes | None]]:
        for file in files:
            self.asked.append(file.key)
            yield file, self.held[file.key]

    def fetch(self, file: Dropped, path: Path) -> str | None:
        content = self.held[file.key]
        if content is None:
            return None
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def remove(self, files: Iterable[Dropped]) -> Any:
        return [file for file in files if self.held.pop(file.key, None) is None]


def results(folder: Path, box: Box, seen: dict[str, set[str]] | None = None) -> Generator[Result, None, None]:
    reader = Reader(box, Sidecars(()), CAMERAS, INGEST, image_stats)
    return reader.read(box.list().files, folder, seen or {})


def read(folder: Path, content: bytes | None, name: str = key(1), seen: dict[str, set[str]] | None = None) -> Read:
    """One file of that name."""
    ((one, _),) = results(folder, Box({name: content}), seen)
    return one


def test_a_picture_becomes_a_row_of_the_manifest_with_its_bytes_in_staging(tmp_path: Path) -> None:
    ((one, levels),) = results(tmp_path, Box({key(1): picture(1)}))
    assert one.capture is not None and levels is not None and levels.shape == (12, 16, 1)
    assert set(one.capture) == set(SCHEMA.names)
    assert (one.capture["batch"], one.capture["path"]) == (tmp_path.name, one.path.name)
    assert one.path.read_bytes() == picture(1) and one.capture["bytes"] == len(picture(1))
    assert one.capture["capture_id"] == capture_id(key(1), one.image_id)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (key(1), b"no image", "not an image"),
        ("cam-1/a b/s/20261102T061512Z.png", picture(1), "rename it at the camera"),
        ("cam-9/bracket/s/20261102T061512Z.png", picture(1), "camera cam-9 is not in cameras.yaml"),
        (key(1), bytes(4_300_100), "4 MB are more than an image of ingest.max_megapixels = 0.05 can have"),
    ],
)
def test_what_is_not_taken_has_a_reason_and_its_bytes_too(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    one = read(tmp_path, content, name)
    assert one.capture is None and words in one.reason
    assert one.path.read_bytes() == content and list(tmp_path.iterdir()) == [one.path]


@pytest.mark.parametrize("content", [picture(1), b"no image", bytes(4_300_100)])
def test_what_is_known_is_neither_decoded_nor_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(images, "decode", None)
    seen = {key(1): {capture_id(key(1), hashlib.sha256(content).hexdigest())}}
    one = read(tmp_path, content, seen=seen)
    assert (one.known, one.capture, one.reason) == (True, None, "") and list(tmp_path.iterdir()) == []


def test_other_bytes_under_a_known_name_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, picture(1), seen={key(1): {"another"}}).capture is not None


def test_what_is_gone_is_none_of_all_this(tmp_path: Path) -> None:
    one = read(tmp_path, None)
    assert one == Read(one.file)


def test_a_picture_that_is_larger_than_its_camera_s_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspection.pictures.decoder.decoded", None)
    for height, width, words in ((12, 17, "width is 17 px"), (13, 16, "height is 13 px")):
        one = read(tmp_path, encoded(noise(1, height, width)))
        assert one.capture is None and words in one.reason and "cameras.yaml declares" in one.reason


def deep(tmp_path: Path, pixels: np.ndarray, white: int | None) -> Read:
    """A picture of a camera of 16 bits."""
    camera = GREY.model_copy(update={"bit_depth": 16, "white": white})
    reader = Reader(Box({key(1): encoded(pixels)}), Sidecars(()), {"cam-1": camera}, INGEST, image_stats)
    ((one, _),) = reader.read(reader.box.list().files, tmp_path, {})
    return one


def test_values_above_white_are_refused_and_those_up_to_it_are_taken(tmp_path: Path) -> None:
    twelve = np.minimum(noise(1, bit_depth=16) >> 4, 4095)
    twelve[0, 0] = 4095
    assert deep(tmp_path, twelve, 4095).highest == 4095
    left = deep(tmp_path, twelve << 4, 4095).reason
    assert "values reach 65520" in left and "4095 is full light" in left and "lowest 4 bits are all 0" in left
    twelve[0, 0] = 4096
    assert "left-justified" in deep(tmp_path, twelve, 4095).reason
    eight = GREY.model_copy(update={"white": 200})
    reader = Reader(Box({key(1): picture(1)}), Sidecars(()), {"cam-1": eight}, INGEST, image_stats)
    assert "200 is full light" in next(reader.read(reader.box.list().files, tmp_path, {}))[0].reason


@pytest.mark.parametrize(("highest", "bits"), [(3, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 0), (65535, 0)])
def test_a_camera_of_16_bits_that_uses_few_of_them_is_told_so_unless_it_says_it(highest: int, bits: int) -> None:
    camera = GREY.model_copy(update={"bit_depth": 16})
    assert (f"`white: {2**bits - 1}`" in camera.dim(highest)) == bool(bits)
    assert camera.model_copy(update={"white": 4095}).dim(highest) == ""
    assert GREY.dim(highest) == ""


def test_files_come_in_order_a_bounded_number_is_read_ahead_and_the_large_ones_never(tmp_path: Path) -> None:
    shots: dict[str, bytes | None] = {key(n): picture(n) for n in range(4 * AHEAD)}
    large = key(4 * AHEAD)
    box = Box({large: bytes(4_300_100), **shots})
    answers = results(tmp_path, box)
    order = []
    for number, (one, _) in enumerate(answers):
        order.append(one.file.key)
        assert len(box.asked) <= number + AHEAD
    assert order == [*sorted(shots), large] and large not in box.asked


def test_who_stops_asking_leaves_no_thread_at_work(tmp_path: Path) -> None:
    box = Box({key(n): picture(n) for n in range(3 * AHEAD)})
    answers = results(tmp_path, box)
    next(answers)
    answers.close()
    assert len(list(tmp_path.iterdir())) == len(box.asked) < 3 * AHEAD


def test_one_thread_reads_the_same_and_nothing_ahead(tmp_path: Path) -> None:
    box = Box({key(n): picture(n) for n in range(2 * AHEAD)})
    reader = Reader(box, Sidecars(()), CAMERAS, INGEST, image_stats)
    answers = reader.read(box.list().files, tmp_path, {}, threads=1)
    first = [next(answers)[0].file.key for _ in range(3)]
    assert first == sorted(box.held)[:3] == box.asked
    assert len(list(answers)) == 2 * AHEAD - 3
