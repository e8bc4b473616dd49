"""A file or object as it was found in an inbox, and what can be said of it before it is read."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

UNFINISHED = (  # how the names of files end that a program still writes, or that it keeps for itself
    *(".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".opdownload", ".aria2"),
    *(".upload", ".uploading", ".incomplete", ".unfinished", ".inprogress", ".writing", ".swp", "~"),
)
SYSTEMS = {  # files that systems put beside others
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "autorun.inf", "iconcache.db", "picasa.ini"),
    *("icon\r", "ntuser.dat", "hiberfil.sys", "pagefile.sys", "swapfile.sys"),
}
SYSTEM_FOLDERS = {
    *("$recycle.bin", "recycler", "system volume information", "__macosx", "lost+found"),
    *("@eadir", "@recycle", "#recycle", "#snapshot"),
}
CHUNK = 2**20  # bytes of a file that is larger than memory should hold


@dataclass(frozen=True)
class Dropped:
    """A file or object as it was when it was found."""

    key: str  # path below the inbox, "/" between its steps; bytes that are no UTF-8 are backslash-escaped
    size: int  # bytes
    version: str  # another one when it is written again: a file's mtime in ns, an object's ETag
    modified: datetime  # UTC, by the clock of the machine or server that keeps it
    place: tuple[int, ...] = field(default=(), compare=False)  # of a file: device, inode, last change of any kind in ns
    digest: str = field(default="", compare=False)  # SHA-256 of the bytes that were read of it


@dataclass(frozen=True)
class Listing:
    """What lies in an inbox: finished files by key, the keys of those that are still being written, and of what can
    never be taken from where it is, each with the reason."""

    files: tuple[Dropped, ...]
    unfinished: tuple[str, ...]
    apart: tuple[tuple[str, str], ...] = ()


def capture_id(key: str, image_id: str) -> str:
    """The identity of a capture: the same key with the same bytes is the same capture."""
    return hashlib.sha256(f"{key}\n{image_id}".encode()).hexdigest()


def by_key(files: Iterable[Dropped]) -> tuple[Dropped, ...]:
    """In the order of their keys."""
    return tuple(sorted(files, key=lambda file: file.key))


def is_hidden(name: str) -> bool:
    """`..` is no hidden name but a wrong one."""
    return name.startswith(".") and name not in (".", "..")


def is_left_alone(name: str) -> bool:
    """Hidden, still being written by its own word, or a system's or an office program's own: neither a picture nor to
    be refused."""
    small = name.lower()
    return is_hidden(name) or small.endswith(UNFINISHED) or small in SYSTEMS or small.startswith("~$")


def is_of_system(key: str) -> bool:
    """Whether a file lies in a folder that a system or a storage keeps for itself."""
    return not SYSTEM_FOLDERS.isdisjoint(key.lower().split("/")[:-1])


def saved(chunks: Iterable[bytes], path: Path) -> str:
    """Write a file as a whole or not at all; its SHA-256."""
    digest, part = hashlib.sha256(), path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest()
