"""Tells the registry which versions an endpoint serves: the last link of their lineage."""

import structlog

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.reconciliation.tasks import Tasks
from modelyard.control.endpoints.reconciliation.timing import Timing
from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.status import ready_in, slots_of
from modelyard.errors import NotFoundError
from modelyard.storage.database import Database

_log = structlog.get_logger(__name__)


class Deployments:
    """Keeps what the registry was told equal to what is served, however often one of the two is restarted."""

    def __init__(
        self,
        database: Database,
        repository: EndpointRepository,
        registry: RegistryClient,
        tasks: Tasks,
        timing: Timing,
    ) -> None:
        self._database = database
        self._repository = repository
        self._registry = registry
        self._tasks = tasks
        self._timing = timing

    def settle(self, record: EndpointRecord, replicas: list[ReplicaRecord]) -> bool:
        """Tell the registry, in the background, if it does not know yet; True if it knows."""
        refs = _served(record, replicas)
        if refs == record.deployed:
            return True
        key = ("deployments", record.project, record.name)
        told = self._tasks.take(key)
        if told is not None and told.exception() is not None:
            _log.warning("deployments_not_recorded", endpoint=record.name, reason=str(told.exception()))
            self._tasks.pause(key, self._timing.pause_seconds)
        self._tasks.start(key, lambda: self._tell(record, refs))
        return False

    def _tell(self, record: EndpointRecord, refs: tuple[str, ...]) -> None:
        try:
            self._registry.record_deployments(record.project, record.name, refs)
        except NotFoundError as error:  # the project or a version was removed over there: there is nobody to tell
            _log.info("deployments_have_no_place", endpoint=record.name, reason=error.message)
        with self._database.transaction() as connection:
            self._repository.update(connection, record.project, record.name, deployed=refs)


def _served(record: EndpointRecord, replicas: list[ReplicaRecord]) -> tuple[str, ...]:
    if record.is_stopped or record.is_deleting:
        return ()
    if not ready_in(replicas, slots_of(record.variants)):
        return record.deployed
    return tuple(sorted({f"{variant.model}:{variant.number}" for variant in record.variants}))
