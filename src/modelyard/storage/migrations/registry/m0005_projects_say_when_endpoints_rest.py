"""projects say when endpoints rest.

Revision: 0005 after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("idle_after_hours", sa.Float(), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.drop_column("idle_after_hours")
