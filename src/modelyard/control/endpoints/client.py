"""The Operations API for a caller in the same process (clients.contracts.OperationsClient)."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from modelyard.control.clients.deploying import MAIN, MOST_EVENTS, is_served
from modelyard.control.endpoints.errors import EndpointNotFoundError, VariantsInvalidError
from modelyard.control.endpoints.rollouts.plans import RolloutSpec
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.events.service import EventService
from modelyard.storage.creations import Creation, Creations
from modelyard.types.endpoints import Endpoint, Event, RolloutPlan

CALLER = "jobs"


class InProcessOperationsClient:
    """Calls the services directly; the same answers and errors as the HTTP client."""

    def __init__(self, endpoints: EndpointService, events: EventService, creations: Creations) -> None:
        self._endpoints = endpoints
        self._events = events
        self._creations = creations

    def deploy(
        self,
        project: str,
        endpoint: str,
        ref: str,
        *,
        replicas: int,
        rollout: Mapping[str, object] | None,
        idempotency_key: str,
    ) -> Endpoint:
        """See OperationsClient."""
        variants = [VariantSpec(name=MAIN, model=ref, replicas=replicas)]
        plan = None if rollout is None else _plan(rollout)
        try:
            present = self._endpoints.get(project, endpoint)
        except EndpointNotFoundError:
            creation = _creation(idempotency_key, (project, endpoint, ref, replicas))
            return self._endpoints.create(project, endpoint, variants, None, creation)
        if is_served(present, ref):
            return present
        return self._endpoints.update(
            project, endpoint, variants=variants, weights=None, capture_share=None, expected_version=None, plan=plan
        )

    def endpoint(self, project: str, name: str) -> Endpoint:
        """See OperationsClient."""
        return self._endpoints.get(project, name)

    def newest_event(self, project: str) -> int:
        """See OperationsClient."""
        return self._events.newest_sequence(project)

    def events(self, project: str, after: int) -> Sequence[tuple[int, Event]]:
        """See OperationsClient."""
        found = self._events.after(project, None, after, MOST_EVENTS)
        return [(self._events.sequence(event.id), event) for event in found]

    def announce(
        self,
        project: str,
        subject: str,
        kind: str,
        message: str,
        details: Mapping[str, str],
        *,
        idempotency_key: str,
    ) -> None:
        """See OperationsClient."""
        creation = _creation(idempotency_key, (project, subject, kind, message))
        self._events.announce(project, subject, kind, message, details, creation, self._creations)


def _plan(rollout: Mapping[str, object]) -> RolloutPlan:
    try:
        return RolloutSpec.model_validate(dict(rollout)).to_plan()
    except ValueError as error:
        raise VariantsInvalidError(f"The rollout cannot be taken: {error}", hint="See PATCH .../endpoints.") from None


def _creation(key: str, request: object) -> Creation:
    digest = hashlib.sha256(f"{CALLER}\0{key}".encode()).hexdigest()
    return Creation(digest, hashlib.sha256(msgspec.json.encode(request)).hexdigest())
