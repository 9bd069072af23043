"""environments have names.

Revision: 0006 after 0005
"""

import sqlalchemy as sa
from alembic import op

from modelyard.storage.columns import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "environments",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("requirements", sa.Text(), nullable=False),
        sa.Column("lock", sa.Text(), nullable=False),
        sa.Column("python", sa.String(length=20), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_environments")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("environments")
