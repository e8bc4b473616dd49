"""The errors a person sees, each named after what the person has to do."""

import errno
import json
import re
import sys
import traceback
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, TypeVar

from inspection import garbage
from inspection.outside.credentials import masked

T = TypeVar("T")
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
        words, remedy = masked(words), masked(remedy)  # whoever wrote them
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
        return json.dumps({"error": wrong, "remedy": remedy}).replace("\x7f", "\\u007f")


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
            sys.excepthook = _without_credentials
            raise
        print(refusal.as_json() if as_json else printable(str(refusal)), file=sys.stderr)
        raise SystemExit(refusal.code) from None


def printable(words: str) -> str:
    """`words` as a terminal may be shown them, whoever wrote them: a "?" for each character that could move its cursor,
    colour it or turn the direction of what follows. Ends of lines stay; passwords within addresses do not."""
    words = masked(words)
    if words.isascii() and words.isprintable():
        return words
    return "".join(one if one == "\n" or _is_seen(one) else " " if one == "\t" else "?" for one in words)


def _without_credentials(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback as Python prints it, in which libraries may have quoted an address."""
    print(masked("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _is_seen(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def refusal_of(error: Exception) -> AndonError | None:
    """An error as a refusal, where it is one or the system's word on a file or on memory; None: the program's fault."""
    if isinstance(error, AndonError):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    return MakeRoom(TOO_LITTLE_MEMORY) if _lacks_memory(error) else None


@dataclass(frozen=True)
class Unforeseen:
    """What went wrong in the program, and where."""

    words: str


def attempt(work: Callable[[], T]) -> T | Unforeseen:
    """What `work` gives, or why it could not be done, so that the rest can go on.

    What a person has to see at once is raised: a refusal, or the system's word on a file or on memory.
    """
    try:
        return work()
    except Exception as error:
        if refusal_of(error) is not None:
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Unforeseen(
            f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}: {masked(str(error))}"
        )


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
