"""Ingest: each capture ends in exactly one batch or in quarantine, whatever happens in between."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect import task

from flows import ingest as module
from flows.ingest import ingest
from inspection import clock, git
from inspection.errors import FixSettings, MakeRoom
from inspection.layout import Layout
from inspection.network.features import Features
from inspection.records import batches, ledger
from inspection.records.catalog import open_catalog, rebuild
from inspection.records.schema import capture_table, refusal_table
from plant.shot import Shot
from tests.conftest import EVENING, set_params
from tests.inspection.world import encoded

pytestmark = pytest.mark.usefixtures("prefect_harness")
Fill = Callable[..., list[Shot]]
HEAD = b"\x89PNG\r\n\x1a\n"


def run(layout: Layout) -> dict[str, Any]:
    with clock.at(EVENING):
        return ingest(root=layout.root)


def captures(layout: Layout) -> list[str]:
    catalog = open_catalog(layout)
    keys = list(catalog.frame(capture_table.select())["key"])
    catalog.close()
    return sorted(keys)


def refusals(layout: Layout) -> dict[str, str]:
    catalog = open_catalog(layout)
    frame = catalog.frame(refusal_table.select())
    catalog.close()
    return dict(zip(frame["key"], frame["reason"], strict=True))


def inbox_files(layout: Layout) -> list[Path]:
    return [path for path in (layout.home / "inbox").rglob("*") if path.is_file()]


def test_a_day_becomes_one_batch_under_dvc_and_a_second_run_changes_nothing(tiny: Layout, fill: Fill) -> None:
    shots = fill(8)
    result = run(tiny)
    assert result["accepted"] == len(shots) == 16
    assert captures(tiny) == sorted(shot.key for shot in shots)
    assert inbox_files(tiny) == []
    (folder,) = batches.on_disk(tiny)
    assert (tiny.batches / f"{folder.parent.name}.dvc").exists()
    assert git.run(tiny.home, "status", "--porcelain") == ""
    revision = git.run(tiny.home, "rev-parse", "HEAD")
    again = run(tiny)
    assert (again["batches"], again["accepted"]) == ([], 0)
    assert git.run(tiny.home, "rev-parse", "HEAD") == revision
    assert all(rebuild(tiny).values())


def test_the_same_file_dropped_again_is_known_and_leaves_the_inbox(tiny: Layout, fill: Fill) -> None:
    fill(2)
    run(tiny)
    fill(2)
    result = run(tiny)
    assert (result["accepted"], result["known"]) == (0, 4)
    assert inbox_files(tiny) == []


def test_the_same_bytes_at_another_time_are_another_capture_of_one_image(tiny: Layout, fill: Fill) -> None:
    shot = fill(1)[0]
    twin = tiny.home / "inbox" / shot.key.replace("Z.png", "1Z.png")
    twin.write_bytes(shot.content)
    run(tiny)
    catalog = open_catalog(tiny)
    frame = catalog.frame(capture_table.select())
    catalog.close()
    assert len(frame[frame["camera"] == shot.camera]) == 2
    assert frame[frame["camera"] == shot.camera]["image_id"].nunique() == 1


def test_a_second_batch_goes_into_the_same_partition_by_a_granular_add(tiny: Layout, fill: Fill) -> None:
    fill(2, seed=1)
    run(tiny)
    fill(2, seed=2)
    run(tiny)
    assert len(list(tiny.batches.glob("*.dvc"))) == 1
    assert len(batches.on_disk(tiny)) == 2
    assert [event.kind for event in ledger.read(tiny)].count("batch") == 2


BAD = {
    "empty.png": (b"", "empty"),
    "text.png": (b"hello, I am text", "not an image"),
    "bomb.png": (HEAD + b"\x00\x00\x00\rIHDR\x00\x00\xea\x60\x00\x00\xea\x60\x08\x00\x00\x00\x00", ""),
}


WRONG_NAMES = ("a..b", "with space", "new\nline", "Gehäuse")


def test_bad_files_are_refused_by_name_and_stop_nothing_else(tiny: Layout, fill: Fill) -> None:
    shots = fill(2)
    folder = tiny.home / "inbox" / Path(shots[0].key).parent
    for number, name in enumerate(BAD):
        (folder / f"20261102T0700000{number}Z.png").write_bytes(BAD[name][0])
    result = run(tiny)
    said = refusals(tiny)
    assert result["accepted"] == 4
    assert len(said) == result["refused"] == len(BAD)
    for number, name in enumerate(BAD):
        key = (folder / f"20261102T0700000{number}Z.png").relative_to(tiny.home / "inbox").as_posix()
        assert BAD[name][1] in said[key]
    assert inbox_files(tiny) == []


def test_names_with_other_letters_are_refused_and_stay_in_quarantine(tiny: Layout, fill: Fill) -> None:
    shot = fill(1)[0]
    camera, part, _, stamp = shot.key.split("/")
    for wrong in WRONG_NAMES:
        path = tiny.home / "inbox" / camera / part / wrong / stamp
        path.parent.mkdir(parents=True)
        path.write_bytes(shot.content)
    result = run(tiny)
    said = refusals(tiny)
    assert sorted(key.split("/")[2] for key in said) == sorted(WRONG_NAMES)
    assert all("rename" in reason for reason in said.values())
    assert result["accepted"] == 2
    stored = list(tiny.quarantine.rglob("*.refused"))
    assert len(stored) == len(WRONG_NAMES)
    assert all(path.resolve().is_relative_to(tiny.quarantine.resolve()) for path in stored)


def test_a_picture_far_larger_than_its_camera_s_is_refused_before_the_network_prepares_it(
    tiny: Layout, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of its resize would take five kilobytes for each pixel of its longer side."""
    shot, seen = fill(1)[0], []
    real = Features.compute

    def spy(self: Features, images: Sequence[Any], embed: bool = True) -> Any:
        seen.extend(max(image.shape[:2]) for image in images)
        return real(self, images, embed)

    monkeypatch.setattr(Features, "compute", spy)
    (tiny.home / "inbox" / shot.key).write_bytes(encoded(np.full((1, 90_000), 9, np.uint8)))
    assert run(tiny)["refused"] == 1
    (reason,) = refusals(tiny).values()
    assert "cameras.yaml declares" in reason and max(seen) < 1000


@pytest.mark.parametrize("ending", [".dvc", "." + "x" * 200])
def test_a_name_that_ends_in_anything_is_kept_under_its_format_s(tiny: Layout, fill: Fill, ending: str) -> None:
    shot = fill(1)[0]
    path = tiny.home / "inbox" / shot.key
    path.rename(path.with_name(f"{path.stem}{ending}"))
    assert run(tiny)["accepted"] == 2
    (folder,) = batches.on_disk(tiny)
    assert {file.suffix for file in folder.iterdir()} == {".png", ".parquet", ".json"}


def test_what_the_camera_does_not_deliver_is_refused_with_the_remedy(tiny: Layout, fill: Fill) -> None:
    shots = fill(1)
    grey, colour = shots[0], shots[1]
    swapped = tiny.home / "inbox" / colour.key
    swapped.write_bytes(grey.content)
    result = run(tiny)
    assert result["accepted"] == 1
    (reason,) = refusals(tiny).values()
    assert "cameras.yaml declares" in reason


def test_unfinished_hidden_and_linked_files_are_left_alone(tiny: Layout, fill: Fill) -> None:
    shot = fill(1)[0]
    folder = (tiny.home / "inbox" / shot.key).parent
    (folder / "x.png.part").write_bytes(shot.content)
    (folder / ".hidden.png").write_bytes(shot.content)
    (folder / "link.png").symlink_to("/etc/hostname")
    assert run(tiny)["refused"] == 0
    assert sorted(path.name for path in folder.iterdir()) == [".hidden.png", "link.png", "x.png.part"]


def test_a_file_that_is_written_again_while_it_is_taken_in_stays(
    tiny: Layout, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, other = fill(1)
    path = tiny.home / "inbox" / shot.key
    really = module.publish.fn

    def overwrite_then_publish(*arguments: Any) -> None:
        path.write_bytes(shot.content + b"more")
        really(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "publish", task(overwrite_then_publish))
        result = run(tiny)
    assert (result["accepted"], result["waiting"]) == (2, 1)
    assert inbox_files(tiny) == [path]
    assert path.read_bytes().endswith(b"more")
    assert run(tiny)["accepted"] == 1
    assert captures(tiny) == sorted([shot.key, shot.key, other.key])


def replaced_unseen(path: Path, in_place: bool) -> bytes:
    """Other bytes of the same size and time under the name of a picture or a sheet."""
    before, content = path.stat(), path.read_bytes()
    content = content[:-1] + bytes([content[-1] ^ 1])
    if not in_place:
        path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return content


@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_that_is_replaced_unseen_while_it_is_taken_in_stays_and_is_taken_next(
    tiny: Layout, fill: Fill, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    set_params(tiny, ingest__sidecar="*.csv", ingest__sidecar_wait=0)
    inbox, shots = tiny.home / "inbox", fill(1)
    (inbox / "s.csv").write_text(f"file,serial\n{shots[0].key},{shots[0].serial}\n")
    paths = [inbox / shots[0].key, inbox / "s.csv"]
    written: list[bytes] = []
    publish = module.publish.fn

    def replace_then_publish(*args: Any) -> None:
        written.extend(replaced_unseen(path, in_place) for path in paths[len(written) :][:1])
        publish(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "publish", task(replace_then_publish))
        result = run(tiny)
    assert (result["accepted"], result["waiting"]) == (2, 1 + (len(written) > 1))
    assert [path.read_bytes() for path in paths[: len(written)]] == written
    run(tiny)
    kept = {path.read_bytes() for path in tiny.home.joinpath("data").glob("*/*/*.refused")}
    kept |= {path.read_bytes() for path in tiny.batches.glob("*/*/*.png")}
    assert written[0] in kept
    assert not [path for path in inbox.rglob("*") if path.is_file()]


def test_no_git_identity_is_said_before_anything_is_touched(tiny: Layout, fill: Fill) -> None:
    fill(1)
    git.run(tiny.home, "config", "--unset", "user.name")
    with pytest.raises(FixSettings, match=r"user\.name"):
        run(tiny)
    assert len(inbox_files(tiny)) == 2


def test_no_inbox_is_said_with_the_remedy(tiny: Layout) -> None:
    (tiny.home / "inbox").rmdir()
    with pytest.raises(FixSettings, match=r"ingest\.inbox"):
        run(tiny)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk can only be mounted by root")
def test_a_full_disk_is_one_clear_line_and_loses_nothing(tiny: Layout, fill: Fill, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=200k tmpfs {small} 2>/dev/null"):
        pytest.skip("this machine does not let tests mount a small disk")
    try:
        tiny.staging.symlink_to(small)
        shots = fill(30)
        with pytest.raises((OSError, MakeRoom)) as caught:
            run(tiny)
        assert "No space left" in str(caught.value)
        assert len(inbox_files(tiny)) == len(shots)
    finally:
        tiny.staging.unlink(missing_ok=True)
        os.system(f"umount {small}")
    assert run(tiny)["accepted"] == len(shots)


@pytest.mark.parametrize("own", [".", "..", "data", "data/batches", "models", "masks"])
def test_a_folder_of_the_plant_itself_is_never_ingested(tiny: Layout, fill: Fill, own: str) -> None:
    fill(1)
    with pytest.raises(FixSettings, match="belongs to the plant"):
        module.refuse_own_folder(tiny.home / own, tiny)
    module.refuse_own_folder(tiny.home / "inbox", tiny)
    module.refuse_own_folder(tiny.home.parent / "elsewhere", tiny)


def test_a_folder_that_is_no_inbox_is_refused_before_the_first_file_is_touched(tiny: Layout, fill: Fill) -> None:
    fill(1)
    letters = tiny.home.parent / "letters"
    letters.mkdir()
    for name in ("id_rsa", "letter.docx", "photo.jpg"):
        (letters / name).write_text(name)
    with clock.at(EVENING), pytest.raises(FixSettings, match="does not look like an inbox"):
        ingest(str(letters), root=tiny.root)
    assert len(list(letters.iterdir())) == 3 and not tiny.quarantine.exists()
    assert run(tiny)["accepted"] == 2


def test_what_systems_leave_in_an_inbox_neither_holds_a_batch_nor_moves(tiny: Layout, fill: Fill) -> None:
    shots = fill(8)
    folder = (tiny.home / "inbox" / shots[0].key).parent
    left = ["Thumbs.db", "desktop.ini", "a.png.filepart", "b.png.partial", "c.png.crdownload", "d.png~"]
    for name in left:
        (folder / name).write_bytes(shots[0].content)
    result = run(tiny)
    assert (result["accepted"], result["refused"], result["held"]) == (16, 0, {})
    assert sorted(path.name for path in folder.iterdir()) == sorted(left)
