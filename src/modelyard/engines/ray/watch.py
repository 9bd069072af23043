"""What this process knows of one process of the cluster: it asks the host once, and is told."""

import contextlib
import threading
import time
from types import ModuleType
from typing import Any

import msgspec

from modelyard.engines.ray.records import Running
from modelyard.types.processes import ProcessEnd

_ACCOUNT_SECONDS = 2.0
"""How long the supervisor on a node has for its account after the host is gone. Longer: the node is gone too."""


class Watch:
    """Follows a host. Thread-safe.

    Attributes:
        running: where and since when it runs; None: it does not yet.
        address: host:port of its door; empty: not yet.
        end: how it ended, as the host said; None: not yet.

    Args:
        ray: the connected library.
        host: the actor.
        running: where it runs, if it is known already.
        address: of its door, likewise.
    """

    def __init__(self, ray: ModuleType, host: Any, running: Running | None = None, address: str = "") -> None:
        self.host = host
        self.running = running
        self.address = address
        self.end: ProcessEnd | None = None
        self._ray = ray
        self._lock = threading.Lock()
        self._gone_at: float | None = None
        self._ended = host.ended.remote()
        self._news = {"running": host.running.remote(), "opened": host.opened.remote()}

    def look(self) -> None:
        """Take in what was said meanwhile; asks nobody."""
        with self._lock:
            for name, content in self._said().items():
                if name == "opened":
                    self.address = content
                elif content:
                    self.running = msgspec.json.decode(content, type=Running)
            if self.end is None and self._gone_at is None and self._is_ready(self._ended):
                try:
                    self.end = msgspec.json.decode(self._ray.get(self._ended), type=ProcessEnd)
                except self._ray.exceptions.RayError:
                    self._gone_at = time.monotonic()

    @property
    def is_gone(self) -> bool:
        """The host ended without a word."""
        return self._gone_at is not None

    @property
    def is_out_of_patience(self) -> bool:
        """Whether it has been gone for so long that its node is too."""
        return self._gone_at is not None and time.monotonic() - self._gone_at > _ACCOUNT_SECONDS

    def wait(self, timeout_seconds: float) -> None:
        """Sleep until it has ended or the time is over."""
        if self.is_gone:
            time.sleep(min(timeout_seconds, 0.02))
        else:
            self._ray.wait([self._ended], timeout=max(0.0, timeout_seconds))

    def stop(self, grace_seconds: float, *, is_preemption: bool) -> None:
        """Have the process end; does not wait."""
        self.host.stop.remote(grace_seconds, is_preemption)

    def kill(self) -> None:
        """End the host at once, and with it the process."""
        with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(self.host)

    def _said(self) -> dict[str, Any]:
        said = {}
        for name, reference in list(self._news.items()):
            if self._is_ready(reference):
                del self._news[name]
                with contextlib.suppress(self._ray.exceptions.RayError):  # `ended` says the same
                    said[name] = self._ray.get(reference)
        return said

    def _is_ready(self, reference: Any) -> bool:
        return bool(self._ray.wait([reference], timeout=0)[0])
