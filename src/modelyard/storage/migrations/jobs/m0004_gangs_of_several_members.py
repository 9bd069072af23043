"""gangs of several members.

Revision: 0004 after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("queue_entries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hosts", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("queue_entries", schema=None) as batch_op:
        batch_op.drop_column("hosts")
