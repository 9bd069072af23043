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
            self._client.feedback(self._endpoint, {answer.inference_id: table.labels})
        return sum(map(str.__eq__, map(str, answer.labels), table.labels)) / len(table.labels)


class ConstantLoad:
    """Requests of a few rows at a fixed pace, whatever else happens."""

    def __init__(self, traffic: Traffic, draw: Callable[[], Table], per_second: float) -> None:
        self._traffic = traffic
        self._draw = draw
        self._pause = 1 / per_second
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        next_at = time.monotonic()
        while not self._is_over.is_set():
            self._traffic.send(self._draw(), with_truth=False)
            next_at = max(next_at + self._pause, time.monotonic() - 1)
            self._is_over.wait(max(0.0, next_at - time.monotonic()))
