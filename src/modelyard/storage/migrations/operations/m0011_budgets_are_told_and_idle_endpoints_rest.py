"""budgets are told and idle endpoints rest.

Revision: 0011 after 0010
"""

import sqlalchemy as sa
from alembic import op

from modelyard.storage.columns import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "budget_notices",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("project", "month", "state", "amount", name=op.f("pk_budget_notices")),
    )
    op.create_table(
        "endpoint_activity",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("endpoint", sa.String(length=63), nullable=False),
        sa.Column("last_request_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("project", "endpoint", name=op.f("pk_endpoint_activity")),
    )
    with op.batch_alter_table("endpoints", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stays_warm", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("resting", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("endpoints", schema=None) as batch_op:
        batch_op.drop_column("resting")
        batch_op.drop_column("stays_warm")
    op.drop_table("endpoint_activity")
    op.drop_table("budget_notices")
