"""The Operations application in another process, over its REST API."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec

from modelyard.control.clients.deploying import MAIN, MOST_EVENTS, is_served
from modelyard.control.clients.http import HttpApplication
from modelyard.control.rest.pages import PageQuery
from modelyard.errors import NotFoundError
from modelyard.types.endpoints import Endpoint, Event


class _Events(msgspec.Struct):
    items: list[Event]


class HttpOperationsClient:
    """OperationsClient over HTTP.

    Args:
        url: where the application is, e.g. "http://10.0.0.1:8470".
        token: of an operator or more, of no project.
    """

    def __init__(self, url: str, token: str) -> None:
        self._operations = HttpApplication(f"{url.rstrip('/')}/operations/v1", token)

    def close(self) -> None:
        """Close the connections."""
        self._operations.close()

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
        variants = [{"name": MAIN, "model": ref, "replicas": replicas}]
        try:
            present = self.endpoint(project, endpoint)
        except NotFoundError:
            body: dict[str, object] = {"name": endpoint, "variants": variants}
            headers = {"Idempotency-Key": idempotency_key}
            return self._operations.call("POST", _path(project, "endpoints"), Endpoint, body=body, headers=headers)
        if is_served(present, ref):
            return present
        change = {"variants": variants, "rollout": rollout}
        return self._operations.call("PATCH", _path(project, "endpoints", endpoint), Endpoint, body=change)

    def endpoint(self, project: str, name: str) -> Endpoint:
        """See OperationsClient."""
        return self._operations.call("GET", _path(project, "endpoints", name), Endpoint)

    def newest_event(self, project: str) -> int:
        """See OperationsClient."""
        newest = self._list(project, {"limit": "1"})
        return _sequence(newest[0]) if newest else 0

    def events(self, project: str, after: int) -> Sequence[tuple[int, Event]]:
        """See OperationsClient."""
        query = {"oldest_first": "true", "limit": str(MOST_EVENTS), "cursor": PageQuery.encode((after,))}
        return [(_sequence(event), event) for event in self._list(project, query)]

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
        body = {"subject": subject, "kind": kind, "message": message, "details": dict(details)}
        headers = {"Idempotency-Key": idempotency_key}
        self._operations.post(_path(project, "events"), body=body, headers=headers)

    def _list(self, project: str, query: Mapping[str, str]) -> list[Event]:
        return self._operations.call("GET", f"{_path(project, 'events')}?{urlencode(query)}", _Events).items


def _path(project: str, *parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in ("projects", project, *parts))


def _sequence(event: Event) -> int:
    return int(event.id.removeprefix("event-"))
