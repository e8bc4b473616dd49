"""Images -> frozen-backbone features, only for images not seen before."""

from functools import partial
from typing import Any

import pandas as pd

from inspection.assignments import SPLITS
from inspection.errors import in_words
from inspection.features import Features, shown
from inspection.images import levels_of
from inspection.layout import Layout
from inspection.params import View, read_params
from inspection.progress import progress
from inspection.tables import read_table, write_table


def wanted(table: pd.DataFrame, views: tuple[View, ...]) -> list[tuple[Any, tuple[View, ...]]]:
    """Each row that is used, with the views: every one of training images, the plain one of the others."""
    used = table[table["split"].isin(SPLITS)]
    return [(row, views if row.split == "train" else views[:1]) for row in used.itertuples(index=False)]


def index(items: list[tuple[Any, tuple[View, ...]]], features: Features) -> pd.DataFrame:
    """Where each feature is kept: `image_id`, `view`, `key`."""
    rows = [(row.image_id, view, features.key(_name(row), view)) for row, views in items for view in views]
    return pd.DataFrame(rows, columns=["image_id", "view", "key"])


def _name(row: Any) -> str:
    return shown(row.image_id, row.black, row.white)


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params)
    items = wanted(read_table(layout.split), settings.embed.views)
    features = Features(layout, settings)
    total = sum(len(views) for _, views in items)
    with progress("embedding", total) as advance:
        computed = features.add(
            (
                (_name(row), views, partial(levels_of, layout.home, settings.ingest.max_megapixels, row))
                for row, views in items
            ),
            advance,
        )
    write_table(index(items, features), layout.features)
    features.close()
    print(f"{computed} features computed, {total - computed} known, {features.precision}")


if __name__ == "__main__":
    in_words(main)
