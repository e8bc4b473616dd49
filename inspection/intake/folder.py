"""An inbox that is a folder."""

import errno
import operator
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TypeVar

from inspection import clock
from inspection.errors import FixSettings, MakeRoom
from inspection.intake.dropped import CHUNK, Dropped, Listing, by_key, is_left_alone, saved

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_ESCAPED = re.compile(r"\\u(dc[89a-f][0-9a-f])")
T = TypeVar("T")
_Files = list[Dropped]  # within the class `list` is what it lists


class Folder:
    """A folder that cameras write to; those that are empty stay, as cameras own them."""

    def __init__(self, path: Path, settle: float) -> None:
        self.uri = str(path)
        self.path = path
        self._settle = settle

    def list(self) -> Listing:
        """A file counts as written once it is `settle` seconds old, by the clock that stamps files. One from the
        future counts once a second look finds no change: that clock was set back, and may be so for long."""
        now = clock.machine()
        found = {file: (now - file.modified).total_seconds() for file in self._walk()}
        finished = {file for file, age in found.items() if age >= self._settle}
        if ahead := [file for file, age in found.items() if age < 0]:
            time.sleep(self._settle)
            finished.update(file for file in ahead if self._as_listed(file))
        unfinished = sorted(file.key for file in found if file not in finished)
        return Listing(by_key(finished), tuple(unfinished))

    def contents(self, files: Iterable[Dropped]) -> Iterator[tuple[Dropped, bytes | None]]:
        for file in files:
            yield file, self._read(file, operator.methodcaller("read", file.size + 1))

    def fetch(self, file: Dropped, path: Path) -> str | None:
        digest = self._read(file, lambda stream: saved(_chunks(stream, file.size), path))
        if digest is None:
            path.unlink(missing_ok=True)
        return digest

    def remove(self, files: Iterable[Dropped]) -> _Files:
        stayed, closed = [], []
        for file in files:
            try:
                if self._as_listed(file):
                    self._at(file).unlink(missing_ok=True)
                elif os.path.lexists(self._at(file)):
                    stayed.append(file)
            except OSError as error:
                if error.errno not in _CLOSED:
                    raise
                closed.append(file.key)
        if closed:
            raise MakeRoom(
                f"{len(closed)} files that were taken in cannot leave {self.uri} (first {closed[0]}): it may not be "
                "written to; grant that, and the next ingest removes them."
            )
        return stayed

    def _walk(self) -> Iterator[Dropped]:
        if not self.path.is_dir():
            raise FixSettings(
                f"There is no inbox at {self.uri}: create the folder, or set ingest.inbox in params.yaml."
            )
        for folder, folders, names in os.walk(self.path, onerror=_unreadable):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(folder) / name
                if is_left_alone(name) or (found := _lstat(path)) is None or not stat.S_ISREG(found.st_mode):
                    continue
                key = path.relative_to(self.path).as_posix().encode("utf-8", "backslashreplace").decode()
                yield Dropped(key, found.st_size, str(found.st_mtime_ns), _moment(found.st_mtime_ns))

    def _at(self, file: Dropped) -> Path:
        return self.path / _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), file.key)

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
                taken = take(stream)
                return taken if _is(file, os.fstat(stream.fileno())) else None
        except OSError as error:
            if error.errno in _GONE and error.filename in (None, str(path)):
                return None
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # those are of the copy
                error.filename = error.filename or str(path)
            raise


def _unreadable(error: OSError) -> None:
    if error.errno not in _GONE:
        raise FixSettings(f"{error.filename} in the inbox cannot be read ({error.strerror}): grant that.")


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _is(file: Dropped, found: os.stat_result) -> bool:
    return (found.st_size, str(found.st_mtime_ns)) == (file.size, file.version) and stat.S_ISREG(found.st_mode)


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
