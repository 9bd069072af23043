"""reservations have hosts.

Revision: 0013 after 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hosts", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("member_hosts", sa.Text(), server_default="[]", nullable=False))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.drop_column("member_hosts")
        batch_op.drop_column("hosts")
