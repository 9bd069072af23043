"""Tables of retraining policies and their runs."""

from sqlalchemy import Boolean, Column, Float, ForeignKeyConstraint, Index, Integer, String, Table, Text, text

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import operations_metadata
from modelyard.types.endpoints import RolloutPlan
from modelyard.types.retraining.rules import BudgetRules, DataWindow, GateRules, TriggerRules
from modelyard.types.tuning.searches import TuningRules

retraining_policies = Table(
    "retraining_policies",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("endpoint", String(63), nullable=False),
    Column("monitor", String(63)),
    Column("minimum_new_labels", Integer, nullable=False),
    Column("minimum_gain", Float, nullable=False),
    Column("maximum_loss", Float, nullable=False),
    Column("cooldown_seconds", Float, nullable=False),
    Column("gate", DataclassJson(GateRules), nullable=False),
    Column("triggers", DataclassJson(TriggerRules), nullable=False),
    Column("budget", DataclassJson(BudgetRules), nullable=False),
    Column("window", DataclassJson(DataWindow), nullable=False),
    Column("rollout", DataclassJson(RolloutPlan), nullable=False),
    Column("tuning", DataclassJson(TuningRules), nullable=False, server_default="{}"),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
)

decay_memories = Table(
    "decay_memories",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("policy", String(63), primary_key=True),
    Column("model_version", String(80), nullable=False),
    Column("content", Text, nullable=False),
    ForeignKeyConstraint(
        ["project", "policy"], ["retraining_policies.project", "retraining_policies.name"], ondelete="CASCADE"
    ),
)
"""What a policy has counted of the labels of one version, the last that it looked at (`counting.QualityMemory`)."""

retraining_runs = Table(
    "retraining_runs",
    operations_metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("policy", String(63), nullable=False),
    Column("endpoint", String(63), nullable=False),
    Column("status", String(16), nullable=False),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("old_version", String(80), nullable=False),
    Column("new_version", String(80)),
    Column("job", String(64)),
    Column("figures", DataclassJson(dict[str, float]), nullable=False),
    Column("started_at", UtcDateTime(), nullable=False),
    Column("ended_at", UtcDateTime()),
    Column("is_active", Boolean, nullable=False),
    Column("progress", DataclassJson(dict[str, str]), nullable=False),
    Index("ix_retraining_runs_history", "project", "policy", "started_at", "id"),
    Index(
        "uq_retraining_runs_active",
        "project",
        "endpoint",
        unique=True,
        sqlite_where=text("is_active"),
        postgresql_where=text("is_active"),
    ),
)
"""`is_active` is unique per endpoint: one run at a time. `progress` holds what the steps hand to one another
("extended" -> "digits-train:2")."""
