"""The errors a person sees, each named after what the person has to do."""

import errno
import sys
from collections.abc import Callable

from inspection import garbage


class AndonError(Exception):
    """A refusal in words: what was wrong and what to do. The command prints it and exits with 1."""


class FixSettings(AndonError):
    """A YAML file, an option or the environment says something that cannot be."""


class FixInput(AndonError):
    """A file, an image or a table that was handed in is not what it has to be."""


class FetchData(AndonError):
    """Something that git names is not on this disk yet: `dvc pull` or an ingest brings it."""


class MakeRoom(AndonError):
    """The disk is full or may not be written to."""


class WaitForOther(AndonError):
    """Another process is at work on the same thing."""


class AskForApproval(AndonError):
    """The gate is closed: a person has to decide, or has decided otherwise."""


class CheckHistory(AndonError):
    """A record that is only ever appended to was changed; somebody has to look before work goes on."""


TOO_LITTLE_MEMORY = (
    "This computer has too little memory for it: close other programs, or lower train.batch_size or backbone.grid, or "
    "tune fewer blocks (train.tuned_blocks in params.yaml)."
)


def in_words(main: Callable[[], None]) -> None:
    """Run a program's `main`; a refusal becomes one clear line on the error stream and exit code 1."""
    garbage.settle()
    try:
        main()
    except AndonError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        if error.filename is None and not full:  # a fault of the program, not the system's word on a file
            raise
        where = f" ({error.filename})" if error.filename else ""
        if full:
            words = f"The disk is full or may not be written to{where}: free some space and run it again."
        else:
            words = f"{error.strerror or error}{where}: check the path and its permissions, then run it again."
        print(words, file=sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        if not _lacks_memory(error):
            raise
        print(TOO_LITTLE_MEMORY, file=sys.stderr)
        raise SystemExit(1) from None


def _lacks_memory(error: Exception) -> bool:
    """Of Python, of torch on the processor or on CUDA, of OpenCV: each has words of its own."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("allocate memory", "out of memory", "insufficient memory")
    )
