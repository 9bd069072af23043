"""members of gangs have hosts.

Revision: 0010 after 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("queue_entries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("is_distributed", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("member_hosts", sa.Text(), server_default="[]", nullable=False))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("queue_entries", schema=None) as batch_op:
        batch_op.drop_column("member_hosts")
        batch_op.drop_column("is_distributed")
