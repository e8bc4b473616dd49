"""The reading of files: what each of them is, or why it is not taken. From then on its bytes lie in staging."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inspection import clock
from inspection.cameras import Camera
from inspection.errors import FixInput
from inspection.intake import naming
from inspection.intake.dropped import Dropped, capture_id
from inspection.intake.inbox import Inbox
from inspection.intake.likeness import thumbnail
from inspection.intake.sidecar import Sidecars
from inspection.params import Ingest
from inspection.pictures import images

THREADS = len(os.sched_getaffinity(0))
AHEAD = 2 * THREADS + 4  # pictures decoded and not yet embedded: what bounds memory
Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255
Seen = Mapping[str, Set[str]]  # key -> the captures that were taken or refused under it


@dataclass(frozen=True)
class Read:
    """What became of one file: a capture (a row of the manifest, its `path` still the file's name alone), or a reason
    why it is refused, in both cases with its bytes at `path`; known already; or none of these: it is gone or was
    changed, and is left for the next run."""

    file: Dropped
    image_id: str = ""
    path: Path = Path()
    capture: Mapping[str, Any] | None = None
    reason: str = ""
    known: bool = False
    highest: int = 0  # value that a picture stores


Item = tuple[Dropped, bytes | None]
S = TypeVar("S")
T = TypeVar("T")
Result = tuple[Read, Levels | None]


@dataclass(frozen=True)
class Reader:
    """Reads what lies in an inbox: identity, pixels, statistics and thumbnail come from the same bytes."""

    box: Inbox
    sheets: Sidecars
    cameras: Mapping[str, Camera]
    settings: Ingest
    measure: Callable[[Levels], Mapping[str, float]]  # the statistics of a picture

    def read(
        self, files: Sequence[Dropped], folder: Path, seen: Seen, threads: int = THREADS
    ) -> Generator[Result, None, None]:
        """Each file with the levels of its picture; those that no picture can be as large as come last. Threads read a
        bounded number ahead of who asks; where it is one, who asks reads. A picture that is larger than its camera's is
        refused before it is decoded: preparing one of any size costs any memory.

        Args:
            folder: of the batch, by its name, in staging.
        """
        most = images.largest(self.settings.max_megapixels)
        small = self.box.contents([file for file in files if file.size <= most])
        if threads == 1:
            yield from map(partial(self._one, folder, seen), small)
        else:
            with ThreadPoolExecutor(threads) as pool:
                yield from ahead(pool, partial(self._one, folder, seen), small)
        for file in (file for file in files if file.size > most):
            reason = (
                f"{file.size / 1e6:.0f} MB are more than an image of ingest.max_megapixels = "
                f"{self.settings.max_megapixels:g} can have ({most / 1e6:.0f} MB)"
            )
            yield unread(self.box, file, folder, seen, reason), None

    def _one(self, folder: Path, seen: Seen, item: Item) -> Result:
        """Of one file; runs in several threads at once."""
        file, content = item
        if content is None:
            return Read(file), None
        image_id = hashlib.sha256(content).hexdigest()
        capture = capture_id(file.key, image_id)
        if capture in seen.get(file.key, ()):
            return Read(file, image_id, known=True), None
        try:
            named = self._named(file.key)
            picture = images.decode(content, self.settings.max_megapixels, named.camera)
        except FixInput as error:
            return Read(file, image_id, _put(folder / _refused(capture), content), reason=str(error)), None
        path = _put(folder / f"{capture[:24]}{_suffix(file.key, picture.format)}", content)
        levels = picture.levels(named.camera.span)
        row = {
            "capture_id": capture,
            "image_id": image_id,
            "batch": folder.name,
            "bytes": len(content),
            "path": path.name,
            "ingested_at": pd.Timestamp(clock.now()),
            "key": file.key,
            **_named_columns(named),
            **_picture_columns(picture),
            **self.measure(levels),
            "thumbnail": thumbnail(levels),
        }
        return Read(file, image_id, path, row, highest=picture.highest), levels

    def _named(self, key: str) -> naming.Named:
        expression = naming.pattern(self.settings.key_pattern, not self.settings.sidecar)
        return naming.named(key, expression, self.cameras, self.sheets.row(key))


def unread(box: Inbox, file: Dropped, folder: Path, seen: Seen, reason: str) -> Read:
    """A file that is refused for a reason that was known before; its bytes go to `folder` past the memory."""
    part = folder / "unread.part"
    image_id = box.fetch(file, part)
    if image_id is None:
        return Read(file)
    capture = capture_id(file.key, image_id)
    if capture in seen.get(file.key, ()):  # an ingest that was killed has refused it before it could leave the inbox
        part.unlink()
        return Read(file, image_id, known=True)
    return Read(file, image_id, part.replace(folder / _refused(capture)), reason=reason)


def ahead(pool: ThreadPoolExecutor, work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """What `work` makes of the items, in order, a bounded number of them ahead of who asks."""
    pending: deque[Future[T]] = deque()
    for item in items:
        pending.append(pool.submit(work, item))
        if len(pending) >= AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _refused(capture: str) -> str:
    return f"{capture[:24]}.refused"


def _suffix(key: str, form: str) -> str:
    """That of the file if it is one of images, else its format's: a name in the inbox may end in anything."""
    suffix = Path(key).suffix.lower()
    return suffix if suffix in images.SUFFIXES else f".{form.lower()}"


def _named_columns(named: naming.Named) -> dict[str, Any]:
    black, white = named.camera.span
    return {
        "line": named.camera.line,
        "camera": named.camera.name,
        "part": named.part,
        "serial": named.serial,
        "captured_at": pd.Timestamp(named.captured_at),
        "time_doubtful": named.time_doubtful,
        "black": black,
        "white": white,
    }


def _picture_columns(picture: images.Picture) -> dict[str, Any]:
    return {
        "width": picture.width,
        "height": picture.height,
        "channels": picture.pixels.shape[2],
        "bit_depth": picture.bit_depth,
        "format": picture.format,
    }
