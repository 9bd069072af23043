"""Tables of queues, of what waits and runs, of capacity, and of what projects have used lately."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text, false

from modelyard.storage.columns import DataclassJson, StringTuple, UtcDateTime
from modelyard.storage.metadata import jobs_metadata

queues = Table(
    "job_queues",  # the workflow library has a table `queues` in the same database
    jobs_metadata,
    Column("name", String(63), primary_key=True),
    Column("description", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("is_held", Boolean, nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
)

host_capacities = Table(
    "host_capacities",
    jobs_metadata,
    Column("name", String(63), primary_key=True),
    Column("cpus", Float, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("jobs", Integer, nullable=False),
)
"""Only of hosts whose capacity somebody has changed."""

queue_entries = Table(
    "queue_entries",
    jobs_metadata,
    Column("job", String(64), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("queue", String(63), nullable=False),
    Column("state", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("ranked_at", UtcDateTime(), nullable=False),
    Column("cpus", Float, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("gpus", Float, nullable=False),
    Column("limit_seconds", Float, nullable=False),
    Column("expected_seconds", Float),
    Column("is_spot", Boolean, nullable=False),
    Column("is_held", Boolean, nullable=False),
    Column("start_before", UtcDateTime()),
    Column("reservation", String(40)),
    Column("admission", Integer, nullable=False),
    Column("admitted_at", UtcDateTime()),
    Column("host", String(63)),
    Column("hosts", Integer, nullable=False, server_default="1"),
    Column("is_distributed", Boolean, nullable=False, server_default=false()),
    Column("member_hosts", StringTuple(), nullable=False, server_default="[]"),
    Column("preemptions", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("planned_start", UtcDateTime()),
    Column("expected_start", UtcDateTime()),
    Column("node_labels", DataclassJson(dict[str, str]), nullable=False, server_default="{}"),
    Column("gpu_kind", String(63), nullable=False, server_default=""),
    Column("gpu_memory_bytes", BigInteger, nullable=False, server_default="0"),
    Column("choice", String(16), nullable=False, server_default="ANY"),
    Index("ix_queue_entries_project", "project"),
    Index("ix_queue_entries_queue", "queue"),
)
"""One row for each unfinished job; it goes when the job ends. `admission` counts how often it was let in."""

project_use = Table(
    "project_use",
    jobs_metadata,
    Column("project", String(63), primary_key=True),
    Column("used", Float, nullable=False),
    Column("at", UtcDateTime(), nullable=False),
)
"""Seconds of the whole capacity that a project has used, faded up to `at`."""

reservations = Table(
    "reservations",
    jobs_metadata,
    Column("id", String(40), primary_key=True),
    Column("project", String(63), nullable=False, index=True),
    Column("host", String(63), nullable=False),
    Column("cpus", Float, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("starts_at", UtcDateTime(), nullable=False),
    Column("ends_at", UtcDateTime(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("hosts", Integer, nullable=False, server_default="1"),
    Column("member_hosts", StringTuple(), nullable=False, server_default="[]"),
)
