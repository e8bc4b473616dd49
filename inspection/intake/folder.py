"""An inbox that is a folder."""

import errno
import hashlib
import operator
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TypeVar

from inspection import clock
from inspection.errors import FixSettings, MakeRoom
from inspection.intake.dropped import (
    CHUNK,
    SYSTEM_FOLDERS,
    Dropped,
    Listing,
    by_key,
    is_hidden,
    is_left_alone,
    saved,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_BUSY = (errno.EBUSY, errno.ETXTBSY, errno.EXDEV)  # somebody has it open where that forbids to rename it
_UNREADABLE = (errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG)  # left; the next listing tells what it can
MOST_KEY = 2600  # bytes; an index of PostgreSQL takes 2,704
ASIDE = ".andon-leaving"  # how names begin of what is on its way out; where a name is too long so, a folder for it
_MOVE = "move it to where cameras drop"
_ESCAPED = re.compile(r"\\u(dc[89a-f][0-9a-f])")
T = TypeVar("T")
_Files = list[Dropped]  # within the class `list` is what it lists


class Folder:
    """A folder that cameras write to; those that are empty stay, as cameras own them."""

    def __init__(self, path: Path, settle: float) -> None:
        self.uri = str(path)
        self.path = path
        self._settle = settle
        self._aside: dict[str, Path] = {}  # key -> where it lies instead, as an ingest that was killed has left it

    def list(self) -> Listing:
        """A file counts as written once it is `settle` seconds old, by the clock that stamps files. One from the
        future counts once a second look finds no change: that clock was set back, and may be so for long. Of a name
        under which something was left aside that comes first, and the rest next time."""
        now = clock.machine()
        apart: dict[str, str] = {}
        walked = list(self._walk(apart))
        left = [(file, path) for file, path in walked if path != home_of(path)]
        home = {file.key: file for file, path in walked if path == home_of(path)}
        self._aside = {file.key: Path(path) for file, path in left if not _has_both_names(file, path, home)}
        first = {**home, **{file.key: file for file, _ in left if file.key in self._aside}}
        later = home.keys() & self._aside.keys()
        found = {file: (now - file.modified).total_seconds() for file in first.values()}
        finished = {file for file, age in found.items() if age >= self._settle}
        if ahead := [file for file, age in found.items() if age < 0]:
            time.sleep(self._settle)
            finished.update(file for file in ahead if self._as_listed(file))
        unfinished = sorted([*later, *(file.key for file in found if file not in finished)])
        return Listing(by_key(finished), tuple(unfinished), tuple(sorted(apart.items())))

    def contents(self, files: Iterable[Dropped]) -> Iterator[tuple[Dropped, bytes | None]]:
        for file in files:
            yield file, self._read(file, operator.methodcaller("read", file.size + 1))

    def fetch(self, file: Dropped, path: Path) -> str | None:
        digest = self._read(file, lambda stream: saved(_chunks(stream, file.size), path))
        if digest is None:
            path.unlink(missing_ok=True)
        return digest

    def remove(self, files: Iterable[Dropped]) -> _Files:
        """Each is renamed aside, compared with what was read, and only then deleted: whoever writes to the inbox may
        use a name again at any instant. What differs gets its name back, or waits beside what has it by now."""
        stayed, closed = [], []
        for file in files:
            try:
                stayed += self._remove(file)
            except OSError as error:
                if error.errno not in (*_CLOSED, errno.ENAMETOOLONG):
                    raise
                closed.append(file.key)
        if closed:
            raise MakeRoom(
                f"{len(closed)} files that were taken in cannot leave {self.uri} (first {closed[0]}): it may not be "
                "written to; grant that, and the next ingest removes them."
            )
        return stayed

    def _remove(self, file: Dropped) -> _Files:
        """The file if it stays, under the key that it has then."""
        path = self._at(file)
        found = _lstat(path)
        if found is None:
            return []
        if not _is(file, found) or not (file.digest or file.place == _place(found)):
            return [file]
        aside = path if file.key in self._aside else put_aside(path)
        if aside is None:
            return [file]
        try:
            if _holds(file, aside):
                aside.unlink(missing_ok=True)
                clear(aside.parent)
                return []
        except OSError:
            put_back(aside)
            raise
        return [file] if put_back(aside) else [replace(file, key=self._key(str(aside)))]

    def _walk(self, apart: dict[str, str]) -> Iterator[tuple[Dropped, str]]:
        """Plain files, and where they lie. What else there is goes to `apart`, key -> why it stays."""
        if not self.path.is_dir():
            raise FixSettings(
                f"There is no inbox at {self.uri}: create the folder, or set ingest.inbox in params.yaml."
            )
        if not os.access(self.path, os.R_OK | os.X_OK):
            raise FixSettings(f"The inbox {self.uri} cannot be read: grant that.")
        for path, found in entries(self.path, aside=True):
            key = self._key(home_of(path))
            if isinstance(found, OSError):
                if found.errno not in _GONE:
                    apart[key] = f"it cannot be looked at ({_reason(found)}); {_MOVE}"
            elif not stat.S_ISREG(found.st_mode):
                apart[key] = f"it is {_kind(found.st_mode)}, and only plain files are taken; remove it, or {_MOVE}"
            elif len(key.encode()) > MOST_KEY:
                apart[key] = f"its path is longer than {MOST_KEY:,} bytes; {_MOVE}"
            elif not os.access(path, os.R_OK):
                apart[key] = "it may not be read; grant that"
            else:
                modified, version = _moment(found.st_mtime_ns), str(found.st_mtime_ns)
                yield Dropped(key, found.st_size, version, modified, _place(found)), path

    def _key(self, path: str) -> str:
        below = path.removeprefix(str(self.path)).lstrip("/") or "."
        return below.encode("utf-8", "backslashreplace").decode()

    def _at(self, file: Dropped) -> Path:
        return self._aside.get(file.key) or self.path / _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), file.key)

    def _as_listed(self, file: Dropped) -> bool:
        found = _lstat(self._at(file))
        return found is not None and _is(file, found)

    def _read(self, file: Dropped, take: Callable[[IO[bytes]], T]) -> T | None:
        """What `take` makes of the open file, if it is what was listed before and after."""
        path = self._at(file)
        try:
            with open(path, "rb", opener=_open_plain) as stream:
                if not _is(file, os.fstat(stream.fileno())):
                    return None
                changed = os.fstat(stream.fileno()).st_ctime_ns
                taken = take(stream)
                after = os.fstat(stream.fileno())
                return taken if _is(file, after) and after.st_ctime_ns == changed else None
        except OSError as error:
            if error.errno in (*_GONE, *_UNREADABLE) and error.filename in (None, str(path)):
                return None
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # those are of the copy
                error.filename = error.filename or str(path)
            raise


def entries(folder: Path, aside: bool = False) -> Iterator[tuple[str, os.stat_result | OSError]]:
    """Each entry below a folder that is neither hidden nor unfinished by its name nor a folder: its path, and what it
    is or why that cannot be seen. A folder stands there only if it cannot be looked into.

    However deep they lie: no call waits for another one here.

    Args:
        aside: name what an ingest that was killed has left on its way out too.
    """
    waiting = [str(folder)]
    while waiting:
        at = waiting.pop()
        try:
            with os.scandir(at) as inside:
                for entry in inside:
                    leaving = aside and is_aside(entry.name)
                    if is_hidden(entry.name) and not leaving:
                        continue
                    found = _seen(entry)
                    if isinstance(found, os.stat_result) and stat.S_ISDIR(found.st_mode):
                        waiting += [] if entry.name.lower() in SYSTEM_FOLDERS else [entry.path]
                    elif leaving or not is_left_alone(entry.name):
                        yield entry.path, found
        except OSError as error:
            yield at, error


def is_aside(name: str) -> bool:
    """Whether an entry is on its way out, or a folder of such."""
    return name == ASIDE or name.startswith(f"{ASIDE}.")


def home_of(path: str) -> str:
    """Where a file that was put aside had its name, and has it again; any other one is at home."""
    folder, _, name = path.rpartition("/")
    above, _, last = folder.rpartition("/")
    if last == ASIDE:
        return f"{above}/{name}"
    return f"{folder}/{name.removeprefix(f'{ASIDE}.')}" if is_aside(name) else path


def put_aside(path: Path) -> Path | None:
    """Take its name from a file, on the same file system; where it is then. None if somebody else has done so, or has
    it open where that forbids to rename it."""
    try:
        return _renamed(path, path.with_name(f"{ASIDE}.{path.name}"))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    within = path.parent / ASIDE / path.name
    within.parent.mkdir(exist_ok=True)
    return _renamed(path, within)


def put_back(aside: Path) -> bool:
    """Give a file its name again. False if the name is taken by now, or the file system has no hard links, without
    which a name may be taken in the same instant: then it stays where it is, and the next listing names it first."""
    home = home_of(str(aside))
    try:
        os.link(aside, home, follow_symlinks=False)
    except OSError:
        return False
    with suppress(OSError):  # it has both names then, until the next listing
        aside.unlink()
        clear(aside.parent)
    return True


def _has_both_names(file: Dropped, aside: str, home: Mapping[str, Dropped]) -> bool:
    """Whether an ingest was killed while it gave a file its name back: then it is at home, and the other name goes."""
    there = home.get(file.key)
    if there is None or (there, there.place) != (file, file.place):
        return False
    try:
        Path(aside).unlink()
    except OSError:
        return False
    return True


def clear(folder: Path) -> None:
    """Remove a folder that was made for what was put aside, once it is empty."""
    if folder.name == ASIDE:
        with suppress(OSError):
            folder.rmdir()


def _renamed(path: Path, to: Path) -> Path | None:
    if os.path.lexists(to):
        return None
    try:
        path.rename(to)
    except OSError as error:
        if error.errno in (*_GONE, *_BUSY):
            return None
        raise
    return to


def _holds(file: Dropped, path: Path) -> bool:
    """Whether what lies there is what was read: the same bytes, or where these were not read the same file."""
    try:
        with open(path, "rb", opener=_open_plain) as stream:
            before = os.fstat(stream.fileno())
            if not _is(file, before):
                return False
            if not file.digest:
                return _place(before)[:2] == file.place[:2]  # a new name is a change of it too
            digest = hashlib.sha256()
            for chunk in _chunks(stream, file.size):
                digest.update(chunk)
            after = os.fstat(stream.fileno())
            steady = _is(file, after) and after.st_ctime_ns == before.st_ctime_ns
            return steady and digest.hexdigest() == file.digest
    except OSError as error:
        if error.errno in _GONE:
            return False
        raise


def _seen(entry: "os.DirEntry[str]") -> os.stat_result | OSError:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        return error


def _reason(error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return f"its path is longer than the {os.pathconf('/', 'PC_PATH_MAX'):,} bytes that this system allows"
    return error.strerror or type(error).__name__


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _is(file: Dropped, found: os.stat_result) -> bool:
    return (found.st_size, str(found.st_mtime_ns)) == (file.size, file.version) and stat.S_ISREG(found.st_mode)


def _place(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _moment(mtime_ns: int) -> datetime:
    """Years that a time stamp may hold and a calendar may not are cut off."""
    return _EPOCH + timedelta(seconds=min(max(mtime_ns / 1e9, 0), 2**37))


def _open_plain(path: str, flags: int) -> int:
    """No link is followed, no pipe waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _chunks(stream: IO[bytes], left: int) -> Iterator[bytes]:
    """The first `left` bytes: a file that never stops growing does."""
    while chunk := stream.read(min(CHUNK, left)):
        left -= len(chunk)
        yield chunk
