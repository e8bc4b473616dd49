import errno
import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from inspection import clock
from inspection.errors import FixInput, FixSettings, MakeRoom
from inspection.intake import folder as module
from inspection.intake.folder import Folder
from inspection.intake.naming import named
from tests.inspection.intake.test_inbox import keys, read
from tests.inspection.world import CAMERAS, KEYS


def put(folder: Path, *keys: str, age: float = 60) -> None:
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(key.encode())
        stamp(folder / key, age)


def stamp(path: Path, age: float) -> None:
    """Date a file's last change `age` seconds back."""
    ns = int((clock.machine() - timedelta(seconds=age)).timestamp() * 1e9)
    os.utime(path, ns=(ns, ns))


def grow_while_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fstat, looks = os.fstat, count()

    def grows(descriptor: int) -> os.stat_result:
        if next(looks):  # the first look is before the bytes are read
            with path.open("ab") as file:
                file.write(b"more")
        return fstat(descriptor)

    monkeypatch.setattr(module.os, "fstat", grows)


def test_finished_files_are_listed_by_key(tmp_path: Path) -> None:
    put(tmp_path, "cam-2/b.png", "cam-1/p/z.png", "cam-1/a.png", "c.png")
    assert keys(Folder(tmp_path, 2)) == ["c.png", "cam-1/a.png", "cam-1/p/z.png", "cam-2/b.png"]


def test_what_is_unfinished_hidden_or_a_link_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path / "in", "a.png", "b.png.part", "b.PNG.TMP", ".c.png", ".sync/half.png", "cam-1/.tmp/half.png")
    put(tmp_path / "outside", "secret.png")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
    assert keys(Folder(tmp_path / "in", 2)) == ["a.png"]


def test_what_is_no_file_is_left_alone_as_reading_it_would_never_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    put(tmp_path, "a.png")
    assert keys(Folder(tmp_path, 0)) == ["a.png"]


def test_a_file_that_became_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "in/a.png", "in/b.png", "c.png")
    box = Folder(tmp_path / "in", 2)
    files = box.list().files
    for file in files:
        (tmp_path / "in" / file.key).unlink()
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "c.png")
    os.mkfifo(tmp_path / "in" / "b.png")
    assert [content for _, content in box.contents(files)] == [None, None]
    assert box.remove(files) == list(files)


@pytest.mark.parametrize("name", [b"M\xfcnchen.png", b"a\nb.png", b"a b.png", "é\u2028.png".encode()])
def test_any_name_has_a_key_that_can_be_written_down_and_read_by(tmp_path: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(b"x")
    box = Folder(tmp_path, 0)
    [(file, content)] = box.contents(box.list().files)
    assert file.key.encode("utf-8")
    assert content == b"x"
    with pytest.raises(FixInput, match="rename it at the camera"):
        named(file.key, KEYS, CAMERAS, None)
    assert box.remove([file]) == [] and not list(tmp_path.iterdir())


def test_two_names_never_share_a_key(tmp_path: Path) -> None:
    for name in (b"\xfc.png", "ü.png".encode(), b"\xfd.png", rb"\xfc.png"):
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(name)
    assert sorted(filter(None, read(Folder(tmp_path, 0)).values())) == sorted(
        [b"\xfc.png", "ü.png".encode(), b"\xfd.png", rb"\xfc.png"]
    )


def test_no_inbox_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match=r"no inbox at .*create the folder, or set ingest\.inbox"):
        Folder(tmp_path / "inbox", 2).list()


def test_a_file_is_finished_once_it_is_old_enough(tmp_path: Path) -> None:
    put(tmp_path, "old.png", age=3)
    put(tmp_path, "new.png", age=1)
    listing = Folder(tmp_path, 2).list()
    assert [file.key for file in listing.files] == ["old.png"]
    assert listing.unfinished == ("new.png",)
    assert keys(Folder(tmp_path, 0)) == ["new.png", "old.png"]


def test_the_age_of_a_file_is_not_told_by_a_clock_that_a_demo_sets(tmp_path: Path) -> None:
    put(tmp_path, "a.png", age=1)
    with clock.at(datetime(2100, 1, 1, tzinfo=UTC)):
        assert keys(Folder(tmp_path, 2)) == []


def test_a_file_from_the_future_is_finished_when_it_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "done.png", "growing.png", "gone.png", age=-3600)
    waits = []

    def meanwhile(seconds: float) -> None:
        waits.append(seconds)
        (tmp_path / "growing.png").write_bytes(b"more")
        stamp(tmp_path / "growing.png", -3600)
        (tmp_path / "gone.png").unlink()

    monkeypatch.setattr(time, "sleep", meanwhile)
    listing = Folder(tmp_path, 2).list()
    assert [file.key for file in listing.files] == ["done.png"]
    assert listing.unfinished == ("gone.png", "growing.png")
    assert waits == [2]


@pytest.mark.parametrize("ns", [-(2**62), 2**62])
def test_a_time_stamp_beyond_the_calendar_is_no_obstacle(tmp_path: Path, ns: int) -> None:
    put(tmp_path, "a.png")
    try:
        os.utime(tmp_path / "a.png", ns=(ns, ns))
    except OSError:
        pytest.skip("this file system does not keep such a time")
    assert read(Folder(tmp_path, 0)) == {"a.png": b"a.png"}


def test_what_is_gone_or_was_written_anew_since_it_was_listed_is_left_to_the_next_run(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png", "c.png", "d.png")
    box = Folder(tmp_path, 2)
    files = box.list().files
    (tmp_path / "b.png").write_bytes(b"other bytes")
    stamp(tmp_path / "c.png", 50)
    (tmp_path / "d.png").unlink()
    assert {file.key: content for file, content in box.contents(files)} == {
        "a.png": b"a.png",
        "b.png": None,
        "c.png": None,
        "d.png": None,
    }


def test_a_file_that_grows_while_it_is_read_is_left_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png")
    box = Folder(tmp_path, 2)
    files = box.list().files
    grow_while_it_is_read(tmp_path / "a.png", monkeypatch)
    assert [content for _, content in box.contents(files)] == [None]


def test_a_large_file_is_copied_with_its_hash_or_not_at_all(tmp_path: Path) -> None:
    put(tmp_path / "in", "a.png", "b.png")
    box = Folder(tmp_path / "in", 2)
    a, b = box.list().files
    (tmp_path / "in" / "b.png").write_bytes(b"other bytes")
    (tmp_path / "out").mkdir()
    assert box.fetch(a, tmp_path / "out" / "a") == hashlib.sha256(b"a.png").hexdigest()
    assert box.fetch(b, tmp_path / "out" / "b") is None
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"a": b"a.png"}


def test_a_full_disk_is_not_blamed_on_the_file_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png")
    box = Folder(tmp_path, 2)
    [file] = box.list().files

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "saved", full)
    with pytest.raises(OSError, match="No space") as error:
        box.fetch(file, tmp_path / "copy")
    assert error.value.filename is None
    with pytest.raises(FileNotFoundError, match="nowhere"):
        monkeypatch.undo()
        box.fetch(file, tmp_path / "nowhere" / "copy")


def test_no_copy_is_left_of_a_file_that_grows_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png")
    box = Folder(tmp_path, 2)
    [file] = box.list().files
    grow_while_it_is_read(tmp_path / "a.png", monkeypatch)
    assert box.fetch(file, tmp_path / "copy") is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_read_file_is_removed_and_one_that_was_written_anew_stays(tmp_path: Path) -> None:
    put(tmp_path, "cam-1/a.png", "cam-1/b.png", "cam-1/c.png")
    box = Folder(tmp_path, 2)
    files = box.list().files
    (tmp_path / "cam-1/b.png").write_bytes(b"other bytes")
    stamp(tmp_path / "cam-1/c.png", 50)  # as many bytes, at another time
    assert box.remove(files) == list(files[1:])
    assert sorted(path.name for path in (tmp_path / "cam-1").iterdir()) == ["b.png", "c.png"]
    assert box.remove(files) == list(files[1:])  # a second time does no harm


def test_a_folder_that_is_emptied_stays_as_the_camera_owns_it(tmp_path: Path) -> None:
    put(tmp_path, "cam-1/a.png")
    box = Folder(tmp_path, 2)
    assert box.remove(box.list().files) == []
    assert (tmp_path / "cam-1").is_dir()


def test_a_folder_that_may_not_be_written_to_is_named_after_all_others_are_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    unlink = Path.unlink

    def locked(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", locked)  # root may write everywhere
    box = Folder(tmp_path, 2)
    with pytest.raises(MakeRoom, match=rf"1 files .* cannot leave {tmp_path} \(first a/1\.png\)"):
        box.remove(box.list().files)
    assert keys(box) == ["a/1.png"]
