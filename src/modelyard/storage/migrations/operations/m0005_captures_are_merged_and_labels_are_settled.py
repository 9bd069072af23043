"""captures are merged and labels are settled.

Revision: 0005 after 0004
"""

import sqlalchemy as sa
from alembic import op

from modelyard.storage.columns import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "capture_garbage",
        sa.Column("object_key", sa.String(length=500), nullable=False),
        sa.Column("delete_after", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("object_key", name=op.f("pk_capture_garbage")),
    )
    op.create_table(
        "ingested_segments",
        sa.Column("segment", sa.String(length=200), nullable=False),
        sa.Column("ingested_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("segment", name=op.f("pk_ingested_segments")),
    )
    with op.batch_alter_table("capture_batches", schema=None) as batch_op:
        batch_op.add_column(sa.Column("level", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("endpoints", schema=None) as batch_op:
        batch_op.add_column(sa.Column("capture", sa.Text(), nullable=True))

    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.add_column(sa.Column("duplicates", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("status", sa.String(length=12), server_default="FRESH", nullable=False))
        batch_op.add_column(sa.Column("delay_seconds", sa.Float(), nullable=True))
        batch_op.create_index("ix_feedback_status", ["project", "endpoint", "status"], unique=False)
    if op.get_bind().dialect.name == "postgresql":  # ids are compared byte by byte, as SQLite does
        op.execute('ALTER TABLE feedback ALTER COLUMN inference_id TYPE VARCHAR(200) COLLATE "C"')


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.drop_index("ix_feedback_status")
        batch_op.drop_column("delay_seconds")
        batch_op.drop_column("status")
        batch_op.drop_column("duplicates")

    with op.batch_alter_table("endpoints", schema=None) as batch_op:
        batch_op.drop_column("capture")

    with op.batch_alter_table("capture_batches", schema=None) as batch_op:
        batch_op.drop_column("level")

    op.drop_table("ingested_segments")
    op.drop_table("capture_garbage")
