"""What shows an incident or a day: pictures, suspect parts, pages for people, JSON for machines. On this disk only: all
of it can be made again from captures, references and the ledger."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import Integer, case, func, select

from inspection import clock, files
from inspection.cameras import read_cameras
from inspection.errors import AndonError, FetchData, FixInput
from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.params import Params
from inspection.post.causes import NAMES as WORDS
from inspection.post.daily_letter import CameraDay
from inspection.post.letter import Attachment, Picture
from inspection.records import alarms, commissions, incidents, ledger
from inspection.records.catalog import Catalog, latest_labels
from inspection.records.commissions import Commission
from inspection.records.incidents import Incident
from inspection.records.schema import capture_table, image_table, score_table, stored
from inspection.taxonomy import read_taxonomy
from monitoring.camera import measurement
from monitoring.camera.image_stats import NAMES
from monitoring.content import drift
from monitoring.judgement import looking, reference
from monitoring.judgement.calibration import Limit
from monitoring.telling import pictures, report
from monitoring.telling.pictures import Bounds, Course, Story

RECENT = 60  # windows in a plot
CLOSE = 48  # px, the least width of a close-up
IN_LEVELS = ("dead", "hot", "stuck", "noise")  # statistics whose difference is shown in grey levels, not per cent
WITHOUT_PLACE = ("novelty", "mix", "defects", "frozen", "flicker", "noise")  # ... and those that no mean picture shows
UPWARDS = (*measurement.COUNTS, "shift", "unknown", "novelty", "mix")  # statistics that are never below 0
UNITS = {**measurement.UNITS, **drift.UNITS}
CAUSES = {**measurement.CAUSES, **drift.CAUSES}
SHORT = {"captures with the same bytes": "pictures", "healthy standard deviations": "times the usual spread"}
PLAIN = {
    "gain": "brightness against the healthy picture",
    "gradient": "light on the dark side against the bright one",
    "colour": "red or blue against green",
    "clipped": "share of pixels that are black or white",
    "flicker": "how much the light flickers",
    "shift": "how far the picture has moved",
    "rotation": "how far the picture has turned",
    "blur": "blur that was added",
    "motion": "smear along one direction",
    "dead": "dead pixels",
    "hot": "hot pixels",
    "stuck": "stuck pixels",
    "dust": "specks of dust",
    "noise": "graininess against the healthy picture",
    "frozen": "pictures that are the same",
    "unknown": "share of the picture that has changed",
    "novelty": "parts unlike any that are known",
    "mix": "kinds of parts against the usual mix",
    "surface": "how different the surfaces look",
    "defects": "rejected parts against the usual share",
}


@dataclass(frozen=True)
class Scene:
    """A camera as far as the ledger tells of it: its windows by time, its references and incidents, its time zone, what
    it is held against (None while it is learning), and the classes that are no defects."""

    camera: str
    windows: tuple[Mapping[str, Any], ...]
    commissions: tuple[Commission, ...]
    incidents: tuple[Incident, ...]
    zone: ZoneInfo
    held: tuple[Commission, reference.Reference] | None
    good: tuple[str, ...]

    @classmethod
    def of(cls, layout: Layout, camera: str, window: str = "") -> "Scene":
        """With the reference that `window` was held against, otherwise the one that holds now.

        Raises:
            CheckHistory: the reference is damaged. FetchData: it is not here.
        """
        events = ledger.read(layout)
        seen = alarms.windows(events)
        every = {one.version: one for one in commissions.fold(events).get(camera, ())}
        version = next((one["reference"] for one in seen if one["window"] == window), "")
        declared = every.get(version) or commissions.current(events).get(camera)
        known = read_cameras(layout.cameras).get(camera)
        return cls(
            camera=camera,
            windows=tuple(sorted((one for one in seen if one["camera"] == camera), key=lambda one: str(one["last"]))),
            commissions=tuple(every.values()),
            incidents=tuple(one for one in incidents.fold(events) if camera in one.cameras),
            zone=known.zone if known else ZoneInfo("UTC"),
            held=(declared, reference.load(declared.folder(layout), declared.digest)) if declared else None,
            good=tuple(name for name, one in read_taxonomy(layout.taxonomy).classes.items() if one.acceptable),
        )

    @property
    def story(self) -> Story:
        """What happened besides, for a plot."""
        return Story(
            [(one.version, one.at) for one in self.commissions],
            self.zone,
        )


def write_window(layout: Layout, told: Mapping[str, Any]) -> Path:
    """One window as JSON."""
    path = layout.watched / "windows" / told["camera"] / f"{told['window']}.json"
    return files.write(path, json.dumps(told, indent=2))


def write_day(layout: Layout, settings: Params, catalog: Catalog, camera: str, day: str) -> Path | None:
    """The page of one camera's day (UTC); None while the camera has no reference."""
    start = datetime.fromisoformat(day)
    now = _statistics(catalog, camera, start, start + timedelta(days=1))
    scene = Scene.of(layout, camera)
    seen = [one for one in scene.windows if one["last"][:10] >= day >= one["first"][:10]]
    path = layout.watched / "days" / day / f"{camera}.html"
    before = [one for one in scene.windows if one["first"][:10] <= day]
    courses = _courses(layout, scene, before[-RECENT:])
    shown = [("Every statistic, window by window", pictures.multiples(courses, camera, scene.story))] if courses else []
    return _page(settings, catalog, scene, now, seen, f"{camera} on {day}", path, shown)


def gather(incident: Incident, layout: Layout, settings: Params, catalog: Catalog) -> tuple[Picture, ...]:
    """The pictures that show an incident; they, its page and its JSON are written to its folder too."""
    folder = layout.watched / "incidents" / incident.name
    scene = Scene.of(layout, incident.cameras[0], incident.window)
    rows = looking.captures_of(catalog, incident.window)
    shown = _pictures(incident, layout, settings, catalog, scene, rows)
    for picture in shown:
        files.write(folder / picture.name, picture.content)
    files.write(folder / "incident.json", json.dumps(_plain(incident), indent=2, ensure_ascii=False))
    now = _statistics(catalog, scene.camera, *_span(rows))
    seen = [one for one in scene.windows if one["window"] == incident.window]
    title = f"{incident.name}: {incident.cause.replace('_', ' ')} on {scene.camera}"
    courses = _courses(layout, scene, scene.windows[-RECENT:])
    every = [(one.caption, one.content) for one in shown]
    if courses:
        every.append(("Every statistic, window by window", pictures.multiples(courses, scene.camera, scene.story)))
    _page(settings, catalog, scene, now, seen, title, folder / "report.html", every, confirmed=True)
    return shown


def days(layout: Layout, catalog: Catalog, day: date, zone: ZoneInfo) -> list[CameraDay]:
    """Every declared camera's day, which begins and ends at midnight in `zone`."""
    events = ledger.read(layout)
    since, until = _midnights(day, zone)
    counts = _counts(catalog, since, until)
    seen = [one for one in alarms.glances(events) if since <= one.last < until]
    faults = [one for one in incidents.fold(events) if one.open and one.onset[0] < until]
    watched = commissions.current(events)
    told = []
    for camera in read_cameras(layout.cameras):
        images, judged, rejected = counts.get(camera, (0, 0, 0))
        mine = [one for one in seen if one.camera == camera]
        state, words = _state(mine, camera in watched, images, bool(counts))
        names = tuple(f"{WORDS[one.cause]} ({one.name})" for one in faults if camera in one.cameras)
        told.append(CameraDay(camera, images, len(mine), rejected if judged else None, state, words, names))
    return told


def said(catalog: Catalog, day: date, zone: ZoneInfo) -> dict[str, tuple[int, int]]:
    """Version of each model that was live on that day -> captures that it accepted, and rejected."""
    since, until = _midnights(day, zone)
    c, s = capture_table.c, score_table.c
    query = (
        select(s.version, s.reject)
        .join(capture_table, c.capture_id == s.capture_id)
        .where(c.captured_at >= stored(since), c.captured_at < stored(until))
        .order_by(c.captured_at)
    )
    found = catalog.frame(query)
    return {
        str(version): (int((~some.astype(bool)).sum()), int(some.sum()))
        for version, some in found.groupby("version", sort=False)["reject"]
    }


def _counts(catalog: Catalog, since: datetime, until: datetime) -> dict[str, tuple[int, int, int]]:
    """Camera -> its captures, those that were judged, those that were rejected."""
    c, s = capture_table.c, score_table.c
    query = (
        select(c.camera, func.count(), func.count(s.capture_id), func.sum(s.reject.cast(Integer)))
        .join(score_table, s.capture_id == c.capture_id, isouter=True)
        .where(c.captured_at >= stored(since), c.captured_at < stored(until))
        .group_by(c.camera)
    )
    with catalog.engine.connect() as connection:
        return {row[0]: (row[1], row[2], int(row[3] or 0)) for row in connection.execute(query)}


def _state(
    seen: Sequence[alarms.Glance], watched: bool, images: int, others: bool
) -> tuple[Literal["well", "unknown", "troubled"], str]:
    """How a camera did on a day, and that in words; `others`: whether any camera had pictures."""
    if not images:
        return ("troubled", "no pictures, while other cameras had some") if others else ("well", "no pictures")
    if not watched:
        return "unknown", "is being learned"
    judged = [one for one in seen if one.state in alarms.JUDGED]
    if not judged:
        few = not seen or seen[-1].state == "too few"
        return "unknown", "too few pictures for a verdict" if few else "could not be compared"
    named = " and ".join(WORDS[cause] for cause in judged[-1].causes)
    if not named:
        return "well", "healthy"
    return "troubled", f"perhaps: {named}" if judged[-1].state == "suspect" else named


def _midnights(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the day begins and ends there, in UTC."""
    begins = (datetime.combine(day + timedelta(days=number), time(), zone) for number in (0, 1))
    since, until = (moment.astimezone(UTC) for moment in begins)
    return since, until


def suspects(incident: Incident, layout: Layout, catalog: Catalog) -> tuple[pd.DataFrame, Attachment]:
    """The suspect parts as a table, and as the CSV that goes with a mail and lies in the incident's folder."""
    found = suspect_parts(incident, catalog)
    csv = found.to_csv(index=False)
    files.write(layout.watched / "incidents" / incident.name / "suspects.csv", csv)
    return found, Attachment(f"{incident.name}-suspect-parts.csv", csv.encode(), "text/csv")


def suspect_parts(incident: Incident, catalog: Catalog) -> pd.DataFrame:
    """The captures of the incident's cameras since it may have begun, until it was over, with what was said of them."""
    c, s = capture_table.c, score_table.c
    query = (
        select(
            c.serial, c.part, c.camera, c.captured_at, s.reject, s.label, s.reject_probability, s.threshold, s.version
        )
        .join(score_table, s.capture_id == c.capture_id, isouter=True)
        .where(c.camera.in_(incident.cameras), c.captured_at > incident.onset[0].replace(tzinfo=None))
        .order_by(c.captured_at, c.capture_id)
    )
    if incident.closed is not None:
        query = query.where(c.captured_at <= incident.closed.replace(tzinfo=None))
    found = catalog.frame(query)
    words = found["reject"].map({True: "reject", False: "accept"}).fillna("not judged")
    found = found.assign(captured_at=found["captured_at"].astype(str).str[:19] + "Z", reject=words)
    return found.rename(
        columns={"captured_at": "captured_at_utc", "reject": "verdict", "label": "class", "version": "model"}
    )


def _pictures(
    incident: Incident, layout: Layout, settings: Params, catalog: Catalog, scene: Scene, rows: pd.DataFrame
) -> tuple[Picture, ...]:
    """Before and after with the difference, the size over time, and a part before and now: those that can be had."""
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    found = (
        _compared(incident, scene, rows, load),
        _over_time(incident, layout, scene),
        _example(incident, catalog, scene, rows, load),
    )
    return tuple(one for one in found if one is not None)


def _compared(
    incident: Incident, scene: Scene, rows: pd.DataFrame, load: Callable[[Any], looking.Levels]
) -> Picture | None:
    """The mean picture when healthy, now, and the difference."""
    name = incident.finding["statistic"]
    if scene.held is None or rows.empty or name in WITHOUT_PLACE:
        return None
    window, _ = looking.gather(rows, load)
    healthy, now = scene.held[1].expected(window), window.mean()
    if healthy is None or now is None or healthy.shape != now.shape:
        return None
    spots = [(spot["row"], spot["column"]) for spot in incident.finding.get("spots", ())]
    content = pictures.compared(healthy, now, spots, unit="grey levels" if name in IN_LEVELS else "%")
    seen = f"On average it was {healthy.mean():.0f} of 255 levels bright and is {now.mean():.0f}."
    return Picture(
        "compared.png", f"{scene.camera}: the mean picture when healthy, now, and the difference", content, seen
    )


def _over_time(incident: Incident, layout: Layout, scene: Scene) -> Picture | None:
    """The statistic of the incident from window to window."""
    name = incident.finding["statistic"]
    courses = _courses(layout, scene, [one for one in scene.windows if name in one["values"]][-RECENT:], [name])
    if not courses:
        return None
    [course] = courses
    caption = f"{scene.camera}, window by window: {PLAIN[name]}"
    low, high = course.bounds[-1].low, course.bounds[-1].high
    healthy = f"{low:.3g} to {high:.3g}" if low > -inf else f"below {high:.3g}"
    last = f"{course.values[-1]:.3g} {course.unit}"
    seen = f"The last of {len(course.values)} windows measured {last}; healthy is {healthy}."
    return Picture("over-time.png", caption, pictures.over_time(course, incident.onset, scene.story), seen)


def _example(
    incident: Incident, catalog: Catalog, scene: Scene, rows: pd.DataFrame, load: Callable[[Any], looking.Levels]
) -> Picture | None:
    """A part before and one of the same kind now; a close-up of the first spot where there is one."""
    if scene.held is None or rows.empty:
        return None
    declared, known = scene.held
    now = _typical(catalog, rows, known)
    before = _healthy_capture(catalog, declared, str(now["part"]), scene.good)
    try:
        shown = [load(row) for row in (before, now) if row is not None]
    except (FetchData, FixInput):
        return None  # the mail goes without it; ingest and watch say what is missing
    what, spots = "a part", incident.finding.get("spots", ())
    if spots and len({image.shape for image in shown}) == 1:
        spot = (int(spots[0]["row"]), int(spots[0]["column"]))
        across = max(CLOSE, round(6 * spots[0]["size"]))
        shown = [pictures.close_up(image, spot, across) for image in shown]
        what = f"close-up of row {spot[0]}, column {spot[1]}, {across} pixels across"
    names = ("before", "now")[-len(shown) :]
    moments = (looking.utc(row["captured_at"]).astimezone(scene.zone) for row in (before, now) if row is not None)
    titles = [f"{name}: {moment:%a %d %b, %H:%M}" for name, moment in zip(names, moments, strict=True)]
    caption = f"{scene.camera}: {what} {' and '.join(names)}"
    seen = f"Now: part {now['serial']} ({now['part']})."
    return Picture("examples.png", caption, pictures.examples(shown, titles), seen)


def _typical(catalog: Catalog, rows: pd.DataFrame, known: reference.Reference) -> pd.Series:
    """The capture to show: of a part that the reference does not know, if there is one; else one that was accepted, so
    that a defect does not distract; the last of them."""
    s = score_table.c
    accepted = catalog.frame(select(s.capture_id).where(s.capture_id.in_(list(rows["capture_id"])), ~s.reject))
    strange = ~rows["part"].isin(list(known.parts))
    calm = rows["capture_id"].isin(accepted["capture_id"])
    return next(some for some in (rows[strange], rows[calm], rows) if len(some)).iloc[-1]


def _healthy_capture(catalog: Catalog, declared: Commission, part: str, good: Sequence[str]) -> pd.Series | None:
    """The last capture that the reference was made of: of this part, labelled good, accepted, if there is one."""
    c, rejected, labels = capture_table.c, func.coalesce(score_table.c.reject, False), latest_labels().subquery()
    defect = case((labels.c.label.is_(None), 1), (labels.c.label.in_(good), 0), else_=2)
    query = (
        select(capture_table)
        .join(score_table, score_table.c.capture_id == c.capture_id, isouter=True)
        .join(labels, labels.c.image_id == c.image_id, isouter=True)
        .where(c.camera == declared.camera, c.captured_at >= stored(declared.first))
        .where(c.captured_at <= stored(declared.last))
        .order_by((c.part == part).desc(), defect, rejected, c.captured_at.desc(), c.capture_id)
        .limit(1)
    )
    found = catalog.frame(query)
    return None if found.empty else found.iloc[0]


def _courses(
    layout: Layout, scene: Scene, windows: Sequence[Mapping[str, Any]], names: Sequence[str] = tuple(PLAIN)
) -> list[Course]:
    """Each of the statistics that these windows have, with the limits of the reference that each was held against."""
    limits = {version: _limits(layout, scene, version) for version in {str(one["reference"]) for one in windows}}
    found = []
    for name in names:
        series = [one for one in windows if name in one["values"]]
        if not series:
            continue
        unit = UNITS[name].partition(",")[0]
        share = unit.startswith(("relative", "share"))
        bounds = [_bounds(name, limits[str(one["reference"])].get(name), 100 if share else 1) for one in series]
        found.append(
            Course(
                PLAIN[name],
                "%" if share else SHORT.get(unit, unit),
                [clock.parse(one["last"]) for one in series],
                [float(one["values"][name]) * (100 if share else 1) for one in series],
                bounds,
                [(one.onset[0], one.closed) for one in scene.incidents if one.cause == CAUSES[name]],
            )
        )
    return found


def _limits(layout: Layout, scene: Scene, version: str) -> Mapping[str, Limit]:
    """The limits of one of the camera's references; nothing where an earlier one cannot be read any more."""
    if scene.held is not None and scene.held[0].version == version:
        return scene.held[1].limits
    for one in scene.commissions:
        if one.version == version:
            try:
                return reference.load(one.folder(layout), one.digest).limits
            except AndonError:
                return {}
    return {}


def _bounds(name: str, limit: Limit | None, scale: float) -> Bounds:
    """The limits in the unit of the plot; without those that a statistic never meets."""
    if limit is None:
        return Bounds()
    low = (-inf, -inf) if name in UPWARDS else (scale * limit.sure_low, scale * limit.low)
    return Bounds(*low, scale * limit.high, scale * limit.sure_high)


def _page(
    settings: Params,
    catalog: Catalog,
    scene: Scene,
    now: pd.DataFrame,
    seen: Sequence[Mapping[str, Any]],
    title: str,
    path: Path,
    shown: Sequence[tuple[str, bytes]],
    confirmed: bool = False,
) -> Path | None:
    """An Evidently page of `now` against the camera's reference, under our limits."""
    if scene.held is None or now.empty:
        return None
    declared, held = scene.held
    until = declared.last + timedelta(milliseconds=1)
    healthy = _statistics(catalog, declared.camera, declared.first, until)
    size = settings.watch.window_images
    clean = [healthy.iloc[start : start + size] for start in range(0, len(healthy), size)]
    columns = report.thresholds([one for one in clean if len(one) >= settings.watch.min_images], healthy)
    judged = [one for one in seen if one["reference"] == declared.version and one["state"] in alarms.JUDGED]
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = report.sizes(judged, held.limits, PLAIN)
    told = report.write(healthy, now, columns, sizes, title, path, shown, confirmed)
    files.write(path.with_suffix(".json"), json.dumps(told, indent=2))
    return path


def _statistics(catalog: Catalog, camera: str, since: datetime, until: datetime) -> pd.DataFrame:
    """One row per image with the statistics of `image_stats`, in the order of capture."""
    c, i = capture_table.c, image_table.c
    query = (
        select(*(i[name] for name in NAMES))
        .join(capture_table, c.image_id == i.image_id)
        .where(c.camera == camera, c.captured_at >= stored(since), c.captured_at < stored(until))
        .order_by(c.captured_at, c.capture_id)
    )
    return catalog.frame(query)


def _span(rows: pd.DataFrame) -> tuple[datetime, datetime]:
    if rows.empty:
        return clock.now(), clock.now()
    return rows["captured_at"].iloc[0], rows["captured_at"].iloc[-1] + timedelta(milliseconds=1)


def _plain(incident: Incident) -> dict[str, Any]:
    told = {**incident.__dict__, "onset": [clock.stamp(one) for one in incident.onset]}
    for name in ("opened", "closed"):
        told[name] = clock.stamp(told[name]) if told[name] else None
    return told
