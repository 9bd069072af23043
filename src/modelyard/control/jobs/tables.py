"""Tables of jobs."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import jobs_metadata
from modelyard.types.automl.reports import AutoMLReport
from modelyard.types.jobs import Job

jobs = Table(
    "jobs",
    jobs_metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("model", String(63)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Column("is_stop_requested", Integer, nullable=False, default=0),
    Column("log_offset", BigInteger, nullable=False, default=0),
    Column("output_bytes", BigInteger, nullable=False, default=0, server_default="0"),
    Column("record", DataclassJson(Job), nullable=False),
    Index("ix_jobs_project_created", "project", "created_at", "id"),
    Index("ix_jobs_status", "status"),
)
"""`record` is the whole job; the other columns are what queries need."""

metric_points = Table(
    "metric_points",
    jobs_metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("job_id", ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(128), nullable=False),
    Column("value", String(32), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
"""`value` is the shortest text that reads back as the same float, on every database."""

job_findings = Table(
    "job_findings",
    jobs_metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("project", String(63), nullable=False),
    Column("job", ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False),
    Column("rule", String(63), nullable=False),
    Column("action", String(16), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("value", Float, nullable=False),
    Column("message", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("is_told", Integer, nullable=False),
    UniqueConstraint("job", "rule"),
    Index("ix_job_findings_told", "is_told", "id"),
)
"""What rules have found on jobs; `is_told`: it is an event of Operations, or never will be one."""

job_runs = Table(
    "job_runs",
    jobs_metadata,
    Column("job", String(64), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("run", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("is_done", Integer, nullable=False),
)
"""How far a job's attempt has been told to MLflow: its run there, the last of its metric points, and whether all is."""

automl_reports = Table(
    "automl_reports",
    jobs_metadata,
    Column("job_id", ForeignKey(jobs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("record", DataclassJson(AutoMLReport), nullable=False),
)
"""What an AutoML job has found out so far."""
