"""Lets endpoints rest that nobody has asked for long, by the policy of their project or of the platform.

A resting endpoint has no replicas and remembers how many it had. The first request brings them back, as at an endpoint
that scales to zero by itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from modelyard.control.endpoints.records import EndpointRecord
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.scaling.activity import Activity
from modelyard.control.events.service import EventService
from modelyard.errors import UnavailableError
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.planning import VariantDemand

_POLICY_SECONDS = 30.0


class IdlePolicy:
    """After how long endpoints rest. Safe from any thread.

    While the registry is away what it said last holds; a project that it has said nothing of is left alone.

    Args:
        ask: project -> hours, 0 for never, None if the project says nothing.
        default_hours: of such projects; 0: never.
    """

    def __init__(self, ask: Callable[[str], float | None], default_hours: float, clock: Clock) -> None:
        self._ask = ask
        self._default_hours = default_hours
        self._clock = clock
        self._known: dict[str, tuple[float, float | None]] = {}

    def hours(self, project: str) -> float:
        """Hours without a request; infinite for never."""
        now, known = self._clock.monotonic(), self._known.get(project)
        if known is None or now - known[0] >= _POLICY_SECONDS:
            try:
                known = self._known[project] = (now, self._ask(project))
            except UnavailableError:
                known = known or (now, 0.0)
        said = self._default_hours if known[1] is None else known[1]
        return said or float("inf")


class Rest:
    """Puts endpoints to rest and wakes them: one look a round. For one thread."""

    def __init__(
        self,
        *,
        database: Database,
        repository: EndpointRepository,
        activity: Activity,
        policy: IdlePolicy,
        events: EventService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._activity = activity
        self._policy = policy
        self._events = events
        self._clock = clock

    def settle(self, record: EndpointRecord, demand: Iterable[VariantDemand]) -> EndpointRecord:
        """The endpoint as it should be now; `demand` is what its variants are asked for."""
        seen = list(demand)
        if record.resting is None:
            return self._put_to_rest(record, seen)
        if any(variant.replicas for variant in record.variants):
            is_back = any(each.ready_replicas for each in seen)
            return self._change(record, replace(record, resting=None)) if is_back else record
        if any(each.waiting for each in seen):
            woken = replace(record.awake(), resting=record.resting)
            return self._change(record, woken, "endpoint_woken", "a request came while it rested")
        return record

    def _put_to_rest(self, record: EndpointRecord, seen: list[VariantDemand]) -> EndpointRecord:
        if record.stays_warm or not any(variant.replicas for variant in record.variants):
            return record
        last = self._activity.last_request_at(record.project, record.name)
        since = max(record.updated_at, last) if last is not None else record.updated_at
        hours = (self._clock.now() - since).total_seconds() / 3600
        if hours < self._policy.hours(record.project) or any(each.waiting for each in seen):
            return record
        counts = {variant.name: variant.replicas for variant in record.variants}
        variants = tuple(replace(variant, replicas=0) for variant in record.variants)
        resting = replace(record, variants=variants, resting=counts)
        return self._change(record, resting, "endpoint_rested", f"no request came for {hours:.3g} hours")

    def _change(self, record: EndpointRecord, wanted: EndpointRecord, kind: str = "", why: str = "") -> EndpointRecord:
        with self._database.transaction() as connection:
            if not self._repository.set_resting(connection, record, wanted):
                return record  # somebody has changed the wish meanwhile: the next round looks at that
            if kind:
                words = "gets its replicas back" if kind == "endpoint_woken" else "ends its replicas"
                message = f"Endpoint '{record.name}' {words}: {why}"
                self._events.append(record.project, record.subject, kind, message, connection=connection)
        return wanted
