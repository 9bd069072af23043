"""storage, traffic and tariffs.

Revision: 0003 after 0002
"""

import sqlalchemy as sa
from alembic import op

from modelyard.storage.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AMOUNTS = ("storage_gib_seconds", "bytes_in", "bytes_out", "predictions")
_KEY = ["process", "kind", "name", "version", "day", "price_list"]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "storage_readings",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("project", "kind", "name", name=op.f("pk_storage_readings")),
    )
    with op.batch_alter_table("usage_records", schema=None) as batch_op:
        for name in _AMOUNTS:
            batch_op.add_column(sa.Column(name, sa.Float(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("tariff", sa.String(length=16), server_default="on-demand", nullable=False))
    op.execute(sa.text("UPDATE usage_records SET tariff = 'spot' WHERE is_spot"))
    with op.batch_alter_table("usage_records", schema=None) as batch_op:
        batch_op.drop_constraint("pk_usage_records", type_="primary")
        batch_op.create_primary_key("pk_usage_records", [*_KEY, "tariff"])
        batch_op.drop_column("is_spot")


def downgrade() -> None:
    """Undo. What was reserved, stored or sent is forgotten with its columns."""
    op.execute(sa.text("DELETE FROM usage_records WHERE tariff IN ('reserved', 'covered')"))
    with op.batch_alter_table("usage_records", schema=None) as batch_op:
        batch_op.add_column(sa.Column("is_spot", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(sa.text("UPDATE usage_records SET is_spot = (tariff = 'spot')"))
    with op.batch_alter_table("usage_records", schema=None) as batch_op:
        batch_op.drop_constraint("pk_usage_records", type_="primary")
        batch_op.create_primary_key("pk_usage_records", _KEY)
        batch_op.drop_column("tariff")
        for name in _AMOUNTS:
            batch_op.drop_column(name)
    op.drop_table("storage_readings")
