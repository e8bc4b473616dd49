"""Pictures of a table -> their features, in the views that are wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from inspection.network.features import shown_of
from inspection.network.masks import Masks
from inspection.network.views import View
from inspection.scale.work import Tools


@dataclass(frozen=True)
class Picture:
    """A row of the table, as far as it is looked at."""

    image_id: str
    path: str
    black: int
    white: int
    camera: str
    part: str

    @classmethod
    def of(cls, row: Any) -> "Picture":
        return cls(row.image_id, row.path, int(row.black), int(row.white), row.camera, row.part)


Asked = tuple[Picture, tuple[View, ...]]


@dataclass(frozen=True)
class Embedding:
    """Features of pictures that lie below `home`."""

    home: Path
    max_megapixels: float
    masks: Masks

    def __call__(self, items: Sequence[Asked], tools: Tools) -> Iterator[int | None]:
        """How many views were computed with each picture; None: of none, for nobody survives it."""
        return (
            computed
            for _, computed in tools.features.adding(
                (
                    shown_of(picture, self.masks),
                    views,
                    partial(self.masks.levels_of, self.home, self.max_megapixels, picture),
                )
                for picture, views in items
            )
        )

    def lost(self, item: Asked) -> None:
        """Nothing: whoever asked has to say so, or training would lack it without a word."""
