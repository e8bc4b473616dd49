"""Where images come from: a folder that cameras write to, or a bucket."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from inspection.errors import FixSettings
from inspection.intake.bucket import Bucket
from inspection.intake.dropped import Dropped, Listing
from inspection.intake.folder import Folder
from inspection.outside import credentials
from inspection.params import Ingest

_Files = list[Dropped]  # within the class `list` is what it lists


class Inbox(Protocol):
    """A source of images. What is read and removed is what was listed: cameras use names again."""

    uri: str

    def list(self) -> Listing:
        """What is there now; hidden and unfinished names are left alone. What is no plain file or cannot be read is
        told apart, and keeps nobody else waiting."""

    def contents(self, files: Iterable[Dropped]) -> Iterator[tuple[Dropped, bytes | None]]:
        """The bytes of each file in turn; None if it is gone or changed: the next run sees to it."""

    def fetch(self, file: Dropped, path: Path) -> str | None:
        """Copy a file that is too large for memory to `path`; its SHA-256, or None as in `contents`."""

    def remove(self, files: Iterable[Dropped]) -> _Files:
        """Delete what was read; returns the files that stayed because they were written anew, each under the key that
        it has now."""


def open_inbox(uri: str, home: Path, settings: Ingest) -> Inbox:
    """`s3://bucket/prefix`, or a folder, relative to `home`.

    Raises:
        FixSettings: an address of another kind, or one with a password or key in it; of a bucket: no credentials.
    """
    if words := credentials.refusal("The address of the inbox", uri):
        raise FixSettings(words)
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return Bucket(bucket, prefix.strip("/"), settings.downloads)
    if "://" in uri:
        raise FixSettings(f"The inbox {uri} is neither a folder nor s3://bucket/prefix: set ingest.inbox.")
    return Folder(home / uri, settings.settle)
