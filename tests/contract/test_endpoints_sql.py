"""The SQL of access, audit, endpoints and events, on migrated SQLite and PostgreSQL databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.control.access.repository import TokenRepository
from modelyard.control.access.service import AccessService
from modelyard.control.audit.repository import AuditRepository
from modelyard.control.audit.service import AuditService
from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord, ServedVersion, Slot
from modelyard.control.endpoints.repository import EndpointRepository, ReplicaRepository
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.rest.pages import PageQuery
from modelyard.kit.clock import FakeClock
from modelyard.storage.database import Database
from modelyard.types.access import AuditEntry, Role
from modelyard.types.endpoints import EndpointStatus, ReplicaStatus, Rollout, RolloutStatus, Scaling, Variant
from modelyard.types.planning import Measurement, ServicePoint
from modelyard.types.processes import Resources, SandboxLevel
from modelyard.types.signatures import DataType, Signature, TensorSpec

CLOCK = FakeClock()
VARIANTS = (Variant(name="main", model="digits", number=2, weight=0.5, resources=Resources(cpus=1.5)),)
ENDPOINT = EndpointRecord(
    project="default",
    name="digits",
    variants=VARIANTS,
    capture_share=0.25,
    is_stopped=False,
    is_deleting=False,
    status=EndpointStatus.CREATING,
    reason="",
    deployed=("digits:2",),
    created_at=CLOCK.now(),
    updated_at=CLOCK.now(),
    version=1,
)
REPLICA = ReplicaRecord(
    id="replica-1",
    project="default",
    endpoint="digits",
    slot=Slot("main", "digits", 2, Resources(cpus=1.5), 0, is_isolated=True),
    host="host-1",
    has_own_host=True,
    host_faults=1,
    status=ReplicaStatus.STARTING,
    reason="",
    failures=0,
    pid=None,
    sandbox=None,
    created_at=CLOCK.now(),
    started_at=None,
    ready_at=None,
    retry_at=None,
)
VERSION = ServedVersion(
    project="default",
    model="digits",
    number=2,
    digest="d" * 64,
    signature=Signature(inputs=(TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 2)),), outputs=()),
    is_pure=False,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_sqlite = request.param == "sqlite"
    database = Database(f"sqlite:///{tmp_path}/a.db" if is_sqlite else request.getfixturevalue("postgres_url")())
    database.upgrade("common", "registry", "operations")
    yield database
    database.close()


def test_endpoints_and_rollouts_come_back_as_they_were_put(any_database: Database):
    repository = EndpointRepository()
    rollout = Rollout(
        id="rollout-1", endpoint="digits", status=RolloutStatus.RUNNING, reason="", from_variants=(),
        to_variants=VARIANTS, started_at=CLOCK.now(),
    )  # fmt: skip
    with any_database.transaction() as connection:
        repository.insert(connection, ENDPOINT)
        repository.insert_rollout(connection, "default", rollout)
        assert repository.all(connection) == [ENDPOINT]
        assert repository.running_rollouts(connection) == {("default", "digits"): rollout}
        assert repository.set_status(connection, ENDPOINT, EndpointStatus.READY, "all is well")
        assert not repository.set_status(connection, replace(ENDPOINT, version=0), EndpointStatus.FAILED, "late")
        repository.update_rollout(connection, replace(rollout, status=RolloutStatus.COMPLETED, ended_at=CLOCK.now()))
    with any_database.read() as connection:
        found = repository.get(connection, "default", "digits")
        assert found == replace(ENDPOINT, status=EndpointStatus.READY, reason="all is well")
        assert repository.list(connection, "default", PageQuery()) == [found]
        assert repository.running_rollouts(connection) == {}
        assert repository.last_rollout(connection, "default", "digits").status is RolloutStatus.COMPLETED
    with any_database.transaction() as connection:
        repository.delete(connection, "default", "digits")
        assert repository.last_rollout(connection, "default", "digits") is None


def test_replicas_and_served_versions_come_back_as_they_were_put(any_database: Database):
    version = VERSION
    replicas, endpoints = ReplicaRepository(), EndpointRepository()
    changed = {"status": ReplicaStatus.READY, "pid": 7, "sandbox": SandboxLevel.LANDLOCK, "ready_at": CLOCK.now()}
    with any_database.transaction() as connection:
        replicas.insert(connection, REPLICA)
        assert replicas.all(connection) == [REPLICA]
        replicas.update(connection, REPLICA.id, **changed)
        assert replicas.of_endpoint(connection, "default", "digits") == [replace(REPLICA, **changed)]
        replicas.delete(connection, REPLICA.id)
        assert replicas.all(connection) == []
        endpoints.put_version(connection, version)
        endpoints.put_version(connection, version)
        assert endpoints.versions(connection) == {("default", "digits", 2): version}


def test_scaling_and_measurements_come_back_as_they_were_put(any_database: Database):
    repository, version = EndpointRepository(), replace(VERSION, number=3)
    scaling = Scaling(minimum_replicas=0, maximum_replicas=4, p99_ms=20.0)
    scaled = replace(ENDPOINT, scaling=scaling)
    point = ServicePoint(rows=1.5, batches=7, mean_seconds=0.25, quantiles_seconds=(0.125, 0.5))
    old, new = (
        Measurement(curve=(point,) * n, cpu_seconds_per_row=0.5, memory_bytes=1 << 40, measured_at=CLOCK.now())
        for n in (1, 2)
    )
    with any_database.transaction() as connection:
        repository.insert(connection, scaled)
        assert repository.get(connection, "default", "digits") == scaled
        more = (replace(VARIANTS[0], replicas=3),)
        assert not repository.set_variants(connection, replace(scaled, version=2), more)
        assert repository.set_variants(connection, scaled, more)
        assert repository.get(connection, "default", "digits") == replace(scaled, variants=more)
        assert repository.measurement(connection, version, Resources()) is None
        for measurement in (old, new):
            repository.put_measurement(connection, version, Resources(cpus=1.5), measurement)
        assert repository.measurement(connection, version, Resources(cpus=2)) == new
        assert repository.measurement(connection, version, Resources(cpus=1)) is None
        assert repository.measurement(connection, replace(version, number=4), Resources(cpus=2)) is None


def test_events_keep_their_order_over_pages(any_database: Database):
    events = EventService(any_database, EventRepository(), CLOCK)
    for number in range(5):
        events.append("default", f"endpoint/e{number % 2}", "thing", f"event {number}", {"number": str(number)})
    first = events.list("default", None, PageQuery(limit=3), is_oldest_first=True)
    rest = events.list("default", None, PageQuery.decode(3, first.next_cursor), is_oldest_first=True)
    assert [event.details["number"] for event in first.items + rest.items] == list("01234")
    newest = events.list("default", "endpoint/e0", PageQuery())
    assert [event.message for event in newest.items] == ["event 4", "event 2", "event 0"]


def test_tokens_and_audit_work_on_both(any_database: Database):
    clock = FakeClock()
    access = AccessService(any_database, TokenRepository(), clock)
    token, secret = access.create("ci", Role.OPERATOR, "default", clock.now() + timedelta(hours=1))
    assert access.authenticate(secret).role is Role.OPERATOR
    assert [route.id for route in access.route_tokens()] == [token.id]
    assert not access.is_empty("default")
    clock.sleep(3600)
    assert access.route_tokens() == []
    assert access.revoke(token.id, "default").revoked_at == clock.now()
    audit = AuditService(any_database, AuditRepository())
    entry = AuditEntry(
        id="audit-1", at=clock.now(), principal_id="t", principal_name="ci", project="default", method="POST",
        path="/x", status=201,
    )  # fmt: skip
    audit.record(entry)
    assert audit.list("default", PageQuery()).items == [entry]
    assert audit.list("other", PageQuery()).items == []
