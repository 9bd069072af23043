"""The table of ground truth, one row per labelled inference. Knows nothing of captures: truth may come first."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import operations_metadata
from modelyard.types.signatures import Scalar

feedback = Table(
    "feedback",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("endpoint", String(63), primary_key=True),
    Column("inference_id", String(200), primary_key=True),
    Column("truth", DataclassJson(list[Scalar | None]), nullable=False),
    Column("labels", Integer, nullable=False),
    Column("conflicts", BigInteger, nullable=False, default=0),
    Column("used_by", String(64)),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Index("ix_feedback_newest", "project", "endpoint", "created_at"),
    Index("ix_feedback_used_by", "used_by"),
)
"""`truth` has one value per row of the request (null: unknown), `labels` counts those that are known.
`used_by` is the retraining run that learns or has learnt from it."""
