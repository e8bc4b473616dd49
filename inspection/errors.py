"""The errors a person sees, each named after what the person has to do."""

import errno
import json
import re
import sys
from collections.abc import Callable
from typing import ClassVar

from inspection import garbage

_ORDERS = (  # how what a person has to do begins
    "add|andon|approve|ask|begin|bring|check|choose|clear|close|commit|copy|correct|create|declare|delete|"
    "did you mean|draw|drop|export|fetch|fill|free|get|give|grant|have|hold|install|label (?:it|more|the)|leave|"
    "let|look|lower|make|move|name|put|raise|remove|rename|report|restore|run|save|say|see|set|split|start|take|"
    "tell|train|try|tune|type|update|use|wait|write"
)
_REMEDY = re.compile(rf"(?:^|(?<=[.:;?])\s)(?=(?:{_ORDERS})\b|`(?:andon|dvc|git|pip|prefect) )", re.IGNORECASE)
_ASIDE = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*")(?!\w)|\([^()]*\)""")  # quoted, or between brackets


class AndonError(Exception):
    """A refusal in words: what was wrong and what to do. The command prints it and exits with `code`.

    Args:
        words: one sentence or several. From the first part on that begins with an order (": run ...", "; correct ...",
            ". Restore ...") they say what to do.
        remedy: what to do, where `words` do not say it; printed behind them.
    """

    code: ClassVar[int] = 1
    usual: ClassVar[str] = "Correct what is named here, then run it again."  # the remedy where nothing says another

    def __init__(self, words: str, remedy: str = "") -> None:
        super().__init__(f"{words} {remedy}".rstrip())
        self._given = (words, remedy) if remedy else None

    def parts(self) -> tuple[str, str]:
        """What was wrong and what to do, two sentences or more; neither is empty."""
        if self._given:
            return self._given
        words = str(self)
        found = list(_REMEDY.finditer(_ASIDE.sub(lambda aside: "_" * len(aside[0]), words)))
        if not found:
            return words, self.usual
        at = found[0].end() or (found[1].end() if found[1:] else 0)
        wrong, remedy = words[:at].rstrip(" :;"), words[at:]
        if len(wrong.split()) < 3:  # only the name of an option or a file: it takes the rest to say what was wrong
            wrong = words
        return _sentence(wrong), _sentence(remedy[:1].upper() + remedy[1:])

    def as_json(self) -> str:
        """One object on one line, in ASCII, for programs whatever the terminal writes."""
        wrong, remedy = self.parts()
        return json.dumps({"error": wrong, "remedy": remedy})


class FixSettings(AndonError):
    """A YAML file, an option or the environment says something that cannot be."""

    usual = "Correct the setting that is named here, then run it again."


class FixInput(AndonError):
    """A file, an image or a table that was handed in is not what it has to be."""

    usual = "Correct the input that is named here, then run it again."


class FixCommand(AndonError):
    """The command line says something that no command takes."""

    code = 2
    usual = "See `andon --help`."


class FetchData(AndonError):
    """Something that git names is not on this disk yet: `dvc pull` or an ingest brings it."""

    usual = "Run `dvc pull`, then run it again."


class MakeRoom(AndonError):
    """The disk is full or may not be written to."""

    usual = "Free some space or grant the writing, then run it again."


class WaitForOther(AndonError):
    """Another process is at work on the same thing."""

    usual = "Run it again when the other has finished."


class AskForApproval(AndonError):
    """The gate is closed: a person has to decide, or has decided otherwise."""

    usual = "See `andon candidates` for what waits for a person, and `andon show CANDIDATE` for what the gate said."


class CheckHistory(AndonError):
    """A record that is only ever appended to was changed; somebody has to look before work goes on."""

    usual = "Look at what git and DVC say of it (`git status`, `git log`, `dvc status`) before work goes on."


TOO_LITTLE_MEMORY = (
    "This computer has too little memory for it: close other programs, or lower train.batch_size or backbone.grid, or "
    "tune fewer blocks (train.tuned_blocks in params.yaml)."
)


def in_words(main: Callable[[], None], as_json: bool = False) -> None:
    """Run a program's `main`; a refusal becomes one clear line on the error stream, or one JSON object there as
    its last line, and the exit code of its class.
    """
    garbage.settle()
    try:
        main()
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        print(refusal.as_json() if as_json else refusal, file=sys.stderr)
        raise SystemExit(refusal.code) from None


def refusal_of(error: Exception) -> AndonError | None:
    """An error as a refusal, where it is one or the system's word on a file or on memory; None: the program's fault."""
    if isinstance(error, AndonError):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    return MakeRoom(TOO_LITTLE_MEMORY) if _lacks_memory(error) else None


def _of_system(error: OSError) -> AndonError | None:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    if error.filename is None and not full:
        return None
    where = f" ({error.filename})" if error.filename else ""
    if full:
        return MakeRoom(f"The disk is full or may not be written to{where}: free some space and run it again.")
    return FixInput(f"{error.strerror or error}{where}: check the path and its permissions, then run it again.")


def _sentence(words: str) -> str:
    return words if words.endswith((".", "?", "!")) else f"{words}."


def _lacks_memory(error: Exception) -> bool:
    """Of Python, of torch on the processor or on CUDA, of OpenCV: each has words of its own."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("allocate memory", "out of memory", "insufficient memory")
    )
