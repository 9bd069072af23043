"""Retraining policies say how certain a proof must be.

Revision: 0006 after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Policies that were there get the defaults."""
    with op.batch_alter_table("retraining_policies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("gate", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("retraining_policies", schema=None) as batch_op:
        batch_op.drop_column("gate")
