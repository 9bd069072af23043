"""Tables of endpoints, their replicas and rollouts, and the versions that they serve."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text, false

from modelyard.storage.columns import DataclassJson, StringTuple, UtcDateTime
from modelyard.storage.metadata import operations_metadata
from modelyard.types.endpoints import CaptureRules, RolloutPlan, Scaling, Variant
from modelyard.types.planning import Measurement
from modelyard.types.processes import Resources
from modelyard.types.signatures import Signature

endpoints = Table(
    "endpoints",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("variants", DataclassJson(tuple[Variant, ...]), nullable=False),
    Column("capture_share", Float, nullable=False),
    Column("capture", DataclassJson(CaptureRules)),
    Column("scaling", DataclassJson(Scaling)),
    Column("stays_warm", Boolean, nullable=False, server_default=false()),
    Column("resting", DataclassJson(dict[str, int])),
    Column("is_stopped", Boolean, nullable=False),
    Column("is_deleting", Boolean, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("deployed", StringTuple(), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("updated_at", UtcDateTime(), nullable=False),
    Column("version", Integer, nullable=False),
)

endpoint_activity = Table(
    "endpoint_activity",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("endpoint", String(63), primary_key=True),
    Column("last_request_at", UtcDateTime(), nullable=False),
)
"""When each endpoint was asked last, within a few seconds."""

rollouts = Table(
    "rollouts",
    operations_metadata,
    Column("id", String(40), primary_key=True),  # grows with time: it orders the list
    Column("project", String(63), nullable=False),
    Column("endpoint", String(63), nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("from_variants", DataclassJson(tuple[Variant, ...]), nullable=False),
    Column("to_variants", DataclassJson(tuple[Variant, ...]), nullable=False),
    Column("plan", DataclassJson(RolloutPlan), nullable=False),
    Column("stage", Integer),
    Column("stage_since", UtcDateTime()),
    Column("is_approved", Boolean, nullable=False),
    Column("started_at", UtcDateTime(), nullable=False),
    Column("ended_at", UtcDateTime()),
    Index("ix_rollouts_project_endpoint_id", "project", "endpoint", "id"),
)

replicas = Table(
    "replicas",
    operations_metadata,
    Column("id", String(40), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("endpoint", String(63), nullable=False),
    Column("variant", String(63), nullable=False),
    Column("model", String(63), nullable=False),
    Column("number", Integer, nullable=False),
    Column("resources", DataclassJson(Resources), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("is_isolated", Boolean, nullable=False, server_default=false()),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("pid", Integer),
    Column("sandbox", String(20)),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("started_at", UtcDateTime()),
    Column("ready_at", UtcDateTime()),
    Column("retry_at", UtcDateTime()),
    Column("host", String(40)),
    Column("has_own_host", Boolean, nullable=False, server_default=false()),
    Column("host_faults", Integer, nullable=False, server_default="0"),
    Index("ix_replicas_project_endpoint", "project", "endpoint"),
)

measurements = Table(
    "service_measurements",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("model", String(63), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("cpus", Integer, primary_key=True),
    Column("measurement", DataclassJson(Measurement), nullable=False),
)

served_versions = Table(
    "served_versions",
    operations_metadata,
    Column("project", String(63), primary_key=True),
    Column("model", String(63), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("signature", DataclassJson(Signature), nullable=False),
    Column("is_pure", Boolean, nullable=False),
)
