"""projects have a quota.

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
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("quota", sa.Text(), server_default="{}", nullable=False))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.drop_column("quota")
