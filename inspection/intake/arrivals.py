"""What lies in an inbox: the images that may be taken, and the sheets that describe them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from inspection import clock
from inspection.errors import FixInput
from inspection.intake import sidecar
from inspection.intake.dropped import Dropped
from inspection.intake.inbox import Inbox
from inspection.intake.reading import Read, Seen, unread
from inspection.intake.sidecar import Sheet, Sidecars
from inspection.params import Ingest


@dataclass(frozen=True)
class Arrived:
    """Images that may be taken, sheets that describe some, and what was left for later."""

    images: tuple[Dropped, ...]
    sheets: Sidecars
    bad: tuple[tuple[Dropped, str], ...]  # sheets that cannot be read, and why
    waiting: tuple[str, ...]
    apart: tuple[tuple[str, str], ...] = ()  # what can never be taken from where it is, and why

    @property
    def words(self) -> dict[str, list[str]]:
        """For each sheet that is not all plain what is to be said of it, by its key."""
        return {sheet.file.key: list(sheet.words) for sheet in self.sheets.sheets if sheet.words}

    @property
    def unread(self) -> dict[str, str]:
        """Which lines of a sheet are refused, and why, by its key; of one that cannot be read, that none was taken."""
        told = {sheet.file.key: sheet.refused.in_words() for sheet in self.sheets.sheets}
        told |= {file.key: f"none of its lines was taken: {reason}" for file, reason in self.bad}
        return {key: words for key, words in told.items() if words}

    def portions(self, size: int) -> Iterator[tuple[Dropped, ...]]:
        """The images, `size` at a time."""
        return (self.images[start : start + size] for start in range(0, len(self.images), size))

    def read_sheets(self, box: Inbox, folder: Path, seen: Seen, wait: timedelta) -> Iterator[Read]:
        """Each sheet. It is left while an image of it may come, known once its images are all here; one that cannot be
        read, or with lines of which nothing could be made, is refused when what it said is used.

        Args:
            folder: in staging, for the bytes of those.
            seen: of the keys of sheets and of all that they name.
            wait: `ingest.sidecar_wait`.
        """
        for sheet in self.sheets.sheets:
            if not sidecar.settled(sheet, seen, clock.machine(), wait):
                yield Read(sheet.file)
            elif reason := _of_no_use(sheet, seen):
                yield unread(box, sheet.file, folder, seen, reason)
            else:
                yield Read(sheet.file, hashlib.sha256(sheet.content).hexdigest(), known=True)
        for file, reason in self.bad:
            yield unread(box, file, folder, seen, reason)


def look_in(box: Inbox, settings: Ingest) -> Arrived:
    """What lies in the inbox. An image without a row waits for one while sidecars are used."""
    listing = box.list()
    described = [file for file in listing.files if sidecar.is_sheet(file.key, settings.sidecar)]
    sheets: list[Sheet] = []
    bad: list[tuple[Dropped, str]] = []
    for file, content in box.contents([file for file in described if file.size <= sidecar.MOST_BYTES]):
        try:
            if content is not None:
                sheets.append(sidecar.read(file, content))
        except FixInput as error:
            bad.append((file, str(error)))
    bad += [(file, "a sidecar may have 64 MB; split it") for file in described if file.size > sidecar.MOST_BYTES]
    rows = Sidecars(sheets)
    apart = set(described)
    pictures = [file for file in listing.files if file not in apart]
    early = {file.key for file in pictures if _waits(file, rows, settings)}
    images = tuple(file for file in pictures if file.key not in early)
    return Arrived(images, rows, tuple(bad), (*listing.unfinished, *sorted(early)), listing.apart)


def _of_no_use(sheet: Sheet, seen: Seen) -> str:
    """What of a sheet could not be used, in words; "" if all of it was."""
    why = [sheet.refused.in_words()]
    if lone := sidecar.without_image(sheet, seen):
        why.append(f"no image came for {len(lone)} of its rows (first: line {lone[0]}) within ingest.sidecar_wait")
    return "; ".join(one for one in why if one)


def _waits(file: Dropped, rows: Sidecars, settings: Ingest) -> bool:
    old = clock.machine() - file.modified >= timedelta(minutes=settings.sidecar_wait)
    return bool(settings.sidecar) and not old and not rows.knows(file.key)
