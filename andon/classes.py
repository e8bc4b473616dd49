"""The declared classes, for people."""

from contextlib import closing
from typing import Any

from sqlalchemy import func, select

from inspection.layout import Layout
from inspection.records.catalog import open_catalog
from inspection.records.schema import label_table
from inspection.taxonomy import read_taxonomy


def rows(layout: Layout) -> list[dict[str, Any]]:
    """Every declared class in the order of taxonomy.yaml, with how many images bear it as the label given last."""
    count = select(label_table.c.label, func.count()).where(label_table.c.latest).group_by(label_table.c.label)
    with closing(open_catalog(layout)) as catalog, catalog.engine.connect() as connection:
        images = {label: int(number) for label, number in connection.execute(count)}
    classes = read_taxonomy(layout.taxonomy).classes.values()
    return [{**one.model_dump(), "images": images.get(one.name, 0)} for one in classes]
