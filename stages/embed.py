"""Images -> frozen-backbone features, only for images not seen before."""

from functools import partial

import pandas as pd

from inspection.errors import in_words
from inspection.features import Features
from inspection.images import read
from inspection.layout import Layout
from inspection.params import View, read_params
from inspection.progress import progress
from inspection.tables import read_table, write_table


def wanted(table: pd.DataFrame, views: tuple[View, ...]) -> list[tuple[str, str, tuple[View, ...]]]:
    """(image_id, path, views) for each row: every view of training images, the plain one of the others."""
    rows = zip(table["image_id"], table["path"], table["split"], strict=True)
    return [(image_id, path, views if place == "train" else views[:1]) for image_id, path, place in rows]


def index(items: list[tuple[str, str, tuple[View, ...]]], features: Features) -> pd.DataFrame:
    """Where each feature is kept: `image_id`, `view`, `key`."""
    rows = [(image_id, view, features.key(image_id, view)) for image_id, _, views in items for view in views]
    return pd.DataFrame(rows, columns=["image_id", "view", "key"])


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params)
    items = wanted(read_table(layout.split), settings.embed.views)
    features = Features(layout, settings)
    total = sum(len(views) for _, _, views in items)
    with progress("embedding", total) as advance:
        computed = features.add(
            (
                (image_id, views, partial(read, layout.home / path, settings.ingest.max_megapixels))
                for image_id, path, views in items
            ),
            advance,
        )
    write_table(index(items, features), layout.features)
    features.close()
    print(f"{computed} features computed, {total - computed} known, {features.precision}")


if __name__ == "__main__":
    in_words(main)
