"""Folders and buckets that are no inbox: what is taken in leaves its place, so nobody's documents may be."""

from collections.abc import Collection
from pathlib import Path

from inspection.errors import FixSettings
from inspection.intake import naming
from inspection.intake.arrivals import Arrived
from inspection.intake.folder import Folder
from inspection.intake.inbox import Inbox
from inspection.params import Ingest
from inspection.pictures.images import SUFFIXES

SIGNS = (".ssh", ".gnupg", ".git", ".bashrc", ".profile", ".bash_history", ".zshrc", "NTUSER.DAT", "AppData")
MOST = 0.5  # of the files of an inbox may be neither pictures nor sheets


def refuse_foreign(box: Inbox, arrived: Arrived, cameras: Collection[str], settings: Ingest) -> None:
    """Raises FixSettings for what does not look like an inbox: a home or a repository, one that holds mostly other
    files than pictures, or one of which no file is named after a declared camera or described by a sheet."""
    if isinstance(box, Folder) and (why := _sign(box.path.resolve())):
        raise _refusal(box, why)
    keys = [file.key for file in arrived.images]
    named = {key for key in keys if _is_named(key, arrived, cameras, settings)}
    other = [key for key in keys if key not in named and not key.lower().endswith(SUFFIXES)]
    other += [file.key for file, _ in arrived.bad]
    sheets = len(arrived.sheets.sheets)
    files = len(keys) + sheets + len(arrived.bad)
    if len(other) > MOST * files:
        raise _refusal(box, f"{len(other)} of its {files} files are neither pictures nor sheets (such as {other[0]!r})")
    if files and not named and not sheets:
        known = ", ".join(list(cameras)[:8])
        raise _refusal(
            box,
            f"none of its {files} files is named by ingest.key_pattern after a camera of cameras.yaml ({known}) or "
            f"described by a sheet (the first is {keys[0]!r})",
        )


def _is_named(key: str, arrived: Arrived, cameras: Collection[str], settings: Ingest) -> bool:
    """Whether a row speaks of the file, or its name names a camera; where the pattern asks for none, a picture that is
    named by it."""
    if arrived.sheets.knows(key):
        return True
    expression = naming.pattern(settings.key_pattern, not settings.sidecar)
    match = expression.match(key.rsplit(".", 1)[0]) if expression else None
    if match is None:
        return False
    camera = match.groupdict().get("camera")
    return camera in cameras if camera is not None else key.lower().endswith(SUFFIXES)


def _sign(folder: Path) -> str:
    """What gives a folder away; "" if nothing does."""
    if Path.home().resolve().is_relative_to(folder):
        return "it is somebody's home, or holds it"
    return next((f"it holds {name}, as homes and repositories do" for name in SIGNS if (folder / name).exists()), "")


def _refusal(box: Inbox, why: str) -> FixSettings:
    return FixSettings(
        f"{box.uri} does not look like an inbox: {why}. Nothing was touched. Name the folder that cameras drop into, "
        "and move what is not theirs out of it."
    )
