"""Images -> frozen-backbone features, only for images not seen before."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from inspection import fingerprint
from inspection.cameras import Camera, read_cameras
from inspection.layout import Layout
from inspection.model.plan import read_plan
from inspection.network.features import Features, shown_of
from inspection.network.masks import Masks, read_masks
from inspection.network.views import PLAIN, View, views_of
from inspection.params import Embed, read_params
from inspection.progress import progress
from inspection.records.assignments import SPLITS
from inspection.tables import read_table, write_table


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


def main() -> None:
    layout = Layout.find()
    settings, plan = read_params(layout.params), read_plan(layout.plan)
    items = wanted(read_table(layout.split), read_cameras(layout.cameras), settings.embed, plan.views)
    features, masks = Features(layout, settings, plan.frozen_blocks), read_masks(layout.masks)
    total, most = sum(len(views) for _, views in items), settings.ingest.max_megapixels
    with progress("embedding", total) as advance:
        computed = features.add(
            ((shown_of(row, masks), views, partial(masks.levels_of, layout.home, most, row)) for row, views in items),
            advance,
        )
    write_table(index(items, features, masks), layout.features)
    features.close()
    print(f"{computed} features computed, {total - computed} known, {features.precision}")


if __name__ == "__main__":
    fingerprint.run("embed", main)
