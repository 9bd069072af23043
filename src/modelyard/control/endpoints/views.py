"""Endpoints as the API shows them: wishes joined with what is true of their processes at this moment."""

from collections.abc import Callable
from dataclasses import replace

from modelyard.control.endpoints.reconciliation.processes import ReplicaProcesses
from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord
from modelyard.control.endpoints.repository import EndpointRepository, ReplicaRepository
from modelyard.control.endpoints.rollouts.stages import StageInspector
from modelyard.control.endpoints.status import status_of
from modelyard.storage.database import Connection
from modelyard.types.endpoints import CaptureRules, Endpoint, Replica, ReplicaStatus


class EndpointViews:
    """Makes Endpoint out of records. A replica is shown as alive only if its process is alive now.

    Args:
        endpoints: SQL of endpoints.
        replicas: SQL of replicas.
        processes: knows what is true of them.
        inspector: knows how a rollout's stage stands.
        keeps: whether the replicas are this process's; else their records are the word of the one whose they are.
    """

    def __init__(
        self,
        endpoints: EndpointRepository,
        replicas: ReplicaRepository,
        processes: ReplicaProcesses,
        inspector: StageInspector,
        keeps: Callable[[], bool] = lambda: True,
    ) -> None:
        self._keeps = keeps
        self._endpoints = endpoints
        self._inspector = inspector
        self._replicas = replicas
        self._processes = processes

    def view(self, connection: Connection, record: EndpointRecord) -> Endpoint:
        """The endpoint as it is now."""
        rollout = self._endpoints.last_rollout(connection, record.project, record.name)
        replicas = [
            self._proven(replica) for replica in self._replicas.of_endpoint(connection, record.project, record.name)
        ]
        status, reason = status_of(record, rollout, replicas)
        if rollout is not None and rollout.current_stage is not None:
            reason += f"; {self._inspector.look(record, rollout).missing or 'it goes on'}"
        return Endpoint(
            project=record.project,
            name=record.name,
            status=status,
            reason=reason,
            variants=record.variants,
            replicas=tuple(_shown(replica) for replica in replicas),
            rollout=rollout,
            capture_share=record.capture_share,
            capture=record.capture or CaptureRules(),
            scaling=record.scaling,
            stays_warm=record.stays_warm,
            url=f"/v2/models/{record.name}",
            created_at=record.created_at,
            updated_at=record.updated_at,
            version=record.version,
        )

    def _proven(self, replica: ReplicaRecord) -> ReplicaRecord:
        if replica.status is ReplicaStatus.ENDED or replica.pid is None or not self._keeps():
            return replica
        state = self._processes.state(replica)
        if state is not None and state.is_alive:
            return replica
        is_drained = replica.status is ReplicaStatus.DRAINING
        reason = "it was drained" if is_drained else "its process has ended; another one follows"
        return replace(replica, status=ReplicaStatus.ENDED, reason=reason)


def _shown(replica: ReplicaRecord) -> Replica:
    is_alive = replica.status is not ReplicaStatus.ENDED
    return Replica(
        id=replica.id,
        variant=replica.slot.variant,
        status=replica.status,
        process=replica.host or replica.id,
        pid=replica.pid if is_alive else None,
        sandbox=replica.sandbox,
        reason=replica.reason,
        started_at=replica.started_at,
    )
