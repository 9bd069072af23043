"""The application of the loop: constant load without labels, and rows whose truth it sends afterwards."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Self

from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.testing.loop.concepts import Table


class Traffic:
    """Sends rows to an endpoint; counts requests, failures and which versions answered. Safe from any thread."""

    def __init__(self, client: Client, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self.requests = 0
        self.failures: list[str] = []
        self.models: Counter[str] = Counter()

    def send(self, table: Table, *, with_truth: bool) -> float:
        """One request with all rows; the share that was right, NaN if it failed."""
        try:
            answer = self._client.predict(self._endpoint, table.rows())
        except ModelyardError as error:
            with self._lock:
                self.requests += 1
                self.failures.append(error.message)
            return float("nan")
        with self._lock:
            self.requests += 1
            self.models[answer.model] += 1
        if with_truth:
            self._tell(answer.inference_id, table)
        return sum(map(str.__eq__, map(str, answer.labels), table.labels)) / len(table.labels)

    def _tell(self, inference_id: str, table: Table) -> None:
        try:
            self._client.feedback(self._endpoint, {inference_id: table.labels})
        except ModelyardError as error:
            with self._lock:
                self.failures.append(f"feedback: {error.message}")


class ConstantLoad:
    """Requests of a few rows at a fixed pace, whatever else happens, from `begin` or `with` on."""

    def __init__(
        self, traffic: Traffic, draw: Callable[[], Table], per_second: float, *, with_truth: bool = False
    ) -> None:
        self._traffic = traffic
        self._draw = draw
        self._with_truth = with_truth
        self._pause = 1 / per_second
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Start, unless it has."""
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """Send no more."""
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        next_at = time.monotonic()
        while not self._is_over.is_set():
            self._traffic.send(self._draw(), with_truth=self._with_truth)
            next_at = max(next_at + self._pause, time.monotonic() - 1)
            self._is_over.wait(max(0.0, next_at - time.monotonic()))
