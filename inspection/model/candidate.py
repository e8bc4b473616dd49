"""The card of a candidate: what its model is, what it stands on, and what its weights learned from."""

from collections.abc import Mapping, Sequence

import pandas as pd

from inspection.model.package import Card
from inspection.model.plan import Plan
from inspection.model.prototypes import Prototypes
from inspection.model.sets import Sets
from inspection.model.training import Learned, Start
from inspection.network.activations import Activations
from inspection.params import Params
from inspection.records.assignments import SPLITS


def card(learned: Learned, taught: Sets, champion: Start | None, plan: Plan, settings: Params, data: str) -> Card:
    """The card of what was learned, of temperature 1 and a threshold of a half: they are still to be found.

    Args:
        champion: that training went on from.
        data: SHA-256 of the split table.
    """
    return Card(
        classes=taught.classes,
        acceptable=tuple(bool(one) for one in taught.acceptable),
        threshold=0.5,
        temperature=1.0,
        part_verdict=settings.verdict.part,
        backbone=settings.backbone.name,
        frozen=taught.features.digest,
        frozen_blocks=plan.frozen_blocks,
        depth=learned.depth,
        image_size=settings.backbone.image_size,
        grid=taught.features.grid,
        precision=taught.features.precision,
        trained_on=trained_on(learned, taught.train, champion),
        alike=alike(learned, taught.classes, champion, taught.split),
        masks=taught.masks.digests(),
        data=data,
        from_version=plan.champion.version or "",
        from_package=plan.champion.package or "",
        seed=settings.train.seed,
    )


def trained_on(learned: Learned, train_set: Activations, champion: Start | None) -> Mapping[str, int]:
    """Images of each class that the weights learned from: of the champion's, where nothing was tuned."""
    if champion is not None and not learned.epoch:
        return champion.trained_on
    return {name: int((train_set.table["label"] == name).sum()) for name in train_set.classes}


def alike(learned: Learned, classes: Sequence[str], champion: Start | None, split: pd.DataFrame) -> Mapping[str, int]:
    """Labelled images, of all splits, of each class that the head knows by its prototype."""
    if champion is None or not isinstance(learned.tail[-1], Prototypes):
        return {}
    images = split[split["split"].isin(SPLITS)]["label"].value_counts()
    return {name: int(images[name]) for name in classes if name not in champion.classes}
