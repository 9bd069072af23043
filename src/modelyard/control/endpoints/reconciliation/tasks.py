"""Slow steps (downloads, golden requests) in threads, so that one slow endpoint does not hold up the others."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from modelyard.kit.clock import Clock

_THREADS = 8


class Tasks:
    """At most one task for each key. Used from one thread; nothing here outlives the process or needs to.

    Args:
        clock: for the pause after a task.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="endpoints")
        self._running: dict[Hashable, Future[Any]] = {}
        self._paused_until: dict[Hashable, float] = {}

    def start(self, key: Hashable, function: Callable[[], Any]) -> None:
        """Run `function`, unless a task of this key is under way, not yet taken, or paused."""
        if key in self._running or self._clock.monotonic() < self._paused_until.get(key, float("-inf")):
            return
        self._paused_until.pop(key, None)
        self._running[key] = self._executor.submit(function)

    def take(self, key: Hashable) -> "Future[Any] | None":
        """The finished task of this key, once; None while there is none."""
        future = self._running.get(key)
        if future is None or not future.done():
            return None
        return self._running.pop(key)

    def pause(self, key: Hashable, seconds: float) -> None:
        """Start no task of this key for a while."""
        self._paused_until[key] = self._clock.monotonic() + seconds

    def close(self) -> None:
        """Start nothing more, wait for nothing: every task can be cut off at any line."""
        self._executor.shutdown(wait=False, cancel_futures=True)
