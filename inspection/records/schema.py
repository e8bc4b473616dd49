"""The catalog's tables, as the last of the migrations leaves them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Float, ForeignKey, Index, Integer, MetaData, String, Table
from sqlalchemy.types import TypeEngine

from inspection import clock

metadata = MetaData()


def _filled(kind: type[TypeEngine[Any]], *names: str) -> Iterator[Column[Any]]:
    """Columns of one kind that are never empty."""
    return (Column(name, kind, nullable=False) for name in names)


def stored(moment: datetime) -> datetime:
    """A time as the tables keep it: UTC without a zone."""
    return clock.parse(str(moment)).replace(tzinfo=None)


batch_table = Table(
    "batches",
    metadata,
    Column("batch", String, primary_key=True),
    *_filled(String, "partition"),
    *_filled(Integer, "captures"),
    *_filled(String, "manifest", "state"),  # the state as batches.states says
)
image_table = Table(
    "images",
    metadata,
    Column("image_id", String, primary_key=True),
    *_filled(Integer, "width", "height", "channels", "bit_depth", "bytes"),
    *_filled(String, "format"),
    *_filled(Float, "brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue"),
    *_filled(String, "batch"),  # the first that holds the image
)
capture_table = Table(
    "captures",
    metadata,
    Column("capture_id", String, primary_key=True),
    Column("image_id", String, ForeignKey("images.image_id"), nullable=False),
    Column("batch", String, ForeignKey("batches.batch"), nullable=False),
    *_filled(String, "line", "camera", "part", "serial"),
    *_filled(DateTime, "captured_at"),  # UTC
    *_filled(String, "path"),
    *_filled(DateTime, "ingested_at"),  # UTC
    *_filled(String, "key"),
    *_filled(Integer, "black", "white"),
    *_filled(Boolean, "time_doubtful"),
    Index("captures_by_camera_time", "camera", "captured_at"),
    Index("captures_by_time", "captured_at"),
    Index("captures_by_batch", "batch"),
    Index("captures_by_image", "image_id"),
    Index("captures_by_key", "key"),
    Index("captures_by_serial", "serial"),
)
quarantine_table = Table("quarantine", metadata, Column("batch", String, primary_key=True))
refusal_table = Table(
    "refusals",
    metadata,
    Column("capture_id", String, primary_key=True),
    *_filled(String, "batch", "key", "path", "reason", "refused_at"),
    Index("refusals_by_key", "key"),
)
label_table = Table(
    "labels",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("image_id", String, nullable=False, index=True),
    *_filled(String, "label", "by", "at", "labelled_at", "spec"),
    *_filled(Boolean, "latest", "stale"),  # stale: the quality spec has changed the meaning of its class since
)
run_table = Table("runs", metadata, Column("run", String, primary_key=True))
score_table = Table(  # a clone has the verdicts on captures whose images are not on its disk
    "scores",
    metadata,
    Column("capture_id", String, primary_key=True),
    Column("image_id", String, nullable=False, index=True),
    Column("run", String, ForeignKey("runs.run"), nullable=False),
    *_filled(String, "version", "package", "label"),
    *_filled(Float, "reject_probability", "threshold"),
    *_filled(Boolean, "reject"),
)
look_table = Table(
    "looks",
    metadata,
    Column("capture_id", String, primary_key=True),
    Column("window", String, nullable=False, index=True),
)
fold_table = Table(
    "fold", metadata, Column("events", Integer, primary_key=True), Column("digest", String, nullable=False)
)
