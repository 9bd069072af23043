"""Channels take events of the platform, beside the alerts of monitors.

Revision: 0008 after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Channels that were there take no events."""
    with op.batch_alter_table("alert_channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("events", sa.Text(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("endpoint", sa.String(length=63), nullable=True))
    with op.batch_alter_table("alert_deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("event", sa.Text(), nullable=True))
        batch_op.alter_column("alert", existing_type=sa.Text(), nullable=True)


def downgrade() -> None:
    """Undo. Deliveries of events are lost."""
    op.execute("DELETE FROM alert_deliveries WHERE alert IS NULL")
    with op.batch_alter_table("alert_deliveries", schema=None) as batch_op:
        batch_op.alter_column("alert", existing_type=sa.Text(), nullable=False)
        batch_op.drop_column("event")
    with op.batch_alter_table("alert_channels", schema=None) as batch_op:
        batch_op.drop_column("endpoint")
        batch_op.drop_column("events")
