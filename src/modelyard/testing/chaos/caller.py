"""REST calls that are repeated while the platform is away: what a careful client does."""

import json
import time
import uuid
from typing import Any

import httpx

from modelyard.settings import Home
from modelyard.testing.chaos.ledger import Ledger

PATIENCE_SECONDS = 120.0
_AWAY = (429, 502, 503, 504)
_NOT_YET = 0.1
PROJECT = "projects/default"


class GaveUpError(Exception):
    """The platform did not answer for too long."""


class StoppedError(Exception):
    """The run is over."""


class Caller:
    """One thread's client. Creations carry an Idempotency-Key, so that repeating them makes nothing twice."""

    def __init__(self, home: Home, ledger: Ledger) -> None:
        self._home = home
        self._ledger = ledger
        self._client = httpx.Client(timeout=30.0)
        self.is_stopping = False

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """JSON of a GET."""
        return self.call("GET", path, params=parameters).json()

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """JSON of an idempotent POST."""
        return self.call("POST", path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())}).json()

    def items(self, path: str, **parameters: Any) -> list[Any]:
        """All items of a list, page by page."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=200, **parameters, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def call(self, method: str, path: str, *, expect: tuple[int, ...] = (), **options: Any) -> httpx.Response:
        """Send until the platform answers; `expect` lists refusals that are no fault.

        Raises:
            GaveUpError: it did not answer for PATIENCE_SECONDS.
            StoppedError: the run is over.
            httpx.HTTPStatusError: it refused.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        last = "no answer"
        while time.monotonic() < deadline:
            if self.is_stopping:
                raise StoppedError
            try:
                answer = self.send(method, path, **options)
            except (httpx.TransportError, OSError, ValueError) as error:
                last = repr(error)
            else:
                if answer.status_code not in _AWAY:
                    return self._judged(method, path, answer, expect)
                last = answer.text[:300]
            time.sleep(_NOT_YET)
        raise GaveUpError(f"{method} {path} had no answer for {PATIENCE_SECONDS:g} s: {last}")

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Once, to where the gateway is now.

        Raises:
            OSError: the gateway has no address now.
            httpx.TransportError: no answer.
        """
        url = json.loads((self._home.run / "gateway.json").read_bytes())["url"]
        headers = {"Authorization": f"Bearer {self._home.token.read_text().strip()}", **options.pop("headers", {})}
        return self._client.request(method, f"{url}{path}", headers=headers, **options)

    def _judged(self, method: str, path: str, answer: httpx.Response, expect: tuple[int, ...]) -> httpx.Response:
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            self._ledger.fault(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        if answer.status_code not in expect:
            answer.raise_for_status()
        return answer
