"""Tables of captures: one row per Parquet object, never one per inference, and what makes their changes safe."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from modelyard.storage.columns import StringTuple, UtcDateTime
from modelyard.storage.metadata import operations_metadata

# Ids are compared byte by byte, in Python and in both databases.
_ID = String(200).with_variant(String(200, collation="C"), "postgresql")

capture_batches = Table(
    "capture_batches",
    operations_metadata,
    Column("segment", String(200), primary_key=True),
    Column("project", String(63), primary_key=True),
    Column("endpoint", String(63), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("object_key", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("inferences", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("versions", StringTuple(), nullable=False),
    Column("variants", StringTuple(), nullable=False),
    Column("first_id", _ID, nullable=False),
    Column("last_id", _ID, nullable=False),
    Column("first_at", UtcDateTime(), nullable=False),
    Column("last_at", UtcDateTime(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("level", Integer, nullable=False, server_default="0"),
    Index("ix_capture_batches_newest", "project", "endpoint", "last_at"),
    Index("ix_capture_batches_age", "last_at"),
)
"""`first_id` and `last_id` are the smallest and largest inference id, `versions` are references ("digits:2").
`level` counts merges: MERGED_DAY (9) is what became of a day that is over.
"""

ingested_segments = Table(
    "ingested_segments",
    operations_metadata,
    Column("segment", String(200), primary_key=True),
    Column("ingested_at", UtcDateTime(), nullable=False),
)
"""Segments whose batches are recorded and whose file in the spool may still be there."""

capture_garbage = Table(
    "capture_garbage",
    operations_metadata,
    Column("object_key", String(500), primary_key=True),
    Column("delete_after", UtcDateTime(), nullable=False),
)
"""Objects that no batch names any more. They go a little later: somebody may be reading them."""
