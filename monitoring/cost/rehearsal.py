"""What measured changes cost a model: laid on labelled images, or seen on labels since."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from inspection.model.metrics import balanced, part_draws
from inspection.model.package import Package, pieces
from inspection.pictures import piece
from monitoring.cost import escapes, parts
from monitoring.cost.changes import CONTENT, Finding, Levels, can_be_laid_on, laid_on
from monitoring.cost.escapes import Estimate
from monitoring.cost.routing import COSTLY, Cost

DRAWS = 200  # of the bootstrap


class Rehearsal(NamedTuple):
    """One row an image with its label and what the package says: `called`, `reject`, `reject_probability`; of the image
    as it was, and with the changes laid on it (None: they cannot be)."""

    healthy: pd.DataFrame
    changed: pd.DataFrame | None

    def under(self, names: Mapping[str, str]) -> "Rehearsal":
        """The same, what was `called` under the `names` that classes have now."""
        changed = None if self.changed is None else renamed(self.changed, names)
        return Rehearsal(renamed(self.healthy, names), changed)


def renamed(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """`table`, in which a model `called` classes as it learned them, under the `names` that they have now."""
    return table.assign(called=table["called"].replace(dict(names)))


def rehearse(
    package: Package,
    table: pd.DataFrame,
    load: Callable[[Any], Levels],
    findings: Sequence[Finding],
    healthy: pd.DataFrame | None = None,
) -> Rehearsal:
    """What the package says of the images of `table` (what `load` reads, and `camera`, `part`, `label`, `acceptable`,
    `serial`), none of which it was trained on, as they are (`healthy`, where that is known already) and with the
    changes laid on them."""
    calm: list[Any] = []
    changed: list[Any] = []
    looks = any(one["statistic"] not in CONTENT for one in findings)
    possible = all(map(can_be_laid_on, findings))
    for rows in pieces(list(table.itertuples(index=False))):
        images, places = [load(row) for row in rows], [(row.camera, row.part) for row in rows]
        if healthy is None:
            calm += package.predict(images, places)
        if looks and possible:
            altered = [laid_on(image, findings) for image in images]
            changed += package.predict([image for image in altered if image is not None], places)
    healthy = _said(table, calm) if healthy is None else healthy
    return Rehearsal(healthy, None if not possible else _said(table, changed) if looks else healthy)


def _said(table: pd.DataFrame, predictions: Sequence[Any]) -> pd.DataFrame:
    said = {
        "called": [one.label for one in predictions],
        "reject": [one.reject for one in predictions],
        "reject_probability": [one.reject_probability for one in predictions],
    }
    return table[["label", "acceptable", *piece.KEY]].reset_index(drop=True).assign(**said)


def cost_of_changes(tried: Rehearsal) -> Cost | None:
    """What the changes do to the balanced accuracy; None: they cannot be laid on, or there is no labelled image."""
    if tried.changed is None or tried.healthy.empty:
        return None
    right = tried.healthy[["label", *piece.KEY]].assign(
        before=tried.healthy["called"] == tried.healthy["label"],
        after=tried.changed["called"] == tried.changed["label"],
    )
    before, after = balanced(right, "before"), balanced(right, "after")
    low, high = _interval([right], lambda draw: balanced(draw[0], "before") - balanced(draw[0], "after"))
    return Cost(before, after, low, high, int(piece.of(right).nunique()), "rehearsed")


def estimated(tried: Rehearsal, present: pd.DataFrame, rule: str, moved: bool, drop: float = COSTLY) -> Estimate:
    """The rates under the changes; `present`, `moved`, `drop`: as `escapes.estimate`; `rule`: as `parts.fold`."""
    changed = None if tried.changed is None else parts.fold(tried.changed, rule)
    return escapes.estimate(parts.fold(tried.healthy, rule), changed, present, moved, drop)


def seen(calm: pd.DataFrame, since: pd.DataFrame) -> Cost | None:
    """The cost of a change from labels: verdicts before it against verdicts since (`label`, `called`, `part`,
    `serial`), over the classes that both show; None when there are none."""
    shared = set(calm["label"]) & set(since["label"])
    sides = [
        frame[frame["label"].isin(shared)].assign(right=lambda f: f["label"] == f["called"]) for frame in (calm, since)
    ]
    if not shared:
        return None
    before, after = (balanced(side, "right") for side in sides)
    low, high = _interval(sides, lambda draw: balanced(draw[0], "right") - balanced(draw[1], "right"))
    return Cost(before, after, low, high, int(piece.of(since).nunique()), "seen")


def _interval(sides: Sequence[pd.DataFrame], value: Callable[[Sequence[pd.DataFrame]], float]) -> tuple[float, float]:
    """95 % interval of `value`, by drawing the parts of each side with replacement."""
    rng = np.random.default_rng(0)
    draws = [part_draws(piece.of(side), rng) for side in sides]
    drawn = [
        value([side.loc[side.index.repeat(next(draw))] for side, draw in zip(sides, draws, strict=True)])
        for _ in range(DRAWS)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)
