"""An inbox to which files come back from quarantine: they are read again beside what lies in it, by their own names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from inspection.intake.dropped import CHUNK, Dropped, Listing, by_key, saved
from inspection.intake.inbox import Inbox

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # what comes back has waited for its row or its image
_Files = list[Dropped]  # within the class `list` is what it lists


class Returning:
    """An inbox and, beside what lies in it, files from quarantine.

    Args:
        back: capture_id -> the file's key, and where its bytes are.
        leave: called with the captures of those that are safe elsewhere.
    """

    def __init__(
        self, box: Inbox, back: Mapping[str, tuple[str, Path]], leave: Callable[[Sequence[str]], None]
    ) -> None:
        self.uri = box.uri
        self._box, self._back, self._leave = box, back, leave

    def list(self) -> Listing:
        """A file of the inbox that may be one of those that come back, dropped again, is left for the next run."""
        there = self._box.list()
        back = [
            Dropped(key, path.stat().st_size, capture, LONG_AGO)
            for capture, (key, path) in self._back.items()
            if path.is_file()
        ]
        twice = {(file.key, file.size) for file in back}
        stay = tuple(file for file in there.files if (file.key, file.size) not in twice)
        later = (file.key for file in there.files if (file.key, file.size) in twice)
        return replace(there, files=by_key([*stay, *back]), unfinished=(*there.unfinished, *later))

    def contents(self, files: Iterable[Dropped]) -> Iterator[tuple[Dropped, bytes | None]]:
        for comes_back, some in groupby(files, key=self._comes_back):
            if not comes_back:
                yield from self._box.contents(some)
                continue
            for file in some:
                _, path = self._back[file.version]
                yield file, path.read_bytes() if path.is_file() else None

    def fetch(self, file: Dropped, path: Path) -> str | None:
        if not self._comes_back(file):
            return self._box.fetch(file, path)
        with self._back[file.version][1].open("rb") as stream:
            return saved(iter(lambda: stream.read(CHUNK), b""), path)

    def remove(self, files: Iterable[Dropped]) -> _Files:
        known = list(files)
        self._leave([file.version for file in known if self._comes_back(file)])
        return self._box.remove(file for file in known if not self._comes_back(file))

    def _comes_back(self, file: Dropped) -> bool:
        return file.version in self._back
