"""What a measured change costs the live model: laid on labelled images of healthy days, or seen on labels since."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from inspection.assignments import read_assignments
from inspection.catalog import Catalog, capture_table, latest_labels, score_table
from inspection.images import levels_of
from inspection.incidents import Incident
from inspection.layout import Layout
from inspection.metrics import balanced, part_draws
from inspection.package import Package, pieces
from inspection.params import Params
from monitoring.routing import Cost

Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255

DRAWS = 200  # of the bootstrap
IMAGES = 120  # that a change is rehearsed on, at most


def cost_of(incident: Incident, layout: Layout, settings: Params, catalog: Catalog, package: Package) -> Cost | None:
    """What an incident costs the live model: seen on the parts labelled since, if there are enough of them, otherwise
    rehearsed on test parts of healthy days; None when neither can be had."""
    judged = _judged(incident, catalog)
    since = judged[judged["captured_at"] > pd.Timestamp(incident.onset[1]).tz_localize(None)]
    calm = judged[judged["captured_at"] <= pd.Timestamp(incident.onset[0]).tz_localize(None)]
    if since["serial"].nunique() >= settings.routing.min_parts and (known := seen(calm, since)) is not None:
        return known
    table = _test_images(incident, layout, catalog)
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    return rehearse(package, table, load, incident.finding, incident.finding["details"])


def _judged(incident: Incident, catalog: Catalog) -> pd.DataFrame:
    """Labelled captures of the incident's cameras with what the live model called them when they came."""
    labels, c, s = latest_labels().subquery(), capture_table.c, score_table.c
    query = (
        select(c.serial, c.captured_at, labels.c.label, s.label.label("called"))
        .join(labels, labels.c.image_id == c.image_id)
        .join(score_table, s.capture_id == c.capture_id)
        .where(c.camera.in_(incident.cameras))
    )
    return catalog.frame(query)


def _test_images(incident: Incident, layout: Layout, catalog: Catalog) -> pd.DataFrame:
    """The newest labelled test images of the incident's cameras from before it: `path`, `black` and `white`, which
    `images.levels_of` reads, `label`, `serial`."""
    labels, c = latest_labels().subquery(), capture_table.c
    query = (
        select(c.path, c.black, c.white, labels.c.label, c.serial)
        .join(labels, labels.c.image_id == c.image_id)
        .where(c.camera.in_(incident.cameras), c.captured_at <= incident.onset[0].replace(tzinfo=None))
        .order_by(c.captured_at.desc())
    )
    found, places = catalog.frame(query), read_assignments(layout.assignments)
    return found[found["serial"].map(places) == "test"].head(IMAGES).reset_index(drop=True)


def laid_on(levels: Levels, statistic: str, size: float, details: Mapping[str, float]) -> Levels | None:
    """An image as it would look with a measured change; None for a change that cannot be laid on.

    Args:
        size: in the unit that `camera_health.UNITS` gives to `statistic`.
        details: of the measurement: gain, gradient and its direction, red, blue.
    """
    if statistic in ("gain", "gradient", "colour", "clipped"):
        light = (1 + details.get("gain", 0.0)) * _slope(levels.shape, details)
        if levels.shape[2] == 3:
            tint = np.array([1 + details.get("red", 0.0), 1, 1 + details.get("blue", 0.0)], np.float32)
            light = light * tint / tint.mean()  # the gain is that of all channels together
        return np.asarray(np.clip(np.rint(levels * light), 0, 255), np.float32)
    if statistic == "blur" and size > 0:
        blurred = cv2.GaussianBlur(levels, (0, 0), size)
        return np.asarray(blurred.reshape(levels.shape), np.float32)
    return None


def rehearse(
    package: Package,
    table: pd.DataFrame,
    load: Callable[[Any], Levels],
    finding: Mapping[str, Any],
    details: Mapping[str, float],
) -> Cost | None:
    """The cost of a change, laid on the images of `table` (what `load` reads, and `label`, `serial`), none of which the
    model was trained on; None when this change cannot be laid on."""
    calm: list[str] = []
    changed: list[str] = []
    for rows in pieces(list(table.itertuples(index=False))):
        images = [load(row) for row in rows]
        altered = [laid_on(image, finding["statistic"], finding["size"], details) for image in images]
        real = [one for one in altered if one is not None]
        if len(real) < len(images):
            return None
        calm += [said.label for said in package.predict(images)]
        changed += [said.label for said in package.predict(real)]
    if not calm:
        return None
    right = pd.DataFrame({"label": list(table["label"]), "serial": list(table["serial"])})
    right["before"] = [a == b for a, b in zip(calm, right["label"], strict=True)]
    right["after"] = [a == b for a, b in zip(changed, right["label"], strict=True)]
    before, after = balanced(right, "before"), balanced(right, "after")
    low, high = _interval([right], lambda draw: balanced(draw[0], "before") - balanced(draw[0], "after"))
    return Cost(before, after, low, high, int(right["serial"].nunique()), "rehearsed")


def seen(calm: pd.DataFrame, since: pd.DataFrame) -> Cost | None:
    """The cost of a change from labels: verdicts before it against verdicts since (`label`, `called`, `serial`),
    over the classes that both show; None when there are none."""
    shared = set(calm["label"]) & set(since["label"])
    sides = [
        frame[frame["label"].isin(shared)].assign(right=lambda f: f["label"] == f["called"]) for frame in (calm, since)
    ]
    if not shared:
        return None
    before, after = (balanced(side, "right") for side in sides)
    low, high = _interval(sides, lambda draw: balanced(draw[0], "right") - balanced(draw[1], "right"))
    return Cost(before, after, low, high, int(since["serial"].nunique()), "seen")


def _interval(sides: Sequence[pd.DataFrame], value: Callable[[Sequence[pd.DataFrame]], float]) -> tuple[float, float]:
    """95 % interval of `value`, by drawing the parts of each side with replacement."""
    rng = np.random.default_rng(0)
    draws = [part_draws(side["serial"], rng) for side in sides]
    drawn = [
        value([side.loc[side.index.repeat(next(draw))] for side, draw in zip(sides, draws, strict=True)])
        for _ in range(DRAWS)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _slope(shape: tuple[int, ...], details: Mapping[str, float]) -> Levels:
    """(H, W, 1): 1 in the middle, changing by the measured gradient from one side to the other."""
    size = details.get("gradient", 0.0)
    heading = np.deg2rad(details.get("gradient_degrees", 0.0))
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    along = (rows / shape[0] - 0.5) * np.sin(heading) + (columns / shape[1] - 0.5) * np.cos(heading)
    along *= 2 / (abs(np.sin(heading)) + abs(np.cos(heading)))  # -1 at the bright corner, 1 at the dark one
    return np.asarray(1 + size / (2 + size) * along, np.float32)[..., None]
