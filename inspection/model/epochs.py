"""The epoch that the training under way has kept, for those who ask from another process: without torch."""

from pathlib import Path

from inspection import files

_NAME = "epoch-kept"


def note(folder: Path, epoch: int) -> None:
    """It would go on behind this one, were it stopped now; 0: it would begin anew."""
    if epoch:
        files.write(folder / _NAME, str(epoch))
    else:
        (folder / _NAME).unlink(missing_ok=True)


def kept(folder: Path) -> int:
    """The last one that was noted, or 0."""
    try:
        return int((folder / _NAME).read_text())
    except (OSError, ValueError):
        return 0
