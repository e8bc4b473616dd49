import errno
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from inspection import clock
from inspection.errors import FixInput, FixSettings, MakeRoom
from inspection.intake import folder as module
from inspection.intake.dropped import Dropped
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


FOREIGN = (
    *("Thumbs.db", "thumbs.db", "desktop.ini", ".DS_Store", "._a.png", "ehthumbs.db", "~$labels.xlsx", "Icon\r"),
    *("a.png.filepart", "a.png.partial", "a.png.crdownload", "a.png~", "A.PNG.PART", "a.png.tmp", "a.png.uploading"),
    *("@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/S-1/a.png", "__MACOSX/cam-1/a.png", "x/lost+found/a.png"),
)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_systems_and_uploaders_put_there_is_left_alone(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "a.png", "database.png", "cam-1/partial.png")
    assert keys(Folder(tmp_path, 2)) == ["a.png", "cam-1/partial.png", "database.png"]


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


def replace_unseen(path: Path, content: bytes, in_place: bool = False) -> None:
    """Other bytes under the name, of the same size and time."""
    before = path.stat()
    if in_place:
        path.write_bytes(content)
    else:
        path.with_name("new").write_bytes(content)
        os.replace(path.with_name("new"), path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def as_read(files: Sequence[Dropped]) -> list[Dropped]:
    """As they are when their bytes, which are their keys here, were read."""
    return [replace(file, digest=hashlib.sha256(file.key.encode()).hexdigest()) for file in files]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("digested", [False, True])
def test_a_file_that_was_replaced_unseen_stays_under_its_name(tmp_path: Path, in_place: bool, digested: bool) -> None:
    put(tmp_path, "a.png", "b.png")
    box = Folder(tmp_path, 2)
    files = list(box.list().files)
    list(box.contents(files))
    replace_unseen(tmp_path / "b.png", b"other", in_place)
    assert box.remove(as_read(files) if digested else files) == [files[1]]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b.png": b"other"}
    assert read(box) == {"b.png": b"other"}


def test_a_file_that_is_replaced_in_the_instant_before_it_is_renamed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png", "b.png")
    box = Folder(tmp_path, 2)
    rename = os.rename

    def after_the_camera(source: Path, target: Path) -> None:
        replace_unseen(source, b"other", in_place=source.name == "b.png")
        rename(source, target)

    files = as_read(box.list().files)
    monkeypatch.setattr(module.os, "rename", after_the_camera)
    assert box.remove(files) == files
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"other", "b.png": b"other"}


def test_where_nothing_of_a_file_but_its_bytes_is_steady_these_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png", "b.png")
    box = Folder(tmp_path, 2)
    files = as_read(box.list().files)
    moved = [replace(file, place=(1, number, 2)) for number, file in enumerate(files)]  # inodes of a share, made up
    replace_unseen(tmp_path / "b.png", b"other")
    assert box.remove(moved) == [files[1]]
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


@pytest.mark.parametrize("name", ["a.png", "n" * 251 + ".png"])
def test_what_differs_waits_beside_a_name_that_is_used_again_and_comes_first_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(tmp_path, name)
    box = Folder(tmp_path, 0)
    first = as_read(box.list().files)
    rename = os.rename

    def between_two_of_the_camera(source: Path, target: Path) -> None:
        replace_unseen(source, b"2" * len(name))
        rename(source, target)
        source.write_bytes(b"third")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "rename", between_two_of_the_camera)
        (stayed,) = box.remove(first)
    assert module.ASIDE in stayed.key and (tmp_path / stayed.key).read_bytes() == b"2" * len(name)
    again = Folder(tmp_path, 0)
    listing = again.list()
    ((second, content),) = again.contents(listing.files)
    assert (second.key, content, listing.unfinished) == (name, b"2" * len(name), (name,))
    assert again.remove([replace(second, digest=hashlib.sha256(content or b"").hexdigest())]) == []
    assert read(again) == {name: b"third"}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_an_ingest_that_was_killed_left_aside_is_listed_by_its_name(tmp_path: Path) -> None:
    put(tmp_path, "cam-1/a.png")
    module.put_aside(tmp_path / "cam-1" / "a.png")
    box = Folder(tmp_path, 2)
    (file,) = box.list().files
    assert (file.key, read(box)) == ("cam-1/a.png", {"cam-1/a.png": b"cam-1/a.png"})
    (tmp_path / "copy").mkdir()
    assert box.fetch(file, tmp_path / "copy" / "a") == hashlib.sha256(b"cam-1/a.png").hexdigest()
    assert box.remove(as_read([file])) == [] and not list((tmp_path / "cam-1").iterdir())


def test_a_file_that_was_killed_between_two_names_is_listed_once(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    os.link(tmp_path / "a.png", tmp_path / f"{module.ASIDE}.a.png")
    listing = Folder(tmp_path, 2).list()
    assert ([file.key for file in listing.files], listing.unfinished) == (["a.png"], ())
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_without_hard_links_what_differs_waits_aside_and_is_taken_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png")
    box = Folder(tmp_path, 2)
    files = as_read(box.list().files)
    replace_unseen(tmp_path / "a.png", b"other")

    def unknown(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(module.os, "link", unknown)
    assert len(box.remove(files)) == 1
    assert read(box) == {"a.png": b"other"}


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


def nested(folder: Path, name: str, depth: int, leaf: str) -> None:
    """A file so deep that its whole path cannot be named at once."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open(leaf, os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder whose deep ones are taken away by a program that can: pytest cannot."""
    (tmp_path / "in").mkdir()
    yield tmp_path / "in"
    subprocess.run(["rm", "-rf", tmp_path / "in"], check=True)


def test_folders_in_folders_without_end_keep_no_other_file_waiting(deep: Path) -> None:
    nested(deep, "d", 1100, "deep.png")
    put(deep, "a.png")
    listing = Folder(deep, 0).list()
    assert [file.key for file in listing.files] == ["a.png", "d/" * 1100 + "deep.png"]
    assert read(Folder(deep, 0))["d/" * 1100 + "deep.png"] == b""
    assert Folder(deep, 0).remove(listing.files) == []


def test_a_path_that_is_too_long_is_told_and_the_rest_is_taken(deep: Path) -> None:
    nested(deep, "n" * 200, 30, "long.png")
    nested(deep / ("n" * 200), "m" * 200, 18, "k" * 250)
    put(deep, "a.png")
    listing = Folder(deep, 0).list()
    assert [file.key for file in listing.files] == ["a.png"]
    assert len(listing.apart) == 2 and all("longer than the 4,096 bytes" in why for _, why in listing.apart)


def test_a_path_that_no_index_of_a_database_takes_is_told(deep: Path) -> None:
    nested(deep, "n" * 200, 13, "long.png")
    ((key, why),) = Folder(deep, 0).list().apart
    assert len(key) == 2621 and "longer than 2,600 bytes" in why


def test_what_is_no_plain_file_is_told_with_what_it_is(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone.png")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))).symlink_to("x")
    listing = Folder(tmp_path, 0).list()
    assert [file.key for file in listing.files] == ["a.png"]
    said = {key: why.split(",")[0] for key, why in listing.apart}
    links = dict.fromkeys(("nowhere", "round", "up", r"\udcff\udcfe"), "it is a link")
    assert said == {**links, "pipe.png": "it is a pipe", "s": "it is a socket"}


def test_a_folder_or_file_that_may_not_be_read_is_told_and_the_rest_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png", "closed/b.png", "open/c.png", "open/secret.png")
    scandir, access = os.scandir, os.access

    def closed(path: str) -> Any:  # root may read everywhere
        if path.endswith("/closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(module.os, "scandir", closed)
    monkeypatch.setattr(module.os, "access", lambda path, how: "secret" not in str(path) and access(path, how))
    listing = Folder(tmp_path, 0).list()
    assert [file.key for file in listing.files] == ["a.png", "open/c.png"]
    said = dict(listing.apart)
    assert "Permission denied" in said["closed"] and "may not be read" in said["open/secret.png"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENAMETOOLONG])
def test_a_file_that_cannot_be_opened_any_more_is_left_to_the_next_run(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png", "b.png")
    box = Folder(tmp_path, 0)
    files = box.list().files
    opened = os.open

    def broken(path: str, flags: int, *rest: Any, **named: Any) -> int:
        if str(path).endswith("a.png"):
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, flags, *rest, **named)

    monkeypatch.setattr(module.os, "open", broken)
    assert {file.key: content for file, content in box.contents(files)} == {"a.png": None, "b.png": b"b.png"}
