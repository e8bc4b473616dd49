"""What is trained on and what is validated on: the classes with enough labels, as the frozen network saw them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from inspection.errors import FixInput
from inspection.network.activations import Activations
from inspection.network.features import Features
from inspection.network.masks import Masks
from inspection.params import Params, Train
from inspection.pictures import piece
from inspection.records.assignments import SPLITS

_ASIDE = "How many are set aside, why, and what brings them back: andon status."


@dataclass(frozen=True)
class Sets:
    """What is trained on and what is validated on, as `features` hold it, under `masks`.

    Attributes:
        acceptable: (classes,), whether a part that shows it may pass.
        split: the table that they are from.
    """

    train: Activations
    val: Activations
    acceptable: NDArray[np.bool_]
    split: pd.DataFrame
    features: Features
    masks: Masks

    @property
    def classes(self) -> tuple[str, ...]:
        """Those that are told apart."""
        return self.train.classes

    @property
    def example(self) -> torch.Tensor:
        """Two activations, which show the shape of what a tail takes in."""
        return next(self.val.plain(2))[0]


def sets(
    split: pd.DataFrame, cached: pd.DataFrame, features: Features, masks: Masks, settings: Params, home: Path
) -> Sets:
    """The sets of a split table.

    Args:
        cached: which views of each picture `features` hold.
        home: under which pictures lie.

    Raises:
        FixInput: fewer than two classes, or nothing to validate on.
    """
    table = split[split["split"].isin(SPLITS)]
    table = table[table["label"].isin(learnable(table, settings.train))]
    classes, acceptable = _classes(table[table["split"] == "train"])
    table = table[table["label"].isin(classes)]
    views, most = cached.groupby("image_id")["view"].agg(tuple).to_dict(), settings.ingest.max_megapixels
    train_set, val_set = (
        Activations(table[table["split"] == side], classes, features, home, most, views, masks)
        for side in ("train", "val")
    )
    _require_rows(train_set, val_set)
    return Sets(train_set, val_set, acceptable, split, features, masks)


def learnable(table: pd.DataFrame, settings: Train) -> list[str]:
    """The classes with enough labelled images of enough parts; the others are left for a later model."""
    by_class = table.groupby("label")
    pieces = piece.of(table).groupby(table["label"]).nunique()
    enough = (by_class.size() >= settings.min_labels) & (pieces >= settings.min_parts)
    for name in enough.index[~enough]:
        print(f"{name} is not learned yet: {settings.min_labels} images of {settings.min_parts} parts are needed")
    return [str(name) for name in enough.index[enough]]


def _classes(rows: pd.DataFrame) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """The classes that training images show, sorted, and which of them are acceptable."""
    acceptable = rows.groupby("label")["acceptable"].first().sort_index()
    return tuple(str(name) for name in acceptable.index), acceptable.to_numpy(bool)


def _require_rows(train_set: Activations, val_set: Activations) -> None:
    if len(np.unique(train_set.labels)) < 2:
        raise FixInput(
            "The training images show fewer than two classes with enough labels (train.min_labels, train.min_parts); "
            f"label more images. {_ASIDE}"
        )
    if not len(val_set.labels):
        raise FixInput(f"No part fell to validation; label more parts. {_ASIDE}")
