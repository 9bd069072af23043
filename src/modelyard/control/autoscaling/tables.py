"""Tables of the kinds of nodes, and of the nodes that were started."""

from sqlalchemy import Column, Index, String, Table

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import jobs_metadata
from modelyard.types.compute.autoscaling import ManagedNode, NodeKind

node_kinds = Table(
    "node_kinds",
    jobs_metadata,
    Column("name", String(63), primary_key=True),
    Column("record", DataclassJson(NodeKind), nullable=False),
)

managed_nodes = Table(
    "managed_nodes",
    jobs_metadata,
    Column("name", String(80), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("record", DataclassJson(ManagedNode), nullable=False),
    Index("ix_managed_nodes_created", "created_at", "name"),
    Index("ix_managed_nodes_state", "state"),
)
"""Those that have ended stay: they say what was done, and why."""
