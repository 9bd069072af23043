"""Things that a control process does again and again: reconcile endpoints, take in captures, run due monitors."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from modelyard.kit.host import give_way

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Something to do again and again.

    Attributes:
        name: for the log.
        interval_seconds: pause between two rounds.
        pause: asked after each round for the pause until the next; None: always `interval_seconds`.
        run: one round; never called twice at once, and safe to be killed in at any line.
        awake: set by whoever wants the next round now.
        is_shared: of the processes that work on one database, one does it at a time.
        stand_by: what the others do instead, as often.
        gives_way: it may wait for a while where the machine is busy with answering.
    """

    name: str
    interval_seconds: float
    run: Callable[[], object]
    pause: Callable[[], float] | None = None
    awake: threading.Event = field(default_factory=threading.Event)
    is_shared: bool = False
    stand_by: Callable[[], object] = lambda: None
    gives_way: bool = False


Observe = Callable[[str, float, bool], None]
"""Told of each round: the duty's name, seconds, and whether it ended well."""


class Duties:
    """Runs each duty in a thread of its own. A duty that raises is logged and tried again, ever more slowly."""

    MAX_PAUSE_SECONDS = 30.0

    def __init__(
        self,
        duties: list[Duty],
        observe: Observe = lambda _name, _seconds, _is_good: None,
        has_shared: Callable[[], bool] = lambda: True,
    ) -> None:
        self._duties = duties
        self._has_shared = has_shared
        self._observe = observe
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._repeat, args=(duty,), name=duty.name, daemon=True) for duty in duties
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, patience_seconds: float = 5.0) -> None:
        """Let the present rounds end; those that take longer are left to die with the process."""
        self._is_stopping = True
        for duty in self._duties:
            duty.awake.set()
        deadline = time.monotonic() + patience_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _repeat(self, duty: Duty) -> None:
        if duty.gives_way:
            give_way()
        pause = duty.interval_seconds
        while not self._is_stopping:
            duty.awake.clear()
            started = time.monotonic()
            is_good = True
            try:
                if self._has_shared() or not duty.is_shared:
                    duty.run()
                    pause = duty.pause() if duty.pause else duty.interval_seconds
                else:
                    duty.stand_by()
                    pause = duty.interval_seconds
            except Exception:  # noqa: BLE001 - a round that fails must not end the duty
                is_good = False
                pause = min(self.MAX_PAUSE_SECONDS, max(1.0, pause * 2))
                _log.exception("duty failed", duty=duty.name, next_try_in_seconds=pause)
            self._observe(duty.name, time.monotonic() - started, is_good)
            duty.awake.wait(pause)
