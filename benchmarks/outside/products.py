"""Real pictures of one kind of part, then of another under the same name: nothing happened to the camera."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.outside import names
from benchmarks.outside.measured import learned_with_content, with_content
from benchmarks.outside.run import Run
from benchmarks.outside.shares import counted, share
from benchmarks.outside.slots import Slot
from benchmarks.outside.streams import REFERENCE, Levels, Seat, Streams, Taken
from benchmarks.report import Figure
from inspection.errors import FixInput
from inspection.pictures import images

_RIGHT = {"new_product", "changed_surface"}
_CHANGE = "another kind of part"
_SECOND = {"kind": 2}  # what a window that shows the other kind is drawn with
_START = pd.Timestamp("2026-03-02")


@dataclass(frozen=True)
class Supplied(Streams):
    """A set of pictures as those of one camera: `column` of its metadata.csv says which kind each shows; that of its
    first row comes first.

    A window is drawn at random. One half of the first kind's pictures makes the reference, the other the healthy
    windows; which half is the seed's, and so is the order of all.
    """

    column: str

    @property
    def images(self) -> int:
        return 40

    @property
    def a_day(self) -> int:
        return 24

    @property
    def cameras(self) -> list[str]:
        return [self.folder.name]

    @property
    def digest(self) -> str:
        return sha256((self.folder / "metadata.csv").read_bytes() + self.column.encode()).hexdigest()

    def laid(self, change: str) -> Mapping[str, Any]:
        return _SECOND

    def window(self, seat: Seat, number: int, phase: int = REFERENCE, what: Mapping[str, Any] | None = None) -> Taken:
        first, second = _kinds(self.folder, self.column)
        halves = np.array_split(np.random.default_rng(seat.seed).permutation(first), 2)
        chosen = np.random.default_rng((seat.seed, number, phase)).choice(
            second if what else halves[phase], self.images
        )
        rows, levels = [], {}
        for place, file in enumerate(map(str, chosen)):
            capture, key = f"{number}-{phase}-{place}", sha256(file.encode()).hexdigest()
            levels[capture] = _levels(self.folder / file)
            at = _START + pd.Timedelta(hours=number, minutes=place)
            rows.append((capture, key, seat.camera, "A", "part", capture, at))
        columns = ["capture_id", "image_id", "camera", "line", "part", "serial", "captured_at"]
        return Taken(pd.DataFrame(rows, columns=columns), levels)


@lru_cache(maxsize=1)
def _kinds(folder: Path, column: str) -> tuple[list[str], list[str]]:
    """The files of the first kind, and those of the second."""
    table = pd.read_csv(folder / "metadata.csv", dtype=str, keep_default_na=False)
    kinds = list(dict.fromkeys(table[column])) if column in table else []
    if len(kinds) != 2:
        raise FixInput(f"'{column}' of {folder / 'metadata.csv'} has {len(kinds)} values; it takes two kinds of part.")
    first, second = (table.loc[table[column] == kind, "file"].tolist() for kind in kinds)
    return first, second


@lru_cache(maxsize=1000)
def _levels(path: Path) -> Levels:
    return images.decode(path.read_bytes(), 40).levels()


def products(run: Run) -> tuple[list[Figure], dict[str, Any]]:
    """How a day of the other kind was named, each seed another order of the same pictures, and what lies behind it."""
    tasks = [(Slot(seat, 0), _CHANGE) for seat in run.scale.seats]
    run.each(learned_with_content, run.scale.seats, "products: references")
    told = run.each(with_content, tasks, "products")
    causes = [sorted({found["cause"] for found in one["called"]}) for one in told]
    called = counted(cause for some in causes for cause in some)
    rightly = sum(names.right(some, _RIGHT) for some in causes)
    blamed = sum(bool(names.wrong(some, names.OF_THE_PARTS)) for some in causes)
    before = [cause for one in told for cause in one["before"]]
    alarmed = sum(bool(one["before"]) for one in told)
    figures = [
        share(f"{run.streams.folder.name}, {_CHANGE}: called {called}; rightly", rightly, len(told)),
        share("... a fault of the camera", blamed, len(told)),
        share(f"alarmed in three healthy windows ({counted(before)})", alarmed, len(told)),
    ]
    failed = sorted({words for one in told for words in one["failed"]})
    behind = {str(slot): one["called"] for (slot, _), one in zip(tasks, told, strict=True)}
    return figures, {"called": behind, "failed": failed}
