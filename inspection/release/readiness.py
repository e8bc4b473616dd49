"""Whether there is enough for a first model, and what is missing."""

from dataclasses import dataclass
from math import ceil

import pandas as pd

from inspection.params import Params
from inspection.pictures import piece
from inspection.release import aside


@dataclass(frozen=True)
class Readiness:
    """What the labelled images come to.

    Attributes:
        images: that may be trained on.
        lacks: what no training can do without, in sentences.
        doubts: what the gate will most likely object to, in sentences.
        thin: labelled classes that it would not learn, for they have too few pieces yet.
        aside: how many more are labelled and set aside, why, and what brings them back.
    """

    images: int
    lacks: tuple[str, ...]
    doubts: tuple[str, ...]
    thin: tuple[str, ...]
    aside: str

    @property
    def in_words(self) -> str:
        """All that is missing; "" where nothing is."""
        missing = (*self.lacks, *self.doubts)
        return ". ".join((*missing, *([self.aside] if missing and self.aside else [])))


def readiness(labelled: pd.DataFrame, settings: Params) -> Readiness:
    """Whether a first model can be trained and may pass the gate.

    Args:
        labelled: as `aside.sorted_out` gives it.
    """
    rows = labelled[labelled["reason"] == ""]
    lacks, doubts = tuple(_lacks(rows, settings)), tuple(_doubts(rows, settings))
    thin = tuple(sorted(set(rows["label"]) - {*enough(rows, settings)}))
    return Readiness(len(rows), lacks, doubts, thin, aside.in_words(labelled))


def enough(rows: pd.DataFrame, settings: Params) -> list[str]:
    """The classes with so many labelled images of so many parts that a model learns them."""
    by_class = rows.assign(piece=piece.of(rows)).groupby("label")
    fine = by_class.size().ge(settings.train.min_labels)
    fine &= by_class["piece"].nunique().ge(settings.train.min_parts)
    return [str(name) for name in fine.index[fine]]


def _lacks(rows: pd.DataFrame, settings: Params) -> list[str]:
    train, said = settings.train, []
    if len(rows) < settings.validate_.min_images:
        said.append(
            f"{len(rows)} labelled images may be trained on, and it takes {settings.validate_.min_images} "
            "(validate.min_images)"
        )
    if len(enough(rows, settings)) < 2:
        said.append(
            f"A model tells two classes or more apart, each shown by {train.min_labels} labelled images of "
            f"{train.min_parts} parts (train.min_labels, train.min_parts); there are {_by_class(rows)}"
        )
    return said


def _doubts(rows: pd.DataFrame, settings: Params) -> list[str]:
    """The test set gets its share of the defective parts."""
    least = settings.promotion.min_test_defects
    wanted = ceil(least / settings.split.test_share) if settings.split.test_share else least
    defective = int(piece.of(rows[~rows["acceptable"].astype(bool)]).nunique())
    if defective >= wanted:
        return []
    return [
        f"{defective} defective parts are labelled, and it takes about {wanted}, so that {least} of them come into the "
        "test (promotion.min_test_defects)"
    ]


def _by_class(rows: pd.DataFrame) -> str:
    counts = [
        f"{len(some)} of {name} ({piece.of(some).nunique()} parts)" for name, some in rows.groupby("label", sort=True)
    ]
    more = f" and {len(counts) - 12} classes more" if len(counts) > 12 else ""
    return ", ".join(counts[:12]) + more if counts else "none"
