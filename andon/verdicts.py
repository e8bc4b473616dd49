"""What models said of images: when they came, in the test of the candidate, and what the live model says today. What
was said then is on record; what is said today may be another thing, so each bears its date and what it is."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pandas as pd

from inspection import clock
from inspection.layout import Layout
from inspection.model.package import Package, package_hash, pieces
from inspection.params import read_params
from inspection.pictures.images import levels_of
from inspection.records import ledger
from inspection.release import approval, registry
from inspection.tables import read_table

Verdicts = dict[str, list[dict[str, Any]]]  # image_id -> its verdicts; `at`: when it was said, where that is known
THEN, TEST, TODAY = "given then", "in the test", "today's opinion"  # `what` a verdict is


def when_they_came(layout: Layout, scores: pd.DataFrame) -> Verdicts:
    """What the watch put on record, by the model that was live then; `scores` are rows of the catalog."""
    at = {event.body["run"]: event.at for event in ledger.read(layout) if event.kind == "watch"}
    found: Verdicts = defaultdict(list)
    for row in scores.itertuples(index=False):
        said = {"predicted": row.label, "reject": row.reject, "reject_probability": row.reject_probability}
        model = f"{row.version}, live when it came"
        one = _verdict(model, str(row.package), said, row.threshold, at.get(str(row.run)))
        found[str(row.image_id)].append({"what": THEN, **one})
    return found


def of_test(layout: Layout, captures: pd.DataFrame) -> Verdicts:
    """What the candidate said of the images of `captures` in its test."""
    found: Verdicts = defaultdict(list)
    for image_id, row in _tested(layout, captures.drop_duplicates("image_id")):
        found[image_id].append({"what": TEST, **row})
    return found


def today(layout: Layout, captures: pd.DataFrame) -> tuple[Verdicts, dict[str, str]]:
    """What the live model says of the images of `captures` today; and image_id -> why it says nothing of it."""
    images = captures.drop_duplicates("image_id")
    line, wrong = registry.on_line(layout), registry.difference(layout)
    if line is None:
        why = f"the model on the line cannot be asked: {wrong}" if wrong else "no model is on the line yet"
        return defaultdict(list), dict.fromkeys(map(str, images["image_id"]), why)
    here = [one for one in images.itertuples(index=False) if (layout.home / str(one.path)).is_file()]
    found: Verdicts = defaultdict(list)
    for image_id, row in _now(layout, line, here):
        found[image_id].append({"what": TODAY, **row})
    away = set(map(str, images["image_id"])) - {str(one.image_id) for one in here}
    return found, dict.fromkeys(sorted(away), "its picture is not on this disk: run `dvc pull`")


def in_words(verdict: dict[str, Any]) -> str:
    """One verdict."""
    return (
        f"{verdict['verdict']} as {verdict['label']}: P(reject) {verdict['reject_probability']:.3f} against "
        f"{verdict['threshold']:.3f}, by {verdict['model']} ({verdict['package'][:12]})"
    )


def _tested(layout: Layout, images: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    if not (layout.reports / "predictions.parquet").exists() or not layout.candidate.is_dir():
        return []
    tested = read_table(layout.reports / "predictions.parquet")
    package, card = package_hash(layout.candidate), Package(layout.candidate).card
    request = {one.package: one for one in approval.requests(layout)}.get(package)
    model, at = f"the test of {request.version if request else 'a candidate'}", request.at if request else None
    rows = tested[tested["image_id"].isin(images["image_id"])].to_dict("records")
    return [(str(row["image_id"]), _verdict(model, package, row, card.threshold, at)) for row in rows]


def _now(layout: Layout, line: registry.Line, here: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    if not here:
        return []
    model, most, at = Package(line.folder), read_params(layout.params).ingest.max_megapixels, clock.stamp(clock.now())
    found, live = [], line.release
    for some in pieces(here):
        levels = [levels_of(layout.home, most, one) for one in some]
        for one, said in zip(some, model.predict(levels, [(one.camera, one.part) for one in some]), strict=True):
            row = {"predicted": said.label, "reject": said.reject, "reject_probability": said.reject_probability}
            name = f"the live model {live.version}, now"
            found.append((str(one.image_id), _verdict(name, live.package, row, model.card.threshold, at)))
    return found


def _verdict(model: str, package: str, row: Any, threshold: float, at: str | None) -> dict[str, Any]:
    return {
        "model": model,
        "package": package,
        "label": row["predicted"],
        "verdict": "reject" if row["reject"] else "accept",
        "reject_probability": float(row["reject_probability"]),
        "threshold": threshold,
        "at": at,
    }
