"""What the frozen blocks said of a table's images, batch by batch, so that memory does not grow with the set."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from inspection.network.features import Features, shown_of
from inspection.network.masks import NO_MASKS, Masks
from inspection.network.views import PLAIN, Levels, View, viewed
from inspection.pictures import piece

HELD_BYTES = 150_000_000  # of activations kept in memory between epochs
BALANCED = {"class": "label", "part": "part", "serial": "piece", "camera": "camera", "day": "day"}  # word -> column

Batch = tuple[torch.Tensor, torch.Tensor]  # activations (N, C, H, W) float32, class numbers (N,)


class Activations:
    """The cached activations of a table's images and their class numbers (N,)."""

    def __init__(
        self,
        table: pd.DataFrame,
        classes: Sequence[str],
        features: Features,
        home: Path,
        max_megapixels: float,
        views: Mapping[str, Sequence[View]] | None = None,
        masks: Masks = NO_MASKS,
    ) -> None:
        """
        Args:
            table: rows of the split.
            home: what the rows' paths start from.
            views: image_id -> the views that may be drawn; None: the plain one only.
        """
        self.table, self._features, self._masks = table.reset_index(drop=True), features, masks
        self._home, self._max_megapixels, self._views = home, max_megapixels, views or {}
        self.classes, self.tiles = tuple(classes), features.grid**2
        self._rows = list(self.table.itertuples(index=False))  # a row of the frame itself takes 1 ms to get
        numbers = self.table["label"].map({name: i for i, name in enumerate(classes)})
        self.labels = np.array(numbers, np.int64)  # of its own: torch wants to write
        self._held: dict[tuple[int, View], NDArray[np.float16]] = {}

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """(N, D) of the plain views, by the untuned network."""
        return np.stack([self._embedding(row) for row in range(len(self.table))])

    def plain(self, size: int) -> Iterator[Batch]:
        """Every image once, in order."""
        for start in range(0, len(self.table), size):
            yield self._batch(range(start, min(start + size, len(self.table))), [PLAIN] * size)

    def balanced(self, size: int, balance: Sequence[str], generator: torch.Generator) -> Iterator[Batch]:
        """As many images as there are, drawn by `chances`, each in a view drawn at random."""
        weights = torch.from_numpy(chances(self.table, balance))
        drawn = torch.multinomial(weights, len(weights), replacement=True, generator=generator).tolist()
        chosen = torch.rand(len(drawn), generator=generator).tolist()
        views = [self._view(row, share) for row, share in zip(drawn, chosen, strict=True)]
        for start in range(0, len(drawn), size):
            yield self._batch(drawn[start : start + size], views[start : start + size])

    def _view(self, row: int, share: float) -> View:
        """The view of a row at `share` (0..1) of those it has."""
        views = self._views.get(str(self._rows[row].image_id), (PLAIN,))
        return views[int(share * len(views))]

    def _batch(self, rows: Sequence[int], views: Sequence[View]) -> Batch:
        activations = self._stack(rows, views).astype(np.float32)
        return torch.from_numpy(activations), torch.from_numpy(self.labels[list(rows)])

    def _stack(self, rows: Sequence[int], views: Sequence[View]) -> NDArray[np.float16]:
        return np.stack([self._activation(row, view) for row, view in zip(rows, views, strict=False)])

    def _activation(self, row: int, view: View) -> NDArray[np.float16]:
        """From memory as far as HELD_BYTES go, else from the store, else made again."""
        found = self._held.get((row, view))
        if found is None:
            found = self._made(row, view)
            if found.nbytes * (len(self._held) + 1) <= HELD_BYTES:
                self._held[row, view] = found
        return found

    def _made(self, row: int, view: View) -> NDArray[np.float16]:
        name = shown_of(self._rows[row], self._masks)
        found = self._features.activation(name, view) if self._features.frozen_blocks else None
        if found is None:
            found = self._features.compute([viewed(self._levels(row), view)], embed=False)[0][0]
            self._features.put(name, view, found)
        return found

    def _embedding(self, row: int) -> NDArray[np.float32]:
        """From the store, else made again."""
        name = shown_of(self._rows[row], self._masks)
        found = self._features.embedding(name)
        if found is None:
            activations, embeddings = self._features.compute([self._levels(row)])
            found = np.asarray(embeddings[0], np.float32)
            self._features.put(name, PLAIN, activations[0], found)
        return found

    def _levels(self, row: int) -> Levels:
        return self._masks.levels_of(self._home, self._max_megapixels, self._rows[row])


def chances(table: pd.DataFrame, balance: Sequence[str]) -> NDArray[np.float64]:
    """How likely each row (N,) is drawn: the first of `balance` has equal shares, within each of its values the
    second, and so on; the images of the innermost group share alike."""
    groups = pd.DataFrame(index=table.index)
    weights = pd.Series(1.0, index=table.index)
    frame = table.assign(day=table["captured_at"].dt.date, piece=piece.of(table))
    for name in balance:
        outer = list(groups.columns)
        groups[name] = frame[BALANCED[name]]
        kinds = groups.groupby(outer)[name].transform("nunique") if outer else groups[name].nunique()
        weights /= kinds
    if balance:
        weights /= groups.groupby(list(groups.columns))[balance[0]].transform("size")
    return np.array(weights / weights.sum(), np.float64)  # of its own: torch wants to write
