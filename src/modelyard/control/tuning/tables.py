"""Tables of tuning jobs."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import jobs_metadata
from modelyard.types.tuning.jobs import Trial, TuningJob

tuning_jobs = Table(
    "tuning_jobs",
    jobs_metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("is_stop_requested", Boolean, nullable=False, default=False),
    Column("record", DataclassJson(TuningJob), nullable=False),
    Index("ix_tuning_jobs_project_created", "project", "created_at", "id"),
    Index("ix_tuning_jobs_status", "status"),
)
"""`record` is the whole job; the other columns are what queries need."""

tuning_trials = Table(
    "tuning_trials",
    jobs_metadata,
    Column("tuning", ForeignKey(tuning_jobs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("record", DataclassJson(Trial), nullable=False),
)
