"""Which endpoints nobody asks, and what they cost meanwhile."""

from datetime import UTC, datetime, time, timedelta

from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.metering.service import CostService
from modelyard.control.rest.pages import PageQuery
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.compute.costs import Cost, CostGroup, Prices
from modelyard.types.compute.idleness import IdleEndpoint
from modelyard.types.endpoints import Endpoint, EndpointStatus

_PAGE = 200


class IdleReport:
    """Safe from any thread."""

    def __init__(
        self,
        database: Database,
        repository: EndpointRepository,
        endpoints: EndpointService,
        costs: CostService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._endpoints = endpoints
        self._costs = costs
        self._clock = clock

    def idle(self, project: str, hours: float) -> list[IdleEndpoint]:
        """Endpoints without a request for so many hours, the dearest first; stopped ones are not in it."""
        now = self._clock.now()
        yesterday = datetime.combine(now.astimezone(UTC).date() - timedelta(days=1), time(), UTC)
        costs = {each.name: each for each in self._costs.costs(project, CostGroup.ENDPOINT, yesterday.date(), None)}
        with self._database.read() as connection:
            asked = self._repository.activity(connection)
        found = [
            self._describe(each, asked.get((project, each.name)), costs.get(each.name), yesterday)
            for each in self._all(project)
            if each.status not in (EndpointStatus.STOPPED, EndpointStatus.DELETING)
        ]
        idle = [each for each in found if each.idle_hours >= hours]
        return sorted(idle, key=lambda each: (-each.cost_per_day, each.name))

    def _describe(self, endpoint: Endpoint, last: datetime | None, cost: Cost | None, since: datetime) -> IdleEndpoint:
        now = self._clock.now()
        known_hours = max(1 / 3600, (now - max(since, endpoint.created_at)).total_seconds() / 3600)
        idle_since = max(endpoint.updated_at, last) if last is not None else endpoint.updated_at
        return IdleEndpoint(
            project=endpoint.project,
            name=endpoint.name,
            status=endpoint.status,
            replicas=sum(replica.pid is not None for replica in endpoint.replicas),
            last_request_at=last,
            idle_hours=(now - idle_since).total_seconds() / 3600,
            cost_per_day=cost.cost / known_hours * 24 if cost is not None else 0.0,
            currency=cost.currency if cost is not None else Prices().currency,
            stays_warm=endpoint.stays_warm,
        )

    def _all(self, project: str) -> list[Endpoint]:
        found: list[Endpoint] = []
        while True:
            after = (found[-1].name,) if found else None
            page = self._endpoints.list(project, PageQuery(limit=_PAGE, after=after))
            found += page.items
            if page.next_cursor is None:
                return found
