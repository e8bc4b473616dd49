"""The state of the plant on one screen."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select

from inspection import approval, inbox, ledger, registry
from inspection.catalog import capture_table, image_table, label_table, open_catalog, refusal_table
from inspection.layout import Layout
from inspection.params import read_params


def state(layout: Layout) -> dict[str, Any]:
    """What was taken in and labelled, what is live, what waits for whom."""
    catalog = open_catalog(layout)
    with catalog.engine.connect() as connection:
        counts = {
            "images": connection.scalar(select(func.count()).select_from(image_table)),
            "captures": connection.scalar(select(func.count()).select_from(capture_table)),
            "parts": connection.scalar(select(func.count(capture_table.c.serial.distinct()))),
            "refused": connection.scalar(select(func.count()).select_from(refusal_table)),
            "labelled": connection.scalar(select(func.count()).select_from(label_table).where(label_table.c.latest)),
        }
        newest = connection.scalar(select(func.max(capture_table.c.captured_at)))
    catalog.close()
    live = registry.live(layout)
    return {
        **counts,
        "newest_capture": str(newest) if newest else None,
        "missing_batches": ledger.missing_batches(layout),
        "waiting_in_inbox": _waiting(layout),
        "live": asdict(live) if live else None,
        "difference": registry.difference(layout),
        "candidates": {r.version: approval.state(layout, r) for r in approval.requests(layout)},
    }


def lines(now: dict[str, Any]) -> list[str]:
    """The state in sentences."""
    live = now["live"]
    said = [
        f"Images    {now['images']} of {now['parts']} parts ({now['captures']} captures), {now['labelled']} labelled, "
        f"{now['refused']} refused; newest {str(now['newest_capture'] or '–')[:19]} (UTC)",
        f"Inbox     {now['waiting_in_inbox']} files wait" + (": andon ingest" if now["waiting_in_inbox"] else ""),
        f"Live      {live['version']} since {live['at']:%Y-%m-%d %H:%M} UTC, by {live['by']}"
        if live
        else "Live      nothing yet",
    ]
    for version, stands in now["candidates"].items():
        if stands in ("waiting for approval", "approval expired"):
            said.append(f"Waiting   {version}: {stands}: andon show {version}, then andon approve {version} --by NAME")
    if now["missing_batches"]:
        said.append(f"Beware    {len(now['missing_batches'])} batches are not on this disk: run `dvc pull`")
    if now["difference"]:
        said.append(f"Beware    {now['difference']}")
    return said


def _waiting(layout: Layout) -> int:
    folder = layout.home / read_params(layout.params).ingest.inbox
    return sum(1 for _ in inbox.dropped(folder)) if folder.is_dir() else 0
