"""New captures -> verdicts of the live model, and windows of each camera with what its health is."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from inspection import clock
from inspection.errors import FetchData, FixInput, Unforeseen, attempt, refusal_of
from inspection.model.package import Package, pieces
from inspection.network.features import Features, shown_of
from inspection.network.masks import Masks
from inspection.network.views import PLAIN
from inspection.params import Params, Watch
from inspection.records.catalog import Catalog
from inspection.records.schema import capture_table, look_table, score_table
from inspection.release.registry import Release
from monitoring.camera.window import Window
from monitoring.content.parts import Shown
from monitoring.judgement.climb import Climb
from monitoring.judgement.diagnosis import State, Verdict, judge, not_judged
from monitoring.judgement.reference import Reference

Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255
Load = Callable[[Any], Levels]  # a capture, as `images.levels_of` reads it -> levels
Show = Callable[[], Shown | Unforeseen | None]


@dataclass(frozen=True)
class Look:
    """A window of one camera: its captures and what was found."""

    name: str
    rows: pd.DataFrame
    verdict: Verdict
    missing: tuple[str, ...]  # images that could not be read, in words
    reference: str = ""  # version of the reference it was held against

    @property
    def days(self) -> set[date]:
        """The days (UTC) on which its images were taken."""
        return {moment.date() for moment in self.rows["captured_at"]}

    def as_json(self) -> dict[str, Any]:
        """The window as the ledger and the JSON report have it; each finding carries the measured details."""
        told = self.verdict.as_json()
        details = {**told["measurement"].get("values", {}), **told["measurement"].get("details", {})}
        return {
            "window": self.name,
            "camera": str(self.rows["camera"].iloc[0]),
            "line": str(self.rows["line"].iloc[0]),
            "first": _stamp(self.rows["captured_at"].iloc[0]),
            "last": _stamp(self.rows["captured_at"].iloc[-1]),
            "images": len(self.rows),
            "state": told["state"],
            "reference": self.reference,
            "findings": [{**finding, "details": details} for finding in told["findings"]],
            "values": told["measurement"].get("values", {}),
            "errors": told["errors"],
            "notes": [*told["notes"], *self.missing],
        }


def windows(pending: pd.DataFrame, settings: Watch) -> Iterator[pd.DataFrame]:
    """The windows that are full, or whose first image is old enough, camera by camera in the order of capture.

    Args:
        pending: captures that no window holds yet (`camera`, `captured_at` without a zone, in UTC).
    """
    old = clock.now().replace(tzinfo=None) - timedelta(hours=settings.window_hours)
    for _, rows in pending.sort_values(["captured_at", "capture_id"]).groupby("camera", sort=True):
        for start in range(0, len(rows), settings.window_images):
            some = rows.iloc[start : start + settings.window_images]
            if len(some) == settings.window_images or some["captured_at"].iloc[0] <= old:
                yield some


def look(
    rows: pd.DataFrame,
    reference: Reference | None,
    settings: Params,
    load: Load,
    before: Mapping[str, Climb] | None = None,
    mm_per_px: float | None = None,
    show: Show | None = None,
) -> Look:
    """Measure one window. An image that cannot be read is named and left out; a window that cannot be judged is not
    comparable, with the reason, so that all others are judged.

    Args:
        before: the CUSUMs of the camera's windows before it.
        show: gives what its pictures show, as `content_of` gathers it, or why that cannot be told; None: only the
            camera is judged.
    """
    camera = str(rows["camera"].iloc[0])
    gathered = attempt(partial(gather, rows, load))
    window, missing = (Window(camera), ()) if isinstance(gathered, Unforeseen) else gathered

    def some(wanted: NDArray[np.bool_]) -> Window:
        return gather(rows[wanted], load)[0]

    held = (reference, settings.health, settings.watch, before, mm_per_px)
    if isinstance(gathered, Unforeseen):
        verdict = not_judged(window, _why("This window", gathered))
    else:
        verdict = _judged(window, lambda shown: judge(window, *held, shown, some), show)
    return Look(named(rows), rows, verdict, missing, reference.version if reference else "")


def named(rows: pd.DataFrame) -> str:
    """A window's name."""
    first = rows.iloc[0]
    return f"{first['camera']}-{first['captured_at']:%Y%m%dT%H%M%S}-{first['capture_id'][:6]}"


def _judged(window: Window, judged: Callable[[Shown | None], Verdict], show: Show | None) -> Verdict:
    """The verdict; of the camera alone, and then never healthy, where what the pictures show cannot be judged."""
    shown = attempt(show) if show else None
    whole = shown if isinstance(shown, Unforeseen) else attempt(partial(judged, shown))
    if not isinstance(whole, Unforeseen):
        return whole
    camera = attempt(lambda: judged(None))
    if isinstance(camera, Unforeseen):
        return not_judged(window, _why("This window", camera))
    state: State = "not comparable" if camera.state == "healthy" else camera.state
    return replace(camera, state=state, notes=(*camera.notes, _why("What the pictures show", whole)))


def _why(what: str, wrong: Unforeseen) -> str:
    return f"{what} could not be judged ({wrong.words}): report it to whoever maintains Andon, with these pictures."


def content_of(rows: pd.DataFrame, said: pd.DataFrame, features: Features, masks: Masks, rule: str) -> Shown | None:
    """What captures show: their embeddings where the feature store has them, and the verdicts that were `said`
    (`capture_id`, `package`, `reject`) where one model judged them all; None without any embedding."""
    kept = [features.any_embedding(shown_of(row, masks)) for row in rows.itertuples(index=False)]
    known = next((one for one in kept if one is not None), None)
    if known is None:
        return None
    missing = np.full_like(known, np.nan)
    embeddings = [missing if one is None else one for one in kept]
    judged = rows[["capture_id"]].merge(said[["capture_id", "package", "reject"]], on="capture_id", how="left")
    models = judged["package"].dropna().unique()
    one_model = len(models) == 1 and bool(judged["package"].notna().all())
    return Shown(
        embeddings=np.stack(embeddings),
        parts=rows["part"].astype(str).tolist(),
        serials=rows["serial"].astype(str).tolist(),
        rejected=judged["reject"].astype(bool).tolist() if one_model else None,
        model=str(models[0]) if one_model else "",
        network=features.digest,
        rule=rule,
    )


def captures_of(catalog: Catalog, window: str) -> pd.DataFrame:
    """The captures that a window holds, by time."""
    query = select(capture_table).join(look_table, look_table.c.capture_id == capture_table.c.capture_id)
    return catalog.frame(query.where(look_table.c.window == window).order_by(capture_table.c.captured_at))


def said_of(rows: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """What was said of these captures before: `capture_id`, `package`, `reject`."""
    s, first, last = score_table.c, rows["captured_at"].min(), rows["captured_at"].max()
    query = (
        select(s.capture_id, s.package, s.reject)
        .join(capture_table, capture_table.c.capture_id == s.capture_id)
        .where(
            capture_table.c.camera.in_(rows["camera"].unique().tolist()),
            capture_table.c.captured_at.between(pd.Timestamp(first), pd.Timestamp(last)),
        )
    )
    return catalog.frame(query)


def gather(rows: pd.DataFrame, load: Load) -> tuple[Window, tuple[str, ...]]:
    """A window's images, decoded once and added up."""
    window, missing = Window(str(rows["camera"].iloc[0])), []
    for row in rows.itertuples(index=False):
        levels = levels_or_why(load, row)
        if isinstance(levels, str):
            missing.append(levels)
            continue
        window.add(levels, str(row.part), utc(row.captured_at), str(row.image_id))
    return window, tuple(missing)


def levels_or_why(load: Load, row: Any) -> Levels | str:
    """A capture's image, or in words why it cannot be read; what concerns more than this one image is raised."""
    try:
        levels = attempt(partial(load, row))
    except (FetchData, FixInput, OSError) as error:
        refusal = refusal_of(error)
        if not isinstance(refusal, FetchData | FixInput):
            raise
        return str(refusal)
    return f"{row.path} could not be read ({levels.words})." if isinstance(levels, Unforeseen) else levels


def scores(rows: pd.DataFrame, package: Package, live: Release, features: Features, load: Load) -> pd.DataFrame:
    """What the live release's `package` says of each capture, as `verdicts.SCHEMAS` has it.

    The frozen part ran when the image was taken in; it is not run again where the package shares it.
    """
    card = package.card
    said: list[dict[str, Any]] = []
    mine = (features.digest, features.frozen_blocks, features.grid, features.precision)
    shared = (card.frozen, card.frozen_blocks, card.grid, card.precision) == mine
    for some in pieces(list(rows.itertuples(index=False))):
        kept = [features.activation(shown_of(row, package.masks), PLAIN) if shared else None for row in some]
        found = [one for one in kept if one is not None]
        if len(found) == len(some):
            predictions = package.judge(np.stack(found))
        else:
            predictions = package.predict([load(row) for row in some], [(row.camera, row.part) for row in some])
        for row, prediction in zip(some, predictions, strict=True):
            chances = dict(zip(card.classes, (round(float(p), 5) for p in prediction.probability), strict=True))
            said.append(
                {
                    "capture_id": row.capture_id,
                    "image_id": row.image_id,
                    "version": live.version,
                    "package": live.package,
                    "label": prediction.label,
                    "reject_probability": prediction.reject_probability,
                    "threshold": card.threshold,
                    "reject": prediction.reject,
                    "probabilities": json.dumps(chances),
                }
            )
    return pd.DataFrame(said)


def membership(looks: Sequence[Look]) -> pd.DataFrame:
    """Capture -> the window that holds it."""
    return pd.DataFrame(
        [{"capture_id": capture, "window": one.name} for one in looks for capture in one.rows["capture_id"]],
        columns=["capture_id", "window"],
    )


def utc(moment: Any) -> datetime:
    """A time of the catalog, which has no zone, as an aware one."""
    return clock.parse(str(moment))


def _stamp(moment: Any) -> str:
    return clock.stamp(utc(moment))


def states(told: Sequence[Mapping[str, Any]]) -> str:
    """How the windows of a run did, in a few words per camera."""
    by_camera: dict[str, list[str]] = {}
    for one in told:
        causes = " and ".join(finding["cause"].replace("_", " ") for finding in one["findings"])
        by_camera.setdefault(one["camera"], []).append(causes or one["state"])
    return "; ".join(f"{camera}: {', '.join(said)}" for camera, said in by_camera.items())
