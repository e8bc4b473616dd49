"""States of batches, doubtful times, declared intensities, stale labels; faster look-ups.

Rows from before lack these values: they go, and the next refresh folds them anew.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

FOLDED = ("looks", "scores", "captures", "runs", "labels", "refusals", "images", "batches", "fold")
NEW: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("batches", sa.Column("state", sa.String, nullable=False)),
    ("images", sa.Column("batch", sa.String, nullable=False)),
    ("captures", sa.Column("black", sa.Integer, nullable=False)),
    ("captures", sa.Column("white", sa.Integer, nullable=False)),
    ("captures", sa.Column("time_doubtful", sa.Boolean, nullable=False)),
    ("labels", sa.Column("stale", sa.Boolean, nullable=False)),
)


def upgrade() -> None:
    for name in FOLDED:
        op.execute(sa.table(name).delete())
    for name, column in NEW:
        with op.batch_alter_table(name) as table:
            table.add_column(column)
    op.create_index("captures_by_time", "captures", ["captured_at"])
    op.create_index("captures_by_batch", "captures", ["batch"])
    op.create_index("refusals_by_key", "refusals", ["key"])
    op.create_table("quarantine", sa.Column("batch", sa.String, primary_key=True))
    without_captures()


def without_captures() -> None:
    """Verdicts and looks stand on their own: a clone may lack the images."""
    op.drop_table("looks")
    op.drop_table("scores")
    op.create_table(
        "scores",
        sa.Column("capture_id", sa.String, primary_key=True),
        sa.Column("image_id", sa.String, nullable=False, index=True),
        sa.Column("run", sa.String, sa.ForeignKey("runs.run"), nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("package", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("reject_probability", sa.Float, nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("reject", sa.Boolean, nullable=False),
    )
    op.create_table(
        "looks",
        sa.Column("capture_id", sa.String, primary_key=True),
        sa.Column("window", sa.String, nullable=False, index=True),
    )
