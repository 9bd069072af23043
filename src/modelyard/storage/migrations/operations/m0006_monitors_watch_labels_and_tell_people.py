"""monitors watch labels and tell people.

Revision: 0006 after 0005
"""

import sqlalchemy as sa
from alembic import op

from modelyard.storage.columns import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "alert_channels",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pk_alert_channels")),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_deliveries")),
    )
    with op.batch_alter_table("alert_deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_alert_deliveries_due", ["status", "next_attempt_at"], unique=False)
        batch_op.create_index("ix_alert_deliveries_history", ["project", "created_at", "id"], unique=False)

    op.create_table(
        "own_detectors",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pk_own_detectors")),
    )
    op.create_table(
        "monitor_memories",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("model_version", sa.String(length=80), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project", "monitor"],
            ["monitors.project", "monitors.name"],
            name=op.f("fk_monitor_memories_project_monitor_monitors"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project", "monitor", "model_version", name=op.f("pk_monitor_memories")),
    )
    # Without batches: SQLite would make the table anew, and the reports that hang on it would go with the old one.
    op.add_column("monitors", sa.Column("detectors", sa.Text(), server_default='["drift"]', nullable=False))
    op.add_column("monitors", sa.Column("cron", sa.String(length=100), nullable=True))
    op.add_column("monitors", sa.Column("every_rows", sa.Integer(), nullable=True))
    op.add_column("monitors", sa.Column("baseline", sa.String(length=80), server_default="training", nullable=False))
    op.add_column("monitors", sa.Column("channels", sa.Text(), server_default="[]", nullable=False))
    op.add_column("monitors", sa.Column("silenced_until", UtcDateTime(), nullable=True))
    op.add_column("monitors", sa.Column("acknowledged", sa.String(length=64), nullable=True))
    op.add_column("monitors", sa.Column("alerted_at", UtcDateTime(), nullable=True))
    op.execute("""UPDATE monitors SET detectors = '["' || detector || '"]'""")
    op.drop_column("monitors", "detector")


def downgrade() -> None:
    """Undo."""
    op.add_column("monitors", sa.Column("detector", sa.String(length=63), server_default="drift", nullable=False))
    added = ("alerted_at", "acknowledged", "silenced_until", "channels", "baseline", "every_rows", "cron", "detectors")
    for column in added:
        op.drop_column("monitors", column)
    op.drop_table("monitor_memories")
    op.drop_table("own_detectors")
    with op.batch_alter_table("alert_deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_deliveries_history")
        batch_op.drop_index("ix_alert_deliveries_due")

    op.drop_table("alert_deliveries")
    op.drop_table("alert_channels")
