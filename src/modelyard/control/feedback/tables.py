"""The table of ground truth, one row per labelled inference. Knows nothing of captures: truth may come first."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import operations_metadata
from modelyard.types.signatures import Scalar

# Ids are compared byte by byte, in Python and in both databases.
_ID = String(200).with_variant(String(200, collation="C"), "postgresql")

feedback = Table(
    "feedback",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("endpoint", String(63), primary_key=True),
    Column("inference_id", _ID, primary_key=True),
    Column("truth", DataclassJson(list[Scalar | None]), nullable=False),
    Column("labels", Integer, nullable=False),
    Column("conflicts", BigInteger, nullable=False, default=0),
    Column("duplicates", BigInteger, nullable=False, server_default="0"),
    Column("status", String(12), nullable=False, server_default="FRESH"),
    Column("delay_seconds", Float),
    Column("used_by", String(64)),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Index("ix_feedback_newest", "project", "endpoint", "created_at"),
    Index("ix_feedback_used_by", "used_by"),
    Index("ix_feedback_status", "project", "endpoint", "status"),
)
"""`truth` has one value per row of the request (null: unknown), `labels` counts those that are known.
`status` says whether the inference was found among the captures (TruthStatus), `delay_seconds` how long after its
answer the first truth came. `duplicates` and `conflicts` count how often the same and another truth came.
`used_by` is the retraining run that learns or has learnt from it."""
