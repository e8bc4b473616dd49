"""Everything known about one image, from the inbox to the last verdict."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import or_, select

from inspection import clock
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.model.package import Package, package_hash
from inspection.params import read_params
from inspection.records import incidents, ledger
from inspection.records.assignments import read_assignments
from inspection.records.catalog import open_catalog
from inspection.records.schema import capture_table, image_table, label_table, refusal_table
from inspection.release import approval, registry
from inspection.tables import read_table


def story(layout: Layout, name: str) -> dict[str, Any]:
    """Image, captures, refusals, labels, split, incidents that make it suspect, and verdicts.

    Args:
        name: an image_id or at least six letters of its start, a key, or the path of a file.

    Raises:
        FixInput: nothing of that name was ever seen.
    """
    catalog = open_catalog(layout)
    file = Path(name)
    if file.is_file():
        name = hashlib.sha256(file.read_bytes()).hexdigest()
    c = capture_table.c
    close = c.image_id.startswith(name, autoescape=True) if len(name) >= 6 else c.image_id == name
    captures = catalog.frame(select(capture_table).where(or_(close, c.key == name)).order_by(c.captured_at))
    refusals = catalog.frame(select(refusal_table).where(refusal_table.c.key == name))
    ids = captures["image_id"].unique()
    if len(ids) > 1:
        raise FixInput(
            f"{name!r} stands for {len(ids)} images; give more of the image_id: {', '.join(i[:16] for i in ids[:4])}."
        )
    if not len(ids) and refusals.empty:
        away = ledger.missing_batches(layout)
        hint = (
            f"{len(away)} batches are not on this disk: run `dvc pull`"
            if away
            else "`andon catalog query` lists what was"
        )
        raise FixInput(f"No image {name!r} was taken in or refused as far as this disk knows; {hint}.")
    told: dict[str, Any] = {"refusals": _records(refusals)}
    if len(ids):
        image_id = str(ids[0])
        told["image"] = _records(catalog.frame(select(image_table).where(image_table.c.image_id == image_id)))[0]
        told["captures"] = _records(captures)
        given = select(label_table).where(label_table.c.image_id == image_id).order_by(label_table.c.n)
        told["labels"] = _records(catalog.frame(given))
        told["split"] = read_assignments(layout.assignments).get(str(captures["serial"].iloc[0]))
        told["incidents"] = _suspected(layout, captures)
        told["verdicts"] = _verdicts(layout, captures.iloc[0])
    catalog.close()
    return told


def lines(told: dict[str, Any]) -> list[str]:
    """The story in sentences."""
    said = [
        f"refused   {row['refused_at'][:19]} UTC {row['key']!r}: {row['reason']} (kept as {row['path']})"
        for row in told["refusals"]
    ]
    if "image" not in told:
        return said
    image = told["image"]
    said.append(
        f"image     {image['image_id']}\n          {image['width']}×{image['height']} px, "
        f"{image['channels']} channel(s), {image['bit_depth']} bit {image['format']}, {image['bytes']} bytes; "
        f"brightness {image['brightness']:.1f} of 255, "
        f"contrast {image['contrast']:.1f}, noise {image['noise']:.2f}"
    )
    for row in told["captures"]:
        said.append(
            f"captured  {row['captured_at'][:23]} UTC by {row['camera']} on line {row['line']}: "
            f"part {row['part']}, serial {row['serial']}"
            + (" (a time that daylight saving makes doubtful)" if row["time_doubtful"] else "")
            + "\n"
            f"taken in  {row['ingested_at'][:19]} UTC as {row['path']} (from {row['key']})"
        )
    for row in told["labels"]:
        said.append(
            f"labelled  {row['labelled_at'][:19]} UTC {row['label']} by {row['by']} under quality spec {row['spec']}"
        )
    said.append(f"used for  {told['split'] or 'nothing yet: the part is not assigned to train, val or test'}")
    for row in told["incidents"]:
        said.append(
            f"suspect   because of {row['incident']}, {row['cause']} on {row['camera']}; its parts: "
            + (f"{row['parts']}, said {row['parts_by']}" if row["parts"] else "nobody has said what was done with them")
        )
    for row in told["verdicts"]:
        said.append(
            f"verdict   {row['verdict']} as {row['label']}: P(reject) {row['reject_probability']:.3f} against "
            f"{row['threshold']:.3f}, by {row['model']} ({row['package'][:12]})"
        )
    return said


def _suspected(layout: Layout, captures: pd.DataFrame) -> list[dict[str, Any]]:
    """The incidents that one of its captures falls into, and what was done with the parts."""
    times = [(str(row.camera), clock.parse(str(row.captured_at))) for row in captures.itertuples(index=False)]
    return [
        {
            "incident": one.name,
            "cause": one.cause.replace("_", " "),
            "camera": camera,
            "parts": one.parts,
            "parts_by": one.parts_by,
        }
        for one in incidents.fold(ledger.read(layout))
        for camera in sorted({camera for camera, at in times if one.covers(camera, at)})
    ]


def _verdicts(layout: Layout, capture: Any) -> list[dict[str, Any]]:
    """What the candidate said of it in its test, and what the live model says now."""
    from inspection.intake.images import levels_of

    found = []
    if (layout.reports / "predictions.parquet").exists() and layout.candidate.is_dir():
        tested = read_table(layout.reports / "predictions.parquet")
        version = {r.package: r.version for r in approval.requests(layout)}
        package, card = package_hash(layout.candidate), Package(layout.candidate).card
        for row in tested[tested["image_id"] == capture.image_id].to_dict("records"):
            found.append(_verdict(f"the test of {version.get(package, 'a candidate')}", package, row, card.threshold))
    now = registry.live(layout)
    if now and (layout.home / str(capture.path)).is_file() and registry.difference(layout) is None:
        model = Package(layout.live)
        levels = levels_of(layout.home, read_params(layout.params).ingest.max_megapixels, capture)
        (said,) = model.predict([levels], [(capture.camera, capture.part)])
        row = {"predicted": said.label, "reject": said.reject, "reject_probability": said.reject_probability}
        found.append(_verdict(f"the live model {now.version}, now", now.package, row, model.card.threshold))
    return found


def _verdict(model: str, package: str, row: Any, threshold: float) -> dict[str, Any]:
    return {
        "model": model,
        "package": package,
        "label": row["predicted"],
        "verdict": "reject" if row["reject"] else "accept",
        "reject_probability": float(row["reject_probability"]),
        "threshold": threshold,
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    for name in frame.select_dtypes("datetime"):
        frame[name] = frame[name].astype(str)
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
