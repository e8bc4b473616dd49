"""The tables as they were before they had revisions."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def numbers(kind: type[sa.Integer | sa.Float[float]], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("batch", sa.String, primary_key=True),
        *text("partition"),
        *numbers(sa.Integer, "captures"),
        *text("manifest"),
    )
    op.create_table(
        "images",
        sa.Column("image_id", sa.String, primary_key=True),
        *numbers(sa.Integer, "width", "height", "channels", "bit_depth", "bytes"),
        *text("format"),
        *numbers(sa.Float, "brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue"),
    )
    op.create_table(
        "captures",
        sa.Column("capture_id", sa.String, primary_key=True),
        sa.Column("image_id", sa.String, sa.ForeignKey("images.image_id"), nullable=False),
        sa.Column("batch", sa.String, sa.ForeignKey("batches.batch"), nullable=False),
        *text("line", "camera", "part", "serial"),
        sa.Column("captured_at", sa.DateTime, nullable=False),
        *text("path"),
        sa.Column("ingested_at", sa.DateTime, nullable=False),
        *text("key"),
    )
    op.create_index("captures_by_camera_time", "captures", ["camera", "captured_at"])
    op.create_index("captures_by_image", "captures", ["image_id"])
    op.create_index("captures_by_key", "captures", ["key"])
    op.create_index("captures_by_serial", "captures", ["serial"])
    op.create_table(
        "refusals",
        sa.Column("capture_id", sa.String, primary_key=True),
        *text("batch", "key", "path", "reason", "refused_at"),
    )
    op.create_table(
        "labels",
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        *text("image_id", "label", "by", "at", "labelled_at", "spec"),
        sa.Column("latest", sa.Boolean, nullable=False),
    )
    op.create_index("ix_labels_image_id", "labels", ["image_id"])
    op.create_table("runs", sa.Column("run", sa.String, primary_key=True))
    op.create_table(
        "scores",
        sa.Column("capture_id", sa.String, sa.ForeignKey("captures.capture_id"), primary_key=True),
        *text("image_id"),
        sa.Column("run", sa.String, sa.ForeignKey("runs.run"), nullable=False),
        *text("version", "package", "label"),
        *numbers(sa.Float, "reject_probability", "threshold"),
        sa.Column("reject", sa.Boolean, nullable=False),
    )
    op.create_index("ix_scores_image_id", "scores", ["image_id"])
    op.create_table(
        "looks",
        sa.Column("capture_id", sa.String, sa.ForeignKey("captures.capture_id"), primary_key=True),
        *text("window"),
    )
    op.create_index("ix_looks_window", "looks", ["window"])
    op.create_table("fold", sa.Column("events", sa.Integer, primary_key=True), *text("digest"))
