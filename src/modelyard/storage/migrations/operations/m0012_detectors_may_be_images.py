"""A detector of one's own may be an image instead of a Python file.

Revision: 0012 after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("own_detectors") as batch:
        batch.alter_column("source", existing_type=sa.Text(), nullable=True)
        batch.add_column(sa.Column("image", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Undo; detectors that are images are forgotten."""
    op.execute("DELETE FROM own_detectors WHERE source IS NULL")
    with op.batch_alter_table("own_detectors") as batch:
        batch.drop_column("image")
        batch.alter_column("source", existing_type=sa.Text(), nullable=False)
