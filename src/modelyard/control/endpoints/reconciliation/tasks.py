"""Slow steps (downloads, golden requests) in threads, so that one slow endpoint does not hold up the others."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from modelyard.kit.clock import Clock

_MOST_AT_ONCE = 8


class Tasks:
    """At most one task for each key. Used from one thread.

    The threads are daemons: a process that ends does not wait for them, because every task may be cut off at any line.

    Args:
        clock: for the pause after a task.
        on_done: called in the task's thread when one has finished.
    """

    def __init__(self, clock: Clock, on_done: Callable[[], object] = lambda: None) -> None:
        self._clock = clock
        self._on_done = on_done
        self._begun: dict[Hashable, Future[Any]] = {}
        self._paused_until: dict[Hashable, float] = {}

    def start(self, key: Hashable, function: Callable[[], Any]) -> None:
        """Run `function`, unless a task of this key is under way, not yet taken or paused, or too many run.

        Whoever wants it started asks again in the next round.
        """
        if key in self._begun or self._clock.monotonic() < self._paused_until.get(key, float("-inf")):
            return
        if sum(not future.done() for future in self._begun.values()) >= _MOST_AT_ONCE:
            return
        self._paused_until.pop(key, None)
        self._begun[key] = future = Future[Any]()
        threading.Thread(target=self._run, args=(future, function), name=f"endpoints {key}", daemon=True).start()

    def take(self, key: Hashable) -> "Future[Any] | None":
        """The finished task of this key, once; None while there is none."""
        future = self._begun.get(key)
        if future is None or not future.done():
            return None
        return self._begun.pop(key)

    def drop(self, key: Hashable) -> bool:
        """Forget the finished task of this key, if any; False while one is running."""
        future = self._begun.get(key)
        if future is not None and not future.done():
            return False
        self._begun.pop(key, None)
        self._paused_until.pop(key, None)
        return True

    def pause(self, key: Hashable, seconds: float) -> None:
        """Start no task of this key for a while."""
        self._paused_until[key] = self._clock.monotonic() + seconds

    def _run(self, future: Future[Any], function: Callable[[], Any]) -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - whoever takes the future sees it
            future.set_exception(error)
        self._on_done()
