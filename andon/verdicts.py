"""What models said of images: when they came, in the test of the candidate, and what the live model says now."""

from collections import defaultdict
from typing import Any

import pandas as pd

from inspection import clock
from inspection.intake.images import levels_of
from inspection.layout import Layout
from inspection.model.package import Package, package_hash, pieces
from inspection.params import read_params
from inspection.records import ledger
from inspection.release import approval, registry
from inspection.tables import read_table

Verdicts = dict[str, list[dict[str, Any]]]  # image_id -> its verdicts; `at`: when it was said, where that is known


def when_they_came(layout: Layout, scores: pd.DataFrame) -> Verdicts:
    """What the watch put on record, by the model that was live then; `scores` are rows of the catalog."""
    at = {event.body["run"]: event.at for event in ledger.read(layout) if event.kind == "watch"}
    found: Verdicts = defaultdict(list)
    for row in scores.itertuples(index=False):
        said = {"predicted": row.label, "reject": row.reject, "reject_probability": row.reject_probability}
        model = f"{row.version}, live when it came"
        found[str(row.image_id)].append(_verdict(model, str(row.package), said, row.threshold, at.get(str(row.run))))
    return found


def of_test_and_now(layout: Layout, captures: pd.DataFrame) -> Verdicts:
    """What the candidate said of the images of `captures` in its test, and what the live model says of those on the
    disk."""
    found: Verdicts = defaultdict(list)
    images = captures.drop_duplicates("image_id")
    for image_id, row in (*_tested(layout, images), *_now(layout, images)):
        found[image_id].append(row)
    return found


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


def _now(layout: Layout, images: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    live = registry.live(layout)
    here = [one for one in images.itertuples(index=False) if (layout.home / str(one.path)).is_file()]
    if live is None or not here or registry.difference(layout) is not None:
        return []
    model, most, at = Package(layout.live), read_params(layout.params).ingest.max_megapixels, clock.stamp(clock.now())
    found = []
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
