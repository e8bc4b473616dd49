"""A package's verdict on every image of a table, from the image files."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.model.package import Package, Place, Prediction, pieces
from inspection.pictures import piece
from inspection.pictures.images import levels_of


def score(
    packages: Sequence[Package],
    table: pd.DataFrame,
    layout: Layout,
    max_megapixels: float,
    done: Callable[[int], None] | None = None,
) -> list[pd.DataFrame]:
    """One frame per package with the rows of `table` and its verdict on each; every image is decoded once.

    Returns:
        The columns of `table` with `predicted`, `predicted_acceptable`, `p_label` (probability of the true class, 0
        if the package does not know it), `reject_probability`, `reject`, and `p_CLASS` for each class but one that is
        called "label".
    """
    results: list[list[dict[str, object]]] = [[] for _ in packages]
    for rows in pieces(list(table[["path", "black", "white", "label", "camera", "part"]].itertuples(index=False))):
        images = [levels_of(layout.home, max_megapixels, row) for row in rows]
        places = [(row.camera, row.part) for row in rows]
        for package, result, said in zip(packages, results, _said(packages, images, places), strict=True):
            for row, prediction in zip(rows, said, strict=True):
                by_class = dict(zip(package.card.classes, prediction.probability.tolist(), strict=True))
                acceptable = dict(zip(package.card.classes, package.card.acceptable, strict=True))
                result.append(
                    {
                        **{f"p_{name}": value for name, value in by_class.items()},
                        "predicted": prediction.label,
                        "predicted_acceptable": acceptable[prediction.label],
                        "p_label": by_class.get(row.label, 0.0),
                        "reject_probability": prediction.reject_probability,
                        "reject": prediction.reject,
                    }
                )
        if done:
            done(len(rows))
    return [pd.concat([table.reset_index(drop=True), pd.DataFrame(result)], axis=1) for result in results]


def _said(
    packages: Sequence[Package], images: Sequence[NDArray[np.float32]], places: Sequence[Place]
) -> Iterator[list[Prediction]]:
    """What each package says of the images; a frozen part that several share runs once."""
    activations: dict[str, NDArray[np.float16]] = {}
    for package in packages:
        card = package.card
        key = f"{card.frozen} {card.frozen_blocks} {card.precision} {card.grid} {dict(card.masks)}"
        if key not in activations:
            activations[key] = package.activations(images, places)
        yield package.judge(activations[key])


def test_set(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The test rows of a split table, and the hash that names them.

    Raises:
        FixInput: there are none.
    """
    rows = table[table["split"] == "test"].sort_values("image_id").reset_index(drop=True)
    if rows.empty:
        raise FixInput(
            "No labelled image is left to test on: label more parts, or rule on those that are kept out (andon status)."
        )
    return rows, test_hash(rows)


def test_hash(rows: pd.DataFrame) -> str:
    """The hash that names a test set: its images, labels and parts, in the order of `test_set`."""
    lines = rows["image_id"] + " " + rows["label"] + " " + piece.of(rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
