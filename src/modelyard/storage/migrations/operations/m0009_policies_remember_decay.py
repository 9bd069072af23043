"""Retraining policies remember the labels that they have counted.

Revision: 0009 after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "decay_memories",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("policy", sa.String(length=63), nullable=False),
        sa.Column("model_version", sa.String(length=80), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project", "policy"],
            ["retraining_policies.project", "retraining_policies.name"],
            name=op.f("fk_decay_memories_project_policy_retraining_policies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project", "policy", name=op.f("pk_decay_memories")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("decay_memories")
