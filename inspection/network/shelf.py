"""A folder that several computers share: features by the hash of their key, networks and settings by that of theirs.

Nobody locks it: each file is written whole under a name that its content has for good. Nothing in it is believed: what
is damaged or was taken away is computed again.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from inspection.errors import FixSettings

_DIGEST = 32  # bytes of SHA-256 before the content


class Store(Protocol):
    """Where features are kept."""

    def get(self, key: str) -> bytes | None: ...

    def set(self, key: str, content: bytes) -> object: ...

    def delete(self, key: str) -> object: ...

    def close(self) -> None: ...


class Shelf:
    """The shared folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> bytes | None:
        """What was kept under the key; a damaged one is taken off."""
        try:
            content = self._at(key).read_bytes()
        except OSError:
            return None
        if content[:_DIGEST] != _sum(key, content[_DIGEST:]):
            self.delete(key)
            return None
        return content[_DIGEST:]

    def set(self, key: str, content: bytes) -> None:
        """Keep it; the same again changes nothing."""
        _put(self._at(key), _sum(key, content) + content)

    def delete(self, key: str) -> None:
        with suppress(OSError):
            self._at(key).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is open."""

    def keep(self, content: bytes) -> str:
        """Put bytes on the shelf for the workers; their SHA-256, by which they ask for them."""
        digest = hashlib.sha256(content).hexdigest()
        try:
            os.utime(self._named(digest))  # in use: it is not what goes first
        except OSError:
            _put(self._named(digest), content)
        return digest

    def kept(self, digest: str) -> bytes:
        """The bytes of that SHA-256.

        Raises:
            FixSettings: this computer does not see them, or others under their name.
        """
        try:
            content = self._named(digest).read_bytes()
        except OSError as error:
            raise FixSettings(
                f"{self._named(digest)} cannot be read here ({error.strerror}): set scale.shared to a folder that the "
                "plant's computer and every worker reach under one path."
            ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise FixSettings(
                f"{self._named(digest)} is not what the plant's computer put there: delete it and run it again."
            )
        return content

    def trim(self, most: int) -> None:
        """Take off what was written longest ago, beyond `most` bytes."""
        there = sorted(self._entries(), reverse=True)
        for _, size, path in there:
            most -= size
            if most < 0:
                with suppress(OSError):
                    path.unlink()

    def clear(self) -> None:
        """Take everything off."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _entries(self) -> Iterator[tuple[int, int, Path]]:
        """Time in ns, bytes and path of each file."""
        for room in ("features", "sent"):
            for folder in sorted((self.folder / room).glob("??")):
                with os.scandir(folder) as inside:
                    for entry in inside:
                        with suppress(OSError):
                            found = entry.stat()
                            yield found.st_mtime_ns, found.st_size, Path(entry.path)

    def _at(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / "features" / name[:2] / name

    def _named(self, digest: str) -> Path:
        return self.folder / "sent" / digest[:2] / digest


class OwnAndShelf:
    """A computer's own store and, behind it, the shelf: what is found there is kept here from then on."""

    def __init__(self, own: Store, shelf: Shelf) -> None:
        self._own, self._shelf = own, shelf

    def get(self, key: str) -> bytes | None:
        content = self._own.get(key)
        if content is None:
            content = self._shelf.get(key)
            if content is not None:
                self._own.set(key, content)
        return content

    def set(self, key: str, content: bytes) -> None:
        self._own.set(key, content)

    def delete(self, key: str) -> None:
        self._own.delete(key)
        self._shelf.delete(key)

    def close(self) -> None:
        self._own.close()


def _sum(key: str, content: bytes) -> bytes:
    """Of the content under this key: another's content is as bad as a damaged one."""
    return hashlib.sha256(key.encode() + b"\n" + content).digest()


def _put(path: Path, content: bytes) -> None:
    """As a whole; without waiting for the disk, for it can be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
