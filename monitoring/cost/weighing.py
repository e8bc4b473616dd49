"""An incident -> what it costs the live model, on labels since or on test parts of healthy days."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Subquery, and_, or_, select

from inspection import clock
from inspection.layout import Layout
from inspection.model.package import Package
from inspection.params import Params
from inspection.pictures import piece, returned
from inspection.pictures.images import levels_of
from inspection.records import ledger
from inspection.records.assignments import read_assignments
from inspection.records.catalog import Catalog, latest_labels
from inspection.records.incidents import Incident
from inspection.records.labels import learned_as, renamings
from inspection.records.schema import capture_table, score_table, stored
from inspection.release import approval, registry
from inspection.taxonomy import read_taxonomy
from monitoring.cost import escapes, parts
from monitoring.cost.escapes import Estimate
from monitoring.cost.rehearsal import cost_of_changes, estimated, rehearse, renamed, seen
from monitoring.cost.routing import Cost

PARTS = 200  # defective ones, and as many good ones, that a change is rehearsed on at most


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
    names = learned_as(package.card.classes, renamings(ledger.read(layout)))
    judged = renamed(_judged(incident, layout, catalog, labels, known_or_since), names)
    before, start = (pd.Timestamp(moment).tz_localize(None) for moment in incident.onset)
    release, rule, drop = registry.live(layout), package.card.part_verdict, settings.routing.costly_drop
    live = release.package if release else ""
    present = judged[judged["captured_at"] >= start]
    fresh = judged[judged["label"].notna() & (judged["package"] == live)]  # not what an earlier model said
    labelled = fresh[~piece.of(fresh).isin(taught(layout, catalog, live))]
    since, calm = labelled[labelled["captured_at"] > start], labelled[labelled["captured_at"] <= before]
    cost, estimate = None, None
    if piece.of(since).nunique() >= settings.routing.min_parts:  # labels decide
        cost, estimate = seen(calm, since), escapes.counted(_by(live, since, rule), _by(live, calm, rule), drop)
    if cost and estimate:
        return cost, estimate
    load = partial(levels_of, layout.home, settings.ingest.max_megapixels)
    findings = [one.finding for one in (incident, *others)]
    tried = rehearse(package, _test_images(incident, layout, catalog), load, findings).under(names)
    return cost or cost_of_changes(tried), estimate or estimated(tried, _by(live, present, rule), rule, moved, drop)


def taught(layout: Layout, catalog: Catalog, package: str) -> set[str]:
    """The pieces that a package was trained on or chosen by: those of train and val that had been captured when it
    was made. What a model says of them tells nothing of others."""
    made = [one.at for one in approval.requests(layout) if one.package == package]
    c = capture_table.c
    query = select(c.part, c.serial).distinct()
    if made:
        query = query.where(c.captured_at <= stored(clock.parse(made[0])))
    splits = read_assignments(layout.assignments).of(piece.of(catalog.frame(query)))
    return {one for one, split in splits.items() if split in ("train", "val")}


def labelled_since(incident: Incident, layout: Layout, catalog: Catalog) -> int:
    """Parts of the incident's cameras that the live model judged since and that are labelled, whether or not training
    may use their images."""
    c, s, labels = capture_table.c, score_table.c, latest_labels().subquery()
    release = registry.live(layout)
    query = (
        select(c.part, c.serial)
        .distinct()
        .join(score_table, s.capture_id == c.capture_id)
        .join(labels, labels.c.image_id == c.image_id)
        .where(c.camera.in_(incident.cameras), c.captured_at > stored(incident.onset[1]))
        .where(s.package == (release.package if release else ""), returned.known(c.serial))
    )
    found = set(piece.of(catalog.frame(query)))
    return len(found - taught(layout, catalog, release.package)) if release and found else 0


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
    return parts.fold(judged[judged["package"] == model], rule)


def _judged(
    incident: Incident, layout: Layout, catalog: Catalog, labels: Subquery, which: ColumnElement[bool]
) -> pd.DataFrame:
    """What the live model said of the captures of the incident's cameras when they came; label and `acceptable` are
    missing where there is none."""
    c, s = capture_table.c, score_table.c
    query = (
        select(
            c.part,
            c.serial,
            c.captured_at,
            labels.c.label,
            s.label.label("called"),
            s.reject,
            s.reject_probability,
            s.package,
        )
        .join(score_table, s.capture_id == c.capture_id)
        .outerjoin(labels, labels.c.image_id == c.image_id)
        .where(c.camera.in_(incident.cameras), which, returned.known(c.serial))
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
    found = _with_truth(catalog.frame(query), layout)
    found = found.assign(piece=piece.of(found))
    places = read_assignments(layout.assignments).of(found["piece"].unique())
    found = found[found["piece"].map(places) == "test"]
    good = found.groupby("piece")["acceptable"].transform("all")
    newest = [side["piece"].unique()[:PARTS] for side in (found[good], found[~good])]
    return found[found["piece"].isin(np.concatenate(newest))].reset_index(drop=True)


def _with_truth(rows: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """`rows` with `acceptable`; a label that the taxonomy does not have counts as a defect."""
    classes = read_taxonomy(layout.taxonomy).classes
    acceptable = [name in classes and classes[name].acceptable for name in rows["label"]]
    return rows.assign(acceptable=np.array(acceptable, bool))
