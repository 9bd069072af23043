"""tokens have a rate.

Revision: 0002 after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.add_column(sa.Column("requests_per_second", sa.Float(), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.drop_column("requests_per_second")
