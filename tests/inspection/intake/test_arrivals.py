from datetime import timedelta
from pathlib import Path

import pytest

from inspection import clock
from inspection.intake.arrivals import look_in
from inspection.intake.dropped import capture_id
from inspection.intake.reading import Read
from tests.inspection.intake.test_reading import INGEST, Box
from tests.inspection.world import NOON

SETTINGS = INGEST.model_copy(update={"sidecar": "*.csv", "sidecar_wait": 60})
WAIT = timedelta(minutes=60)
SHEET = b"file,serial\na.png,s-1\n"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a minute after everything in the box was written."""
    monkeypatch.setattr(clock, "machine", lambda: NOON + timedelta(minutes=1))


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "machine", lambda: NOON + timedelta(minutes=61))


def sheets(box: Box, folder: Path, seen: dict[str, set[str]] | None = None) -> list[Read]:
    return list(look_in(box, SETTINGS).read_sheets(box, folder, seen or {}, WAIT))


def test_an_image_waits_for_its_row_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box({"a.png": b"a", "b.png": b"b", "s.csv": SHEET})
    arrived = look_in(box, SETTINGS)
    assert ([file.key for file in arrived.images], arrived.waiting) == (["a.png"], ("b.png",))
    later(monkeypatch)
    assert [file.key for file in look_in(box, SETTINGS).images] == ["a.png", "b.png"]


def test_without_sidecars_every_file_is_an_image() -> None:
    arrived = look_in(Box({"a.png": b"a", "s.csv": SHEET}), INGEST)
    assert [file.key for file in arrived.images] == ["a.png", "s.csv"] and arrived.sheets.sheets == ()


def test_the_images_come_in_portions_of_which_none_is_empty() -> None:
    arrived = look_in(Box({f"{n}.png": b"x" for n in range(5)}), INGEST)
    assert [len(some) for some in arrived.portions(2)] == [2, 2, 1]
    assert list(look_in(Box({}), INGEST).portions(2)) == []


def test_a_sheet_is_left_until_its_image_is_there_and_known_from_then_on(tmp_path: Path) -> None:
    box = Box({"s.csv": SHEET})
    (left,) = sheets(box, tmp_path)
    assert left == Read(left.file)
    (done,) = sheets(box, tmp_path, {"a.png": {"anything"}})
    assert done.known and list(tmp_path.iterdir()) == []


def test_a_sheet_whose_image_never_came_is_refused_with_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    (one,) = sheets(Box({"s.csv": SHEET}), tmp_path)
    assert "no image came for 1 of its rows (first: line 2)" in one.reason and one.path.read_bytes() == SHEET


def test_a_sheet_that_cannot_be_read_is_refused_once(tmp_path: Path) -> None:
    box = Box({"s.csv": b"neither,nor\n1,2\n"})
    (one,) = sheets(box, tmp_path)
    assert "it has no column `file`" in one.reason and one.path.is_file()
    (again,) = sheets(box, tmp_path, {"s.csv": {capture_id("s.csv", one.image_id)}})
    assert again.known and not again.reason


def test_refused_lines_are_told_with_their_number_and_their_file() -> None:
    stray = b'file,serial\na.png,S1\nb.png,"S2\nc.png,S3\n'
    arrived = look_in(Box({"a.png": b"a", "s.csv": stray, "t.csv": b"neither,nor\n1,2\n", "w.csv": SHEET}), SETTINGS)
    assert arrived.words == {} and arrived.unread.keys() == {"s.csv", "t.csv"}
    assert arrived.unread["s.csv"].startswith("1 of its lines is refused (line 3: a quote opens")
    assert arrived.unread["t.csv"].startswith("none of its lines was taken: it has no column `file`")


def test_a_sheet_that_is_written_again_before_it_is_refused_is_left(tmp_path: Path) -> None:
    box = Box({"s.csv": b"neither,nor\n1,2\n"})
    arrived = look_in(box, SETTINGS)
    box.held["s.csv"] = None
    (one,) = arrived.read_sheets(box, tmp_path, {}, WAIT)
    assert one == Read(one.file)
