"""Tables of pipelines, their runs and the steps of those."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import jobs_metadata
from modelyard.types.pipelines.definitions import Pipeline
from modelyard.types.pipelines.runs import Decision, PipelineRun, StepState

pipelines = Table(
    "pipelines",
    jobs_metadata,
    Column("project", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("has_triggers", Boolean, nullable=False),
    Column("record", DataclassJson(Pipeline), nullable=False),
)
"""`record` is the whole pipeline; the other columns are what queries need."""

pipeline_marks = Table(
    "pipeline_marks",
    jobs_metadata,
    Column("project", String(63), primary_key=True),
    Column("pipeline", String(63), primary_key=True),
    Column("trigger", String(140), primary_key=True),
    Column("seen", Text, nullable=False),
    ForeignKeyConstraint(
        ["project", "pipeline"],
        ["pipelines.project", "pipelines.name"],
        ondelete="CASCADE",
        name="fk_pipeline_marks_pipeline",
    ),
)
"""How far a trigger has looked: the last slot of a schedule, the last version of a dataset, the last event."""

pipeline_runs = Table(
    "pipeline_runs",
    jobs_metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("pipeline", String(63), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("is_triggered", Boolean, nullable=False),
    Column("is_stop_requested", Boolean, nullable=False, default=False),
    Column("is_parked", Boolean, nullable=False, default=False),
    Column("wakings", Integer, nullable=False, default=0),
    Column("record", DataclassJson(PipelineRun), nullable=False),
    Index("ix_pipeline_runs_project_created", "project", "created_at", "id"),
    Index("ix_pipeline_runs_status", "status"),
)
"""A parked run waits for people alone, and no workflow carries it. Each waking makes a workflow of its own; one that
carries an earlier waking can neither park the run nor go on with it."""

pipeline_steps = Table(
    "pipeline_steps",
    jobs_metadata,
    Column("run", ForeignKey(pipeline_runs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("project", String(63), nullable=False),
    Column("pipeline", String(63), nullable=False),
    Column("status", String(16), nullable=False),
    Column("content_key", String(64), nullable=False),
    Column("started_at", UtcDateTime),
    Column("decision", DataclassJson(Decision)),
    Column("record", DataclassJson(StepState), nullable=False),
    Index("ix_pipeline_steps_content", "project", "content_key", "status"),
    Index("ix_pipeline_steps_history", "project", "pipeline", "name", "started_at"),
)
"""`decision` is what a person said; it stands outside of `record`, which only the run's workflow writes."""
