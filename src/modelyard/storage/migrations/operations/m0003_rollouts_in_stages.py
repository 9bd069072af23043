"""rollouts go in stages.

Revision: 0003 after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("rollouts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("plan", sa.Text(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("stage", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("stage_since", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("is_approved", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("rollouts", schema=None) as batch_op:
        for column in ("is_approved", "stage_since", "stage", "plan"):
            batch_op.drop_column(column)
