"""Carries alerts and events out of the outbox: each until it is taken, with growing pauses, at most for about a day.

A process that is killed between sending and noting it sends again: receivers tell repetitions by the message's id.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from modelyard.control.alerts.delivery import NotDeliveredError, Sender
from modelyard.control.alerts.repository import AlertRepository
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.monitoring import AlertDelivery, ChannelKind, DeliveryStatus

_PAUSES_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
_BATCH = 50
_MOST_LANES = 16
_LANE_SECONDS = 20.0
"""A lane that has taken so long ends after the delivery that it is at: where many receivers hang, others get a turn."""
_ROUND_SECONDS = 2.0
_KEPT = timedelta(days=30)
_log = structlog.get_logger(__name__)

_Channel = tuple[str, str]
"""(project, name)."""


class Courier:
    """Sends what is due, each channel's deliveries one after another in a lane of their own.

    A receiver that hangs holds up its own channel and nobody else's. A second process may send the same alert twice,
    never lose it. `run_once` is called from one thread.
    """

    def __init__(
        self, database: Database, repository: AlertRepository, senders: dict[ChannelKind, Sender], clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._senders = senders
        self._clock = clock
        self._busy: set[_Channel] = set()
        self._attempts = 0
        self._lock = threading.Lock()
        self._has_ended = threading.Event()

    def run_once(self) -> int:
        """Attempt every delivery that is due; returns how many attempts ended since the last call.

        Waits for the lanes for about two seconds; those that take longer go on beside the next rounds.
        """
        deadline = time.monotonic() + _ROUND_SECONDS
        begun = self._begin_lanes()
        while begun & self._busy and (left := deadline - time.monotonic()) > 0:
            self._has_ended.wait(left)
            self._has_ended.clear()
            begun |= self._begin_lanes()
        with self._lock:
            ended, self._attempts = self._attempts, 0
        return ended

    def forget(self) -> None:
        """Delete what ended long ago."""
        with self._database.transaction() as connection:
            self._repository.delete_older(connection, self._clock.now() - _KEPT)

    def _begin_lanes(self) -> set[_Channel]:
        """A new lane for each channel that has something due and none yet."""
        with self._lock:
            busy = [*self._busy]
        free = _MOST_LANES - len(busy)
        if not free:
            return set()
        with self._database.read() as connection:
            due = self._repository.due(connection, self._clock.now(), _BATCH, without=busy)
        waiting: dict[_Channel, list[AlertDelivery]] = {}
        for delivery in due:
            waiting.setdefault((delivery.project, delivery.channel), []).append(delivery)
        begun = dict([*waiting.items()][:free])
        with self._lock:
            self._busy |= begun.keys()
        for lane in begun.items():
            threading.Thread(target=self._work, args=lane, name=f"alerts.{lane[0][1]}", daemon=True).start()
        return {*begun}

    def _work(self, channel: _Channel, deliveries: Sequence[AlertDelivery]) -> None:
        until = time.monotonic() + _LANE_SECONDS
        try:
            for delivery in deliveries:
                done = self._attempt(delivery)
                with self._database.transaction() as connection:
                    self._repository.update(connection, done)
                with self._lock:
                    self._attempts += 1
                if time.monotonic() >= until:
                    break
        except Exception:  # noqa: BLE001 - a later round looks at it again
            _log.exception("the outbox cannot be read or written", channel=channel[1])
            time.sleep(_ROUND_SECONDS)
        with self._lock:
            self._busy.discard(channel)
        self._has_ended.set()

    def _attempt(self, delivery: AlertDelivery) -> AlertDelivery:
        with self._database.read() as connection:
            channel = self._repository.channel(connection, delivery.project, delivery.channel)
        now, attempts = self._clock.now(), delivery.attempts + 1
        ended = replace(delivery, attempts=attempts, next_attempt_at=None, ended_at=now)
        if channel is None:
            return replace(ended, status=DeliveryStatus.GIVEN_UP, error="the channel was deleted")
        try:
            self._senders[channel.kind].send(channel, delivery)
        except NotDeliveredError as error:
            _log.warning("alert not delivered", channel=channel.name, attempt=attempts, reason=str(error))
            if error.is_final or attempts > len(_PAUSES_SECONDS):
                return replace(ended, status=DeliveryStatus.GIVEN_UP, error=str(error))
            pause = timedelta(seconds=_PAUSES_SECONDS[attempts - 1])
            return replace(delivery, attempts=attempts, error=str(error), next_attempt_at=now + pause)
        return replace(ended, status=DeliveryStatus.DELIVERED, error="")
