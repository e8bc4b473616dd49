"""What DVC keeps: a `.dvc` file or dvc.lock names the MD5 of a file, or of a list that holds the MD5 of each file in a
folder; DVC's cache has both under these names (inspection/anchor/named.py)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from inspection.anchor import named
from inspection.anchor.named import FOLDER, md5
from inspection.errors import CheckHistory
from inspection.layout import Layout
from inspection.outside import documents
from inspection.verify.finding import Finding
from inspection.worktree import cache_folder

PULL = "Bring it back with `dvc pull --force`, or from a backup."
UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, CheckHistory)


class Kept:
    """DVC's cache of a plant; what was read once is not read again."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.store = cache_folder(layout.home / ".dvc") / named.STORE
        self._well: dict[str, str] = {}

    def files(self, digest: str) -> Mapping[str, str]:
        """The files that an output's MD5 stands for: path in it ("" for a file itself) -> MD5.

        Raises:
            ValueError: the list in the cache is not what its name says; FileNotFoundError: it is not there.
        """
        if not digest.endswith(FOLDER):
            return {"": digest}
        path = self.place(digest)
        if md5(path) != digest.removesuffix(FOLDER):
            raise ValueError(path)
        return named.listed(path.read_bytes())

    def place(self, digest: str) -> Path:
        """Where the cache has it."""
        return named.place(self.store, digest)

    def wrong(self, digest: str) -> str:
        """In words, what is wrong with a file of the cache; "" where it is what its name says."""
        if digest not in self._well:
            path = self.place(digest)
            if not path.is_file():
                self._well[digest] = "It is missing in DVC's cache"
            else:
                self._well[digest] = "" if md5(path) == digest else "It is not what its name says"
        return self._well[digest]

    def findings(self, digest: str, folder: Path, what: str, need: bool = True) -> Iterator[Finding]:
        """What of an output is wrong, in the cache and where it lies in the plant.

        Args:
            folder: where it lies; what is missing there is no fault, for the cache has it.
            what: what it is of, in words.
            need: whether a file that the cache lacks is a fault.
        """
        try:
            listed = self.files(digest)
        except FileNotFoundError:
            if need:
                yield Finding(self.name(self.place(digest)), f"It is missing in DVC's cache ({what}). {PULL}")
            return
        except UNREADABLE:
            yield Finding(self.name(self.place(digest)), f"It is not what its name says ({what}). {PULL}")
            return
        for name, one in listed.items():
            path, here = self.place(one), folder / name if name else folder
            words = self.wrong(one)
            if words and (need or path.is_file()):
                yield Finding(self.name(path), f"{words} ({what}). {PULL}")
            if here.is_file() and (bool(words) if same(here, path) else md5(here) != one):
                yield Finding(self.name(here), f"It is not what DVC keeps of it ({what}). {PULL}")

    def all(self) -> Iterator[Finding]:
        """What of the whole cache is not what its name says, also what nothing here names any more."""
        for path in sorted(self.store.glob("??/*")):
            digest = f"{path.parent.name}{path.name}"
            if digest not in self._well and not named.holds(path, digest):
                yield Finding(self.name(path), f"It is not what its name says. {PULL}")

    def name(self, path: Path) -> str:
        """From the plant's folder on, if it lies there."""
        home = self._layout.home
        return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)


def pointed(pointer: Path) -> str:
    """The MD5 that a `.dvc` file names.

    Raises:
        One of UNREADABLE: it names none.
    """
    first, *_ = named.pointed(documents.text_of(pointer), pointer.name)
    return first


def same(one: Path, other: Path) -> bool:
    """Whether both are one file on the disk, as DVC links them."""
    return other.is_file() and one.samefile(other)
