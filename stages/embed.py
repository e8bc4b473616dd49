"""Images -> frozen-backbone features, only for images not seen before."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from inspection import fingerprint
from inspection.cameras import Camera, read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.model.plan import read_plan
from inspection.network.features import Features, shown_of
from inspection.network.masks import Masks, read_masks
from inspection.network.views import PLAIN, View, views_of
from inspection.params import Embed, read_params
from inspection.progress import Advance, progress
from inspection.records.assignments import SPLITS
from inspection.scale.embedding import Asked, Embedding, Picture
from inspection.scale.engine import Engine, engine
from inspection.tables import read_table, write_table

NAMED = 5  # pictures that are named


def wanted(
    table: pd.DataFrame, cameras: Mapping[str, Camera], settings: Embed, views: int
) -> list[tuple[Any, tuple[View, ...]]]:
    """Each row that is used, with the views: at most `views` of training images, the plain one of the others."""
    used = table[table["split"].isin(SPLITS)]
    return [
        (row, views_of(cameras.get(row.camera), row.part, settings)[:views] if row.split == "train" else (PLAIN,))
        for row in used.itertuples(index=False)
    ]


def index(items: list[tuple[Any, tuple[View, ...]]], features: Features, masks: Masks) -> pd.DataFrame:
    """Where each feature is kept: `image_id`, `view`, `key`."""
    rows = [(row.image_id, view, features.key(shown_of(row, masks), view)) for row, views in items for view in views]
    return pd.DataFrame(rows, columns=["image_id", "view", "key"])


def lacking(
    items: list[tuple[Any, tuple[View, ...]]], features: Features, masks: Masks, advance: Advance
) -> Iterator[Asked]:
    """The pictures of which a view has to be computed; with the others `advance` is called."""
    for row, views in items:
        if all(features.has(shown_of(row, masks), view) for view in views):
            advance(len(views))
        else:
            yield Picture.of(row), views


def computed_by(where: Engine, embedding: Embedding, missing: Sequence[Asked], advance: Advance) -> int:
    """How many views were computed.

    Raises:
        FixInput: a picture ends whatever worker looks at it; said when all others are done, and kept.
    """
    computed, lost = 0, list[str]()
    for (picture, views), more in zip(missing, where.rows(embedding, missing), strict=True):
        if more is None:
            lost.append(f"{picture.path} (image {picture.image_id})")
        computed += more or 0
        advance(len(views))
    if lost:
        several = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise FixInput(
            f"{', '.join(lost[:NAMED])}{several}: whatever worker of the cluster looks at it ends. All other pictures "
            "are done.",
            'Set scale.dask to "" to see what this computer says of it, or take its label back (andon label undo IMAGE '
            "--by NAME --why TEXT), then run `andon retrain`.",
        )
    return computed


def main() -> None:
    layout = Layout.find()
    settings, plan = read_params(layout.params), read_plan(layout.plan)
    items = wanted(read_table(layout.split), read_cameras(layout.cameras), settings.embed, plan.views)
    features, masks = Features(layout, settings, plan.frozen_blocks), read_masks(layout.masks)
    total = sum(len(views) for _, views in items)
    embedding = Embedding(layout.home, settings.ingest.max_megapixels, masks)
    with progress("embedding", total) as advance:
        missing = list(lacking(items, features, masks, advance))
        with engine(layout, settings, features, layout.staging) as where:
            computed = computed_by(where, embedding, missing, advance)
    write_table(index(items, features, masks), layout.features)
    features.close()
    print(f"{computed} features computed, {total - computed} known, {features.precision}")


if __name__ == "__main__":
    fingerprint.run("embed", main)
