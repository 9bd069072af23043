"""All SQL of endpoints, their rollouts and replicas, and the versions that they serve."""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord, ServedVersion, Slot
from modelyard.control.endpoints.tables import (
    endpoint_activity,
    endpoints,
    measurements,
    replicas,
    rollouts,
    served_versions,
)
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.endpoints import EndpointStatus, ReplicaStatus, Rollout, RolloutStatus, Variant
from modelyard.types.planning import Measurement
from modelyard.types.processes import Resources, SandboxLevel

_SLOT = ("variant", "model", "number", "resources", "ordinal", "is_isolated")


class EndpointRepository:
    """Rows of `endpoints`, `rollouts` and `served_versions`."""

    def get(self, connection: Connection, project: str, name: str) -> EndpointRecord | None:
        """An endpoint, if there is one of this name."""
        row = connection.execute(select(endpoints).where(_is(project, name))).one_or_none()
        return None if row is None else _endpoint(row)

    def insert(self, connection: Connection, record: EndpointRecord) -> None:
        """Add an endpoint; its name must be free."""
        connection.execute(insert(endpoints).values(_values(record)))

    def update(self, connection: Connection, project: str, name: str, **values: Any) -> None:
        """Set columns of an endpoint; no effect if it is gone."""
        connection.execute(update(endpoints).where(_is(project, name)).values(**values))

    def set_status(self, connection: Connection, record: EndpointRecord, status: EndpointStatus, reason: str) -> bool:
        """Note what was announced, unless the wish has changed since `record` was read; True if it was noted."""
        is_same = and_(_is(record.project, record.name), endpoints.c.version == record.version)
        changed = connection.execute(update(endpoints).where(is_same).values(status=status, reason=reason))
        return changed.rowcount == 1

    def set_variants(self, connection: Connection, record: EndpointRecord, variants: tuple[Variant, ...]) -> bool:
        """Replace the variants, unless the wish has changed since `record` was read; True if they were."""
        is_same = and_(_is(record.project, record.name), endpoints.c.version == record.version)
        return connection.execute(update(endpoints).where(is_same).values(variants=variants)).rowcount == 1

    def set_resting(self, connection: Connection, record: EndpointRecord, wanted: EndpointRecord) -> bool:
        """Let it rest or wake, unless the wish has changed since `record` was read; True if it does."""
        is_same = and_(_is(record.project, record.name), endpoints.c.version == record.version)
        changed = update(endpoints).where(is_same).values(variants=wanted.variants, resting=wanted.resting)
        return connection.execute(changed).rowcount == 1

    def activity(self, connection: Connection) -> dict[tuple[str, str], datetime]:
        """(project, endpoint) -> when it was asked last."""
        rows = connection.execute(select(endpoint_activity))
        return {(row.project, row.endpoint): row.last_request_at for row in rows}

    def note_activity(self, connection: Connection, project: str, name: str, at: datetime) -> None:
        """It was asked at that moment, if not later."""
        table = endpoint_activity.c
        key = and_(table.project == project, table.endpoint == name)
        if connection.execute(select(endpoint_activity).where(key)).first() is None:
            values = {"project": project, "endpoint": name, "last_request_at": at}
            connection.execute(insert(endpoint_activity).values(values))
        else:
            is_later = and_(key, table.last_request_at < at)
            connection.execute(update(endpoint_activity).where(is_later).values(last_request_at=at))

    def delete(self, connection: Connection, project: str, name: str) -> None:
        """Remove an endpoint and its rollouts."""
        asked = and_(endpoint_activity.c.project == project, endpoint_activity.c.endpoint == name)
        connection.execute(delete(endpoint_activity).where(asked))
        connection.execute(delete(rollouts).where(rollouts.c.project == project, rollouts.c.endpoint == name))
        connection.execute(delete(endpoints).where(_is(project, name)))

    def count(self, connection: Connection, project: str) -> int:
        """Endpoints of a project."""
        statement = select(func.count()).where(endpoints.c.project == project)
        return int(connection.execute(statement).scalar_one())

    def all(self, connection: Connection) -> list[EndpointRecord]:
        """Every endpoint of every project."""
        statement = select(endpoints).order_by(endpoints.c.project, endpoints.c.name)
        return [_endpoint(row) for row in connection.execute(statement)]

    def running_rollouts(self, connection: Connection) -> Mapping[tuple[str, str], Rollout]:
        """(project, endpoint) -> its rollout that is under way."""
        found = connection.execute(select(rollouts).where(rollouts.c.status == RolloutStatus.RUNNING))
        return {(row.project, row.endpoint): _rollout(row) for row in found}

    def last_rollout(self, connection: Connection, project: str, name: str) -> Rollout | None:
        """The newest rollout of an endpoint, under way or not."""
        found = self.list_rollouts(connection, project, name, PageQuery(limit=1))
        return found[0] if found else None

    def completed_rollouts(self, connection: Connection, project: str, name: str) -> list[Rollout]:
        """The rollouts of an endpoint that came to their end, newest first."""
        where = (rollouts.c.project == project, rollouts.c.endpoint == name)
        is_completed = rollouts.c.status == RolloutStatus.COMPLETED
        statement = select(rollouts).where(*where, is_completed).order_by(rollouts.c.id.desc())
        return [_rollout(row) for row in connection.execute(statement)]

    def insert_rollout(self, connection: Connection, project: str, rollout: Rollout) -> None:
        """Add a rollout."""
        connection.execute(insert(rollouts).values(_values(rollout) | {"project": project}))

    def update_rollout(self, connection: Connection, rollout: Rollout) -> None:
        """Replace what may change about a rollout."""
        changeable = ("status", "reason", "stage", "stage_since", "is_approved", "ended_at")
        changed = {name: getattr(rollout, name) for name in changeable}
        connection.execute(update(rollouts).where(rollouts.c.id == rollout.id).values(changed))

    def set_rollout_target(self, connection: Connection, rollout_id: str, variants: tuple[Variant, ...]) -> None:
        """Change what a rollout leads to (its replicas were scaled)."""
        connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(to_variants=variants))

    def put_version(self, connection: Connection, version: ServedVersion) -> None:
        """Keep what serving a version needs; versions never change, so the first row stays."""
        if self.version(connection, version.project, version.model, version.number) is None:
            connection.execute(insert(served_versions).values(_values(version)))

    def version(self, connection: Connection, project: str, model: str, number: int) -> ServedVersion | None:
        """What serving this version needs."""
        where = (
            served_versions.c.project == project,
            served_versions.c.model == model,
            served_versions.c.number == number,
        )
        row = connection.execute(select(served_versions).where(*where)).mappings().one_or_none()
        return None if row is None else ServedVersion(**row)

    def versions(self, connection: Connection) -> Mapping[tuple[str, str, int], ServedVersion]:
        """(project, model, number) -> what serving it needs."""
        found = [ServedVersion(**row) for row in connection.execute(select(served_versions)).mappings()]
        return {(version.project, version.model, version.number): version for version in found}

    def measurement(self, connection: Connection, version: ServedVersion, resources: Resources) -> Measurement | None:
        """What the version was measured to cost with so many processors."""
        where = _is_measured(version, resources)
        return connection.execute(select(measurements.c.measurement).where(where)).scalar_one_or_none()

    def put_measurement(
        self, connection: Connection, version: ServedVersion, resources: Resources, measurement: Measurement
    ) -> None:
        """Keep the newest measurement."""
        connection.execute(delete(measurements).where(_is_measured(version, resources)))
        key = {"project": version.project, "model": version.model, "number": version.number}
        connection.execute(insert(measurements).values(key | {"cpus": _cpus(resources), "measurement": measurement}))

    def list_rollouts(self, connection: Connection, project: str, name: str, page: PageQuery) -> list[Rollout]:
        """Rollouts of an endpoint, newest first."""
        statement = select(rollouts).where(rollouts.c.project == project, rollouts.c.endpoint == name)
        statement = keyset(statement, [rollouts.c.id], page.after, page.limit, descending=True)
        return [_rollout(row) for row in connection.execute(statement)]

    def list(self, connection: Connection, project: str, page: PageQuery) -> list[EndpointRecord]:
        """Endpoints of a project by name."""
        statement = select(endpoints).where(endpoints.c.project == project)
        statement = keyset(statement, [endpoints.c.name], page.after, page.limit)
        return [_endpoint(row) for row in connection.execute(statement)]


class ReplicaRepository:
    """Rows of `replicas` as ReplicaRecord; the slot is spread over columns."""

    def insert(self, connection: Connection, record: ReplicaRecord) -> None:
        """Add an attempt."""
        values = {name: getattr(record, name) for name in record.__dataclass_fields__ if name != "slot"}
        slot = {name: getattr(record.slot, name) for name in _SLOT}
        connection.execute(insert(replicas).values(values | slot))

    def update(self, connection: Connection, replica_id: str, **values: Any) -> None:
        """Set columns; no effect if the row is gone."""
        connection.execute(update(replicas).where(replicas.c.id == replica_id).values(**values))

    def delete(self, connection: Connection, replica_id: str) -> None:
        """Forget an attempt."""
        connection.execute(delete(replicas).where(replicas.c.id == replica_id))

    def all(self, connection: Connection) -> list[ReplicaRecord]:
        """Every attempt, oldest first."""
        return [_record(row) for row in connection.execute(select(replicas).order_by(replicas.c.id))]

    def hosted(self, connection: Connection) -> list[ReplicaRecord]:
        """Those that a model host serves, or did."""
        where = replicas.c.host.is_not(None)
        return [_record(row) for row in connection.execute(select(replicas).where(where).order_by(replicas.c.id))]

    def of_endpoint(self, connection: Connection, project: str, endpoint: str) -> list[ReplicaRecord]:
        """The attempts of one endpoint, oldest first."""
        where = (replicas.c.project == project, replicas.c.endpoint == endpoint)
        return [_record(row) for row in connection.execute(select(replicas).where(*where).order_by(replicas.c.id))]


def _is(project: str, name: str) -> ColumnElement[bool]:
    return and_(endpoints.c.project == project, endpoints.c.name == name)


def _is_measured(version: ServedVersion, resources: Resources) -> ColumnElement[bool]:
    return and_(
        measurements.c.project == version.project,
        measurements.c.model == version.model,
        measurements.c.number == version.number,
        measurements.c.cpus == _cpus(resources),
    )


def _cpus(resources: Resources) -> int:
    """The number of threads that a worker gets."""
    return max(1, ceil(resources.cpus or 1))


def _values(record: EndpointRecord | Rollout | ServedVersion) -> dict[str, Any]:
    """The fields as they are: `asdict` would turn the variants inside into dictionaries."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _endpoint(row: Row[Any]) -> EndpointRecord:
    values = row._asdict()
    return EndpointRecord(**values | {"status": EndpointStatus(values["status"])})


def _rollout(row: Row[Any]) -> Rollout:
    values = {name: value for name, value in row._asdict().items() if name != "project"}
    return Rollout(**values | {"status": RolloutStatus(values["status"])})


def _record(row: Row[Any]) -> ReplicaRecord:
    values = row._asdict()
    slot = Slot(**{name: values.pop(name) for name in _SLOT})
    sandbox = values.pop("sandbox")
    return ReplicaRecord(
        **values | {"status": ReplicaStatus(values["status"])},
        slot=slot,
        sandbox=None if sandbox is None else SandboxLevel(sandbox),
    )
