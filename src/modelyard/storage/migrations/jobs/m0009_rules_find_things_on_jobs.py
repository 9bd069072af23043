"""rules find things on jobs.

Revision: 0009 after 0008
"""

import sqlalchemy as sa
from alembic import op

from modelyard.storage.columns import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "job_findings",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=63), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("is_told", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_job_findings_job_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_findings")),
        sa.UniqueConstraint("job", "rule", name=op.f("uq_job_findings_job_rule")),
    )
    op.create_index("ix_job_findings_told", "job_findings", ["is_told", "id"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_job_findings_told", table_name="job_findings")
    op.drop_table("job_findings")
