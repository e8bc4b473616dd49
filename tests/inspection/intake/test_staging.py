import json
from pathlib import Path

import pytest

from inspection import clock
from inspection.cameras import Camera
from inspection.intake import sidecar
from inspection.intake.dropped import Dropped
from inspection.intake.reading import Reader
from inspection.intake.sidecar import Sidecars
from inspection.intake.staging import SHEETS, Staged, judge
from inspection.layout import Layout
from inspection.params import read_params
from monitoring.camera.image_stats import image_stats
from tests.conftest import ROOT
from tests.inspection.intake.test_reading import INGEST, Box
from tests.inspection.world import CAMERAS, NOON, encoded, key, noise, picture

PARAMS = read_params(ROOT / "params.yaml")


def staged(
    folder: Path, contents: dict[str, bytes | None], seen: dict[str, set[str]] | None = None
) -> tuple[Staged, Layout]:
    """A batch of these files, read but not judged."""
    layout = Layout(folder, folder)
    batch, box = Staged.begin(layout.staging, "b"), Box(contents)
    with clock.at(NOON):
        reader = Reader(box, Sidecars(()), CAMERAS, INGEST, image_stats)
        for read, _ in reader.read(box.list().files, batch.accepted, seen or {}):
            batch.take(read)
    return batch, layout


def judged(
    folder: Path, contents: dict[str, bytes | None], cameras: dict[str, Camera] = CAMERAS
) -> tuple[Staged, Layout]:
    batch, layout = staged(folder, contents)
    with clock.at(NOON):
        judge(batch, layout, PARAMS, cameras)
    return batch, layout


def test_every_file_goes_to_one_place_and_only_what_is_gone_stays_in_the_inbox(tmp_path: Path) -> None:
    contents = {key(1): picture(1), key(2): b"no image", key(3): None}
    batch, _ = staged(tmp_path, contents)
    assert [read.file.key for read in batch.captures] == [key(1)]
    assert [row["key"] for row in batch.refusals] == [key(2)]
    assert batch.waiting == [key(3)] and [file.key for file in batch.leaving] == [key(1), key(2)]


def test_a_known_file_is_counted_and_leaves(tmp_path: Path) -> None:
    first, _ = staged(tmp_path / "first", {key(1): picture(1)})
    assert first.captures[0].capture is not None
    seen = {key(1): {first.captures[0].capture["capture_id"]}}
    again, _ = staged(tmp_path / "again", {key(1): picture(1)}, seen)
    assert (again.known, again.captures, len(again.leaving)) == (1, [], 1)


def test_whatever_is_refused_lies_under_a_safe_name_with_its_row(tmp_path: Path) -> None:
    contents = {key(1): picture(1), key(2): encoded(noise(2, 12, 16, 3)), "a b.png": picture(3), key(4): b"no image"}
    batch, layout = judged(tmp_path, {**contents, key(5): bytes(4_300_100)})
    assert [read.file.key for read in batch.captures] == [key(1)]
    reasons = {row["key"]: row["reason"] for row in batch.refusals}
    assert "cameras.yaml declares mode L" in reasons.pop(key(2))
    assert "not an image" in reasons.pop(key(4)) and "MB are more than" in reasons.pop(key(5))
    assert list(reasons) == ["a b.png"]
    for row in batch.refusals:
        name = Path(row["path"]).name
        assert row["path"] == f"data/quarantine/b/{name}" and name == f"{row['capture_id'][:24]}.refused"
        assert (batch.refused / name).read_bytes() == {**contents, key(5): bytes(4_300_100)}[row["key"]]
    assert len(list(batch.refused.iterdir())) == 4 and list(batch.accepted.iterdir()) == [batch.captures[0].path]
    assert (layout.contract / "b" / "index.html").is_file()


def test_too_many_refused_files_hold_the_batch(tmp_path: Path) -> None:
    batch, _ = judged(tmp_path, {key(n): picture(n) if n < 8 else b"no image" for n in range(12)})
    (held,) = batch.held
    assert "4 of 12 files were refused" in held and json.loads(json.dumps(batch.verdict))["batch"] == "b"
    assert len(batch.captures) == 8


@pytest.mark.parametrize("contents", [{}, {key(1): None}])
def test_where_nothing_came_there_is_no_verdict(tmp_path: Path, contents: dict[str, bytes | None]) -> None:
    batch, layout = judged(tmp_path, contents)
    assert (batch.held, batch.verdict) == ([], {}) and not layout.contract.exists()


def test_only_sheets_that_spoke_of_a_capture_are_kept_beside_it(tmp_path: Path) -> None:
    texts = {"one.csv": f"file,serial\n{key(1)},s-001\n", "other.csv": f"file,serial\n{key(2)},s-002\n"}
    sheets = [sidecar.read(Dropped(name, 1, "1", NOON), text.encode()) for name, text in texts.items()]
    batch, _ = staged(tmp_path, {key(1): picture(1)})
    batch.keep(Sidecars(sheets))
    assert [path.read_text() for path in (batch.accepted / SHEETS).iterdir()] == [texts["one.csv"]]
