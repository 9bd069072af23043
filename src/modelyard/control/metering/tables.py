"""Tables of what was used, of prices, and of budgets; each application keeps its own."""

from sqlalchemy import BigInteger, Boolean, Column, Date, Float, Index, Integer, String, Table

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import common_metadata
from modelyard.types.compute.costs import Prices

usage_records = Table(
    "usage_records",
    common_metadata,
    Column("process", String(120), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("version", String(100), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("price_list", Integer, primary_key=True),
    Column("tariff", String(16), primary_key=True, server_default="on-demand"),
    Column("project", String(63), nullable=False),
    Column("cpu_seconds", Float, nullable=False),
    Column("memory_gib_seconds", Float, nullable=False),
    Column("gpu_seconds", Float, nullable=False),
    Column("storage_gib_seconds", Float, nullable=False, server_default="0"),
    Column("bytes_in", Float, nullable=False, server_default="0"),
    Column("bytes_out", Float, nullable=False, server_default="0"),
    Column("predictions", Float, nullable=False, server_default="0"),
    Index("ix_usage_records_project_day", "project", "day"),
)
"""A process's rows add up to all that it has used so far; `name` is a job or an endpoint.

A reservation, a life of a gateway and what a project stores are processes, too.
"""

storage_readings = Table(
    "storage_readings",
    common_metadata,
    Column("project", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("read_at", UtcDateTime(), nullable=False),
)
"""What was stored when it was looked at last, and is charged for until the next look."""

price_lists = Table(
    "price_lists",
    common_metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("effective_at", UtcDateTime(), nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("prices", DataclassJson(Prices), nullable=False),
)

budgets = Table(
    "budgets",
    common_metadata,
    Column("project", String(63), primary_key=True),
    Column("amount", Float, nullable=False),
    Column("alert_share", Float, nullable=False),
    Column("stops", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("month", Date, nullable=False),
    Column("alerted_at", UtcDateTime()),
)
