"""Files of an inbox -> what each of them is, and what the frozen network says of it."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from inspection import clock
from inspection.errors import FixInput
from inspection.intake.dropped import Dropped
from inspection.intake.reading import Levels, Read, Reader, Result, Seen, ahead, unread
from inspection.network.features import Wanted, shown
from inspection.network.masks import Masks
from inspection.network.views import PLAIN, View
from inspection.scale.engine import Engine, Here
from inspection.scale.work import Tools

_ENDS = "whatever worker of the cluster looks at it ends; look at it with another program, and export it again"
_NOTHING: tuple[View, ...] = ()


@dataclass(frozen=True)
class Taking:
    """Identity, pixels, statistics and features of files, read once.

    Args:
        folder: of the batch, in staging.
    """

    reader: Reader
    masks: Masks
    folder: Path
    seen: Seen

    def __call__(self, items: Sequence[Dropped], tools: Tools) -> Iterator[Read]:
        """Each file as it was read, its bytes at `path`; of a worker `path` is only a name, and the bytes stay where
        they lie until the flow fetches them."""
        folder = tools.folder / self.folder.name
        folder.mkdir(exist_ok=True)
        reads: deque[Read] = deque()
        with closing(self.reader.read(items, folder, self.seen, tools.threads)) as results:
            for _ in tools.features.adding(self._pictures(results, reads)):
                yield self._named(reads.popleft(), tools)

    def lost(self, item: Dropped) -> Read:
        """A file that no worker survives is refused alone."""
        return unread(self.reader.box, item, self.folder, self.seen, _ENDS)

    def brought(self, reads: Iterable[Read]) -> Iterator[Read]:
        """The reads with their bytes in staging: those of workers are fetched, and held against the hash of what the
        worker saw. A file that has changed meanwhile is left for the next run."""
        with ThreadPoolExecutor(self.reader.settings.downloads) as pool:
            yield from ahead(pool, self._brought, reads)

    def _brought(self, read: Read) -> Read:
        if not read.path.name or read.path.is_absolute():
            return read
        path = self.folder / read.path.name
        if self.reader.box.fetch(read.file, path) != read.image_id:
            path.unlink(missing_ok=True)
            return Read(read.file)
        capture = read.capture and {**read.capture, "ingested_at": pd.Timestamp(clock.now())}  # by the flow's clock
        return replace(read, path=path, capture=capture)

    def _named(self, read: Read, tools: Tools) -> Read:
        if not tools.away or not read.path.name:
            return read
        read.path.unlink(missing_ok=True)
        return replace(read, path=Path(read.path.name))

    def _pictures(self, results: Generator[Result, None, None], reads: "deque[Read]") -> Iterator[Wanted]:
        """One for each file: the picture as it is shown to the network, or nothing to be computed. A picture that does
        not fit its mask is the contract's business, and that of whoever uses it."""
        for read, levels in results:
            reads.append(read)
            yield self._wanted(read, levels)

    def _wanted(self, read: Read, levels: Levels | None) -> Wanted:
        nothing: Wanted = ("", _NOTHING, partial(_levels, levels))
        if read.capture is None or levels is None:
            return nothing
        place = (read.capture["camera"], read.capture["part"])
        try:
            visible = self.masks.applied(levels, *place)
        except FixInput:
            return nothing
        name = shown(read.image_id, read.capture["black"], read.capture["white"], self.masks.name(*place))
        return name, (PLAIN,), partial(_levels, visible)


def _levels(levels: Levels | None) -> Levels:
    assert levels is not None
    return levels


def taken(engine: Engine, taking: Taking, files: Sequence[Dropped]) -> Generator[Read, None, None]:
    """What becomes of files, in order, with their bytes in staging."""
    reads = engine.rows(taking, files)
    yield from reads if isinstance(engine, Here) else taking.brought(reads)
