"""Work on pictures, as this computer or a worker does it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from inspection.intake.reading import THREADS
from inspection.network.features import Features

Item = TypeVar("Item")
Row = TypeVar("Row")
Item_contra = TypeVar("Item_contra", contravariant=True)
Row_co = TypeVar("Row_co", covariant=True)


@dataclass(frozen=True)
class Tools:
    """What work is done with.

    Attributes:
        folder: for files that belong to nobody yet.
        away: whether this is a worker, whose folder nobody else sees.
    """

    features: Features
    folder: Path
    threads: int = THREADS
    away: bool = False


class Work(Protocol[Item_contra, Row_co]):
    """Work on items. It is sent to other computers: it holds settings and addresses, nothing open."""

    def __call__(self, items: Sequence[Item_contra], tools: Tools) -> Iterator[Row_co]:
        """A small row for each item, in order."""

    def lost(self, item: Item_contra) -> Row_co:
        """The row of an item that ends whatever worker looks at it."""
