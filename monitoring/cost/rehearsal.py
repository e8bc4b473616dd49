"""What measured changes cost the live model: laid on labelled images of healthy days, or seen on labels since."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Subquery, and_, or_, select

from inspection import clock
from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.model.metrics import balanced, part_draws
from inspection.model.package import Package, pieces
from inspection.params import Params
from inspection.records.assignments import read_assignments
from inspection.records.catalog import Catalog, latest_labels
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, score_table, stored
from inspection.release import registry
from inspection.taxonomy import read_taxonomy
from monitoring.cost import escapes
from monitoring.cost.escapes import Estimate
from monitoring.cost.routing import Cost

Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255
Finding = Mapping[str, Any]  # as the ledger has it: statistic, size, details, spots

DRAWS = 200  # of the bootstrap
PARTS = 200  # defective ones, and as many good ones, that a change is rehearsed on at most

_LEAST_BLUR, _LEAST_SMEAR = 0.3, 1.0  # px, below which the one of blur and motion that was not found is not there
_LEAST_NOISE = 0.3  # levels, that of rounding: less is not added
_RIPPLE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_CONTENT = ("mix", "defects")  # changes of what comes, not of how it looks


class Rehearsal(NamedTuple):
    """One row an image with its label and what the package says: `called`, `reject`, `reject_probability`; of the image
    as it was, and with the changes laid on it (None: they cannot be)."""

    healthy: pd.DataFrame
    changed: pd.DataFrame | None


def weigh(
    incident: Incident,
    layout: Layout,
    settings: Params,
    catalog: Catalog,
    package: Package,
    others: Sequence[Incident] = (),
    moved: bool = True,
) -> tuple[Cost | None, Estimate]:
    """What an incident costs the live model and how many defective parts it passes since: seen on the parts labelled
    since, if there are enough of them, otherwise rehearsed on test parts of healthy days.

    Args:
        others: incidents that are open on the same camera; their changes are laid on as well.
        moved: whether the frozen network sees the present pictures otherwise than clean ones (`drift`), or may.
    """
    labels = latest_labels().subquery()
    known_or_since = or_(labels.c.label.is_not(None), capture_table.c.captured_at >= stored(incident.onset[1]))
    judged = _judged(incident, layout, catalog, labels, known_or_since)
    before, start = (pd.Timestamp(moment).tz_localize(None) for moment in incident.onset)
    cost, estimate, release, rule = None, None, registry.live(layout), package.card.part_verdict
    live = release.package if release else ""
    labelled = judged[judged["label"].notna() & (judged["package"] == live)]  # not what an earlier model said
    present = judged[judged["captured_at"] >= start]
    since, calm = labelled[labelled["captured_at"] > start], labelled[labelled["captured_at"] <= before]
    if since["serial"].nunique() >= settings.routing.min_parts:
        cost, estimate = seen(calm, since), escapes.counted(_by(live, since, rule))
    if cost and estimate:
        return cost, estimate
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    findings = [one.finding for one in (incident, *others)]
    tried = rehearse(package, _test_images(incident, layout, catalog), load, findings)
    return cost or cost_of_changes(tried), estimate or estimated(tried, _by(live, present, rule), rule, moved)


def checked(incident: Incident, layout: Layout, catalog: Catalog, rule: str) -> escapes.Check | None:
    """An incident's estimate against the parts judged by the same model that were labelled since; None: there is no
    estimate, or too few of them are defective. `rule`: any or majority, as `verdict.part` has it."""
    if not incident.estimate or incident.estimate["how"] == "seen":
        return None
    at, labels = capture_table.c.captured_at, latest_labels().subquery()
    during = and_(at > stored(incident.onset[1]), at <= stored(incident.closed or clock.now()))
    judged = _judged(incident, layout, catalog, labels, and_(during, labels.c.label.is_not(None)))
    since = _by(incident.model, judged, rule)
    escaped = since["defective"] & ~since["rejected"]
    return escapes.check(Estimate.of(incident.estimate), int(since["defective"].sum()), int(escaped.sum()))


def _by(model: str, judged: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The parts on which the package `model` has spoken."""
    return escapes.fold(judged[judged["package"] == model], rule)


def _judged(
    incident: Incident, layout: Layout, catalog: Catalog, labels: Subquery, which: ColumnElement[bool]
) -> pd.DataFrame:
    """What the live model said of the captures of the incident's cameras when they came; label and `acceptable` are
    missing where there is none."""
    c, s = capture_table.c, score_table.c
    query = (
        select(
            c.serial, c.captured_at, labels.c.label, s.label.label("called"), s.reject, s.reject_probability, s.package
        )
        .join(score_table, s.capture_id == c.capture_id)
        .outerjoin(labels, labels.c.image_id == c.image_id)
        .where(c.camera.in_(incident.cameras), which)
    )
    return _with_truth(catalog.frame(query), layout)


def _test_images(incident: Incident, layout: Layout, catalog: Catalog) -> pd.DataFrame:
    """The newest labelled test parts of the incident's cameras from before it, one row an image: `path`, `black` and
    `white`, which `images.levels_of` reads, `camera`, `part`, `label`, `acceptable`, `serial`."""
    labels, c = latest_labels().subquery(), capture_table.c
    query = (
        select(c.path, c.black, c.white, c.camera, c.part, labels.c.label, c.serial)
        .join(labels, labels.c.image_id == c.image_id)
        .where(c.camera.in_(incident.cameras), c.captured_at <= incident.onset[0].replace(tzinfo=None))
        .order_by(c.captured_at.desc())
    )
    found, places = _with_truth(catalog.frame(query), layout), read_assignments(layout.assignments)
    found = found[found["serial"].map(places) == "test"]
    good = found.groupby("serial")["acceptable"].transform("all")
    newest = [side["serial"].unique()[:PARTS] for side in (found[good], found[~good])]
    return found[found["serial"].isin(np.concatenate(newest))].reset_index(drop=True)


def _with_truth(rows: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """`rows` with `acceptable`; a label that the taxonomy does not have counts as a defect."""
    classes = read_taxonomy(layout.taxonomy).classes
    acceptable = [name in classes and classes[name].acceptable for name in rows["label"]]
    return rows.assign(acceptable=np.array(acceptable, bool))


# ----------------------------------------------------------------------------------------------- laid on


def laid_on(levels: Levels, findings: Sequence[Finding]) -> Levels | None:
    """An image as it would look with measured changes; None when one of them cannot be laid on.

    They act in the order of life: where the part lies, the lens, what is on the glass, light, the sensor. Sizes are in
    `camera_health.UNITS`; `details` say which way, `spots` where.
    """
    if any(not _can_be_laid_on(finding) for finding in findings):
        return None
    for act, statistics in _ACTS:
        for finding in findings:
            if finding["statistic"] in statistics:
                levels = act(levels, finding)
    return levels


def _can_be_laid_on(finding: Finding) -> bool:
    statistic, details = finding["statistic"], finding.get("details", {})
    if statistic == "blur":
        return bool(finding["size"] > 0)
    if statistic == "shift":
        return "shift_down_px" in details and "shift_right_px" in details
    if statistic in ("dust", "dead", "hot", "stuck"):
        return bool(finding.get("spots"))
    return statistic in _CONTENT or any(statistic in statistics for _, statistics in _ACTS)


def _sizes(finding: Finding) -> dict[str, float]:
    return {**finding.get("details", {}), finding["statistic"]: finding["size"]}


def _moved(levels: Levels, finding: Finding) -> Levels:
    """Turned clockwise about the centre and shifted; the border is repeated."""
    sizes, (height, width) = _sizes(finding), levels.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -sizes.get("rotation", 0.0), 1.0)
    turn[:, 2] += sizes.get("shift_right_px", 0.0), sizes.get("shift_down_px", 0.0)
    moved = cv2.warpAffine(levels, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(moved, 0, 255), np.float32).reshape(levels.shape)


def _smeared(levels: Levels, finding: Finding) -> Levels:
    """Out of focus and smeared; the sensor's noise comes behind the lens and stays."""
    sizes, found = _sizes(finding), finding["statistic"]
    sigma, length = sizes.get("blur", 0.0), sizes.get("motion", 0.0)
    soft, kept = levels, 1.0  # share of the noise's variance
    if sigma > (0 if found == "blur" else _LEAST_BLUR):
        soft = cv2.GaussianBlur(soft, (0, 0), sigma)
        kept /= max(1.0, 4 * np.pi * sigma**2)
    if length > (0 if found == "motion" else _LEAST_SMEAR):
        line = _line(length, sizes.get("motion_degrees", 0.0))
        soft = cv2.filter2D(soft, -1, line, borderType=cv2.BORDER_REPLICATE)
        kept *= float((line**2).sum())
    return _noisy(np.asarray(soft, np.float32).reshape(levels.shape), _noise(levels) * float(np.sqrt(1 - kept)))


def _noise(levels: Levels) -> float:
    """Standard deviation of the noise, levels, from the calmest tenth of the picture (J. Immerkaer, CVIU 1996)."""
    grey = levels.mean(axis=2) * np.float32(np.sqrt(levels.shape[2]))
    ripple = np.abs(cv2.filter2D(grey, -1, _RIPPLE)) * np.float32(np.sqrt(np.pi / 2) / 6)
    return float(np.quantile(cv2.blur(ripple, (17, 17)), 0.1))


def _noisy(levels: Levels, deviation: float) -> Levels:
    """`levels` with noise added; the same picture gets the same noise."""
    if deviation < _LEAST_NOISE:
        return levels
    rng = np.random.default_rng(int(levels.sum(dtype=np.float64)))
    noise = rng.standard_normal(levels.shape, np.float32) * np.float32(deviation)
    return np.asarray(np.clip(np.rint(levels + noise), 0, 255), np.float32)


def _line(length: float, degrees: float) -> Levels:
    """The kernel of a straight smear through the middle: every place on it shared out over its four pixels."""
    reach = int(np.ceil(length / 2)) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.zeros(rows.shape, np.float32)
    for step in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        down, right = step * np.sin(np.deg2rad(degrees)), step * np.cos(np.deg2rad(degrees))
        kernel += np.maximum(0, 1 - np.abs(rows - down)) * np.maximum(0, 1 - np.abs(columns - right))
    return np.asarray(kernel / kernel.sum(), np.float32)


def _dusty(levels: Levels, finding: Finding) -> Levels:
    """Every speck takes its depth of the light in the middle and half of that at its rim."""
    through = np.ones(levels.shape[:2], np.float32)
    rows, columns = np.ogrid[: levels.shape[0], : levels.shape[1]]
    for spot in finding["spots"]:
        distance = np.hypot(rows - spot["row"], columns - spot["column"]) / max(spot["size"] / 2, 0.5)
        through *= 1 - np.float32(spot["depth"]) * np.exp2(-(np.minimum(distance, 4) ** 4)).astype(np.float32)
    return levels * through[:, :, None]


def _lit(levels: Levels, finding: Finding) -> Levels:
    sizes = _sizes(finding)
    light = (1 + sizes.get("gain", 0.0)) * _slope(levels.shape, sizes)
    if levels.shape[2] == 3:
        tint = np.array([1 + sizes.get("red", 0.0), 1, 1 + sizes.get("blue", 0.0)], np.float32)
        light = light * tint / tint.mean()  # the gain is that of all channels together
    dim = min(float(light.mean()), 1.0)  # less light has less shot noise, but by its root
    lit = np.asarray(np.clip(np.rint(levels * light), 0, 255), np.float32)
    return _noisy(lit, _noise(levels) * float(np.sqrt(max(dim - dim**2, 0.0))))


def _slope(shape: tuple[int, ...], sizes: Mapping[str, float]) -> Levels:
    """(H, W, 1): 1 in the middle, changing by the measured gradient from one side to the other."""
    size = sizes.get("gradient", 0.0)
    heading = np.deg2rad(sizes.get("gradient_degrees", 0.0))
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    along = (rows / shape[0] - 0.5) * np.sin(heading) + (columns / shape[1] - 0.5) * np.cos(heading)
    along *= 2 / (abs(np.sin(heading)) + abs(np.cos(heading)))  # -1 at the bright corner, 1 at the dark one
    return np.asarray(1 + size / (2 + size) * along, np.float32)[..., None]


def _with_pixels(levels: Levels, finding: Finding) -> Levels:
    """Single pixels as far from their neighbours as they were measured to be."""
    levels = levels.copy()
    for spot in finding["spots"]:
        row, column = spot["row"], spot["column"]
        around = levels[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        if around.size:
            levels[row, column] = np.clip(np.median(around, axis=(0, 1)) + spot["depth"], 0, 255)
    return levels


_ACTS: tuple[tuple[Callable[[Levels, Finding], Levels], tuple[str, ...]], ...] = (
    (_moved, ("shift", "rotation")),
    (_smeared, ("blur", "motion")),
    (_dusty, ("dust",)),
    (_lit, ("gain", "gradient", "colour", "clipped")),
    (_with_pixels, ("dead", "hot", "stuck")),
)


# ---------------------------------------------------------------------------------------------- the cost


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
    looks = any(one["statistic"] not in _CONTENT for one in findings)
    possible = all(map(_can_be_laid_on, findings))
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
    return table[["label", "acceptable", "serial"]].reset_index(drop=True).assign(**said)


def cost_of_changes(tried: Rehearsal) -> Cost | None:
    """What the changes do to the balanced accuracy; None: they cannot be laid on, or there is no labelled image."""
    if tried.changed is None or tried.healthy.empty:
        return None
    right = tried.healthy[["label", "serial"]].assign(
        before=tried.healthy["called"] == tried.healthy["label"],
        after=tried.changed["called"] == tried.changed["label"],
    )
    before, after = balanced(right, "before"), balanced(right, "after")
    low, high = _interval([right], lambda draw: balanced(draw[0], "before") - balanced(draw[0], "after"))
    return Cost(before, after, low, high, int(right["serial"].nunique()), "rehearsed")


def estimated(tried: Rehearsal, present: pd.DataFrame, rule: str, moved: bool) -> Estimate:
    """The escape rate under the changes; `present`, `moved`: as `escapes.estimate`; `rule`: as `escapes.fold`."""
    changed = None if tried.changed is None else escapes.fold(tried.changed, rule)
    return escapes.estimate(escapes.fold(tried.healthy, rule), changed, present, moved)


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
