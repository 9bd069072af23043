"""Retraining policies have triggers, a budget, a data window, and say how certain a proof must be.

Revision: 0007 after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COLUMNS = ("gate", "triggers", "budget", "window", "rollout")


def upgrade() -> None:
    """Apply. Policies that were there get the defaults."""
    with op.batch_alter_table("retraining_policies", schema=None) as batch_op:
        for name in _COLUMNS:
            batch_op.add_column(sa.Column(name, sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("retraining_policies", schema=None) as batch_op:
        for name in reversed(_COLUMNS):
            batch_op.drop_column(name)
