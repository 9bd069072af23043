"""A variant's queue and the replicas that pull from it: batching, retry, deadlines, drain."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from modelyard.dataplane.errors import (
    DeadlineExceededError,
    EndpointNotReadyError,
    InputRefusedError,
    ModelFailedError,
    ReplicaFailedError,
)
from modelyard.dataplane.frames import Failure
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.pools.batching import BatchSizer
from modelyard.dataplane.gateway.pools.demand import DemandMeter
from modelyard.dataplane.gateway.pools.queueing import FairQueue
from modelyard.dataplane.gateway.pools.replica import ReplicaLink
from modelyard.dataplane.gateway.requests import Batch, PendingRequest
from modelyard.dataplane.tensors import WireTensor, split_rows, whole
from modelyard.errors import InternalError, ModelyardError, OverloadedError
from modelyard.types.routing import RouteReplica, RouteVariant

MAX_ATTEMPTS = 2

_logger = logging.getLogger(__name__)


class VariantPool:
    """One queue from which the variant's idle replicas pull.

    A batch is what waits when a replica is idle, so batches grow with load and nothing ever waits for a batch to fill.
    Requests that arrive in one turn of the event loop are sent together at its end. How much of what waits makes one
    batch follows from what batches took (BatchSizer), and idle replicas share it.

    Attributes:
        batches, batched_requests, nan_rows: figures for /metrics.
        demand: what it was asked for and what its batches took, for whoever scales it.

    `reroute` offers requests to the endpoint's other variants while this one has no replica, and returns those that
    none could take.
    """

    def __init__(
        self,
        variant: RouteVariant,
        endpoint: str,
        limits: Limits,
        reroute: Callable[["VariantPool", list[PendingRequest]], list[PendingRequest]],
    ) -> None:
        self.name, self.model, self.number = variant.name, variant.model, variant.number
        self.signature = variant.signature
        self.is_pure = variant.is_pure
        self.endpoint = endpoint
        self.replicas: list[ReplicaLink] = []
        self._reroute = reroute
        self.batches = self.batched_requests = self.nan_rows = 0
        self.demand = DemandMeter()
        self._limits = limits
        self._queue = FairQueue()
        self._sizer = BatchSizer(limits.max_batch_rows)
        self._is_flush_due = False
        self._is_retired = self._is_on_demand = False
        self._down_since: float | None = time.monotonic()
        specs = (*variant.signature.inputs, *variant.signature.outputs)
        self._has_batches = all(spec.shape and spec.shape[0] == -1 for spec in specs)
        self._has_free_sizes = any(-1 in spec.shape[1:] for spec in variant.signature.inputs)
        self._output_names = [spec.name for spec in variant.signature.outputs]
        self._loop = asyncio.get_running_loop()

    @property
    def is_live(self) -> bool:
        """True while a replica takes batches."""
        return self._down_since is None

    @property
    def is_waking(self) -> bool:
        """True while requests are held for a replica that comes back on demand."""
        return self._is_on_demand and self._down_since is not None and bool(self._queue)

    @property
    def is_drained(self) -> bool:
        """True when nothing waits and no replica holds anything."""
        return not self._queue and not any(replica.in_flight for replica in self.replicas)

    @property
    def ready_replicas(self) -> int:
        """Replicas that take batches."""
        return sum(link.is_ready for link in self.replicas)

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def is_same(self, variant: RouteVariant) -> bool:
        """True if `variant` is this one, perhaps with other replicas or another weight."""
        own = (self.name, self.model, self.number, self.is_pure)
        return own == (variant.name, variant.model, variant.number, variant.is_pure) and (
            self.signature == variant.signature
        )

    def submit(self, request: PendingRequest) -> None:
        """Take a request; its caller hears of its end.

        Raises:
            OverloadedError: too many wait already, or so many that its turn would come after its deadline.
            EndpointNotReadyError: no replica, and none came back within the hold time.
        """
        if self._down_since is not None:
            if self._is_down_for_good(time.monotonic()):
                raise self._not_ready()
        elif self._queue.rows * self._sizer.row_floor_seconds > request.deadline - request.arrived_at:
            self._check_deadline(request)  # one replica alone would be too late
        if len(self._queue) >= self._limits.max_queue:
            self._make_room(request)
        self.demand.requests += 1
        self._queue.push(request)
        self._flush_soon()

    def follow(
        self, replicas: Sequence[RouteReplica], *, is_on_demand: bool = False, p99_ms: float | None = None
    ) -> None:
        """Connect to new replicas, retire those that are gone.

        Args:
            replicas: those that take requests now.
            is_on_demand: none may be normal.
            p99_ms: the endpoint's latency objective.
        """
        self._is_on_demand = is_on_demand
        self._sizer.objective_seconds = None if p99_ms is None else p99_ms / 1000
        present = {link.replica for link in self.replicas if not link.is_retired}
        for link in self.replicas:
            if link.replica not in replicas and not link.is_retired:
                link.retire()
        for replica in replicas:
            if replica not in present:
                self.replicas.append(ReplicaLink(replica, self.signature, self))
        self._note_liveness()

    def retire(self, *, is_on_demand: bool = False) -> None:
        """Take nothing new: the variant left the table. Its replicas stay connected until the queue is empty.

        What it holds without a replica goes to the variant that follows, if the endpoint is still there on demand.
        """
        self._is_retired, self._is_on_demand = True, is_on_demand
        self.sweep(time.monotonic())

    def close(self) -> None:
        """Disconnect everything at once."""
        for link in self.replicas:
            link.close()

    def sweep(self, now: float) -> None:
        """What time alone brings about: deadlines, replicas that hang, the end of holding, the end of draining."""
        for request in self._queue:
            if request.deadline <= now:
                request.fail(self._not_ready() if self.is_waking else _too_late())
        self._queue.discard_done()
        for link in self.replicas:
            self._sweep_replica(link, now)
        self.replicas = [link for link in self.replicas if not (link.is_retired and not link.in_flight)]
        if self._queue and self._down_since is not None:
            self._rescue(now)
        if self._is_retired and self.is_drained:
            self.close()
            self.replicas = []

    def replica_ready(self) -> None:
        """See ReplicaOwner."""
        self._note_liveness()
        self._flush_soon()

    def replica_lost(self, replica: ReplicaLink, batches: list[Batch]) -> None:
        """See ReplicaOwner: try pure requests once more, each by itself in case one of them was the cause."""
        self._note_liveness()
        again: list[PendingRequest] = []
        for request in (request for batch in batches for request in batch.requests if not request.is_done):
            request.attempts += 1
            if self.is_pure and request.attempts < MAX_ATTEMPTS:
                again.append(request)
            else:
                request.fail(self._replica_failed(replica))
        self._queue.push_back(again)
        if self._queue and self._down_since is not None:
            self._rescue(time.monotonic())
        self._flush_soon()

    def batch_answered(self, replica: ReplicaLink, batch: Batch, outputs: list[WireTensor], service_us: int) -> None:
        """See ReplicaOwner."""
        rows, now = sum(batch.rows), time.monotonic()
        self._sizer.observe(rows, service_us)
        occupied = now - max(batch.sent_at, replica.free_at)
        replica.free_at = now
        self.demand.served(len(batch.rows), rows, max(occupied, service_us / 1e6))
        try:
            ordered = self._in_order(outputs)
            parts = [split_rows(tensor, batch.rows) for tensor in ordered] if self._has_batches else []
        except ValueError as error:
            _logger.warning("replica %s answered a damaged batch: %s", replica.replica.id, error)
            self.batch_failed(batch, Failure(0, ModelFailedError.code, f"the model's output {error}"))
            return
        if not parts:
            batch.requests[0].model_us = service_us
            batch.requests[0].answer([whole(tensor) for tensor in ordered], self)
        else:
            for request, own in zip(batch.requests, zip(*parts, strict=True), strict=True):
                request.model_us = service_us
                request.answer(own, self)
        if self._queue:
            self._flush()

    def batch_failed(self, batch: Batch, failure: Failure) -> None:
        """See ReplicaOwner: a failed batch of several is tried again one by one, so that each gets its own answer."""
        alive = [request for request in batch.requests if not request.is_done]
        if len(batch.requests) > 1 and self.is_pure:
            for request in alive:
                request.attempts = MAX_ATTEMPTS - 1
            self._queue.push_back(alive)
        else:
            for request in alive:
                request.fail(_error_of(failure, self.model, self.number))
        self._flush_soon()

    def nan_answered(self, rows: int) -> None:
        """See ReplicaOwner."""
        self.nan_rows += rows

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        while self._queue:
            link, idle = self._idle_replica()
            if link is None:
                return
            share = -(-self._queue.rows // idle)
            batch = self._next_batch(link, min(self._sizer.rows(), share))
            if batch is None:
                return
            link.send(batch)
            self.batches += 1
            self.batched_requests += len(batch.requests)

    def _idle_replica(self) -> tuple[ReplicaLink | None, int]:
        """The ready replica with the fewest batches, if that is fewer than the limit, and how many have so few."""
        best, fewest, count = None, self._limits.batches_in_flight, 0
        for link in self.replicas:
            if not link.is_ready or link.has_isolated_batch or len(link.in_flight) > fewest:
                continue
            if len(link.in_flight) < fewest:
                best, fewest, count = link, len(link.in_flight), 1
            elif best is not None:
                count += 1
        return best, count

    def _next_batch(self, link: ReplicaLink, max_rows: int) -> Batch | None:
        """The next requests that fit together; None if none is left, or the next must wait for an empty replica."""
        now, rows = time.monotonic(), 0
        chosen: list[PendingRequest] = []
        queue, limit = self._queue, self._limits.max_batch_requests
        while queue and len(chosen) < limit:
            request = queue.first()
            if request.is_done or request.deadline <= now:
                queue.pop().fail(_too_late())
                continue
            if request.attempts:
                if chosen or link.in_flight:
                    break
                return Batch([queue.pop()], now, is_alone=True)
            if chosen and not self._fits(chosen[0], request, rows, max_rows):
                break
            chosen.append(queue.pop())
            rows += request.call.rows
        return Batch(chosen, now) if chosen else None

    def _fits(self, first: PendingRequest, request: PendingRequest, rows: int, max_rows: int) -> bool:
        if not self._has_batches or rows + request.call.rows > max_rows:
            return False
        pairs = zip(first.call.inputs, request.call.inputs, strict=True)
        return not self._has_free_sizes or all(a.shape[1:] == b.shape[1:] for a, b in pairs)

    def _in_order(self, outputs: list[WireTensor]) -> list[WireTensor]:
        if [tensor.name for tensor in outputs] == self._output_names:
            return outputs
        by_name = {tensor.name: tensor for tensor in outputs}
        missing = [name for name in self._output_names if name not in by_name]
        if missing:
            raise ValueError(f"lacks '{missing[0]}'")
        return [by_name[name] for name in self._output_names]

    def _sweep_replica(self, link: ReplicaLink, now: float) -> None:
        for batch in link.in_flight.values():
            for request in batch.requests:
                if request.deadline <= now:
                    request.fail(_too_late())
            if now - batch.sent_at > self._limits.max_deadline_seconds or (
                now - batch.sent_at > self._limits.deadline_seconds and all(r.is_done for r in batch.requests)
            ):
                link.reset(f"it did not answer a batch for {now - batch.sent_at:.0f} s")
                return

    def _rescue(self, now: float) -> None:
        """No replica takes requests: another variant may; else they are held for a while, then they fail."""
        waiting = self._reroute(self, [request for request in self._queue.clear() if not request.is_done])
        for request in waiting:
            if self._is_held_too_long(request, now):
                retried = request.attempts and self.replicas
                request.fail(self._replica_failed(self.replicas[0]) if retried else self._not_ready())
            elif not request.attempts:
                self._queue.push(request)
        self._queue.push_back(request for request in waiting if request.attempts and not request.is_done)

    def _is_held_too_long(self, request: PendingRequest, now: float) -> bool:
        if self._is_on_demand:
            return now - request.arrived_at > self._limits.wake_seconds
        return self._is_down_for_good(now)

    def _make_room(self, request: PendingRequest) -> None:
        """Turn away the newest request of the token that has most in the queue: another one's, or `request`."""
        loser = self._queue.make_room(request.token_id)
        error = OverloadedError(
            f"endpoint '{self.endpoint}' has {self._limits.max_queue} requests waiting, which is its limit",
            hint="Send it again after the time in Retry-After, or scale the endpoint.",
            retry_after_seconds=max(1.0, self._least_wait_seconds()),
        )
        if loser is None:
            raise error
        loser.fail(error)

    def _check_deadline(self, request: PendingRequest) -> None:
        """Refuse at once what cannot be answered in time; waiting would only make the queue longer for the others."""
        wait = self._least_wait_seconds()
        if request.arrived_at + wait > request.deadline:
            raise OverloadedError(
                f"endpoint '{self.endpoint}' has work for {wait:.2g} s waiting, longer than this request may take",
                hint="Send it again after the time in Retry-After, allow more time, or scale the endpoint.",
                retry_after_seconds=wait,
            )

    def _least_wait_seconds(self) -> float:
        """The least time until what waits now is answered."""
        return self._queue.rows * self._sizer.row_floor_seconds / max(1, self.ready_replicas)

    def _is_down_for_good(self, now: float) -> bool:
        if self._is_on_demand:
            return False
        is_hopeless = not self.replicas
        return self._down_since is not None and (is_hopeless or now - self._down_since > self._limits.hold_seconds)

    def _note_liveness(self) -> None:
        if any(link.is_ready for link in self.replicas):
            self._down_since = None
        elif self._down_since is None:
            self._down_since = time.monotonic()

    def _not_ready(self) -> EndpointNotReadyError:
        reasons = "; ".join(f"{link.replica.id}: {link.reason}" for link in self.replicas if link.reason)
        return EndpointNotReadyError(
            f"endpoint '{self.endpoint}' has no replica of variant '{self.name}' that takes requests"
            + (" yet: it comes back from zero replicas" if self._is_on_demand else "")
            + (f" ({reasons})" if reasons else ""),
            hint="Send it again after the time in Retry-After; the endpoint's page says what its replicas do.",
        )

    def _replica_failed(self, replica: ReplicaLink) -> ReplicaFailedError:
        why = "once was tried again" if self.is_pure else "the model is not pure, so it was not tried again"
        return ReplicaFailedError(
            f"replica '{replica.replica.id}' failed while it held this request ({replica.reason}); {why}",
            hint="Send it again if that is safe; the replica's log says why it ended.",
        )


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError(
        "no answer came within the request's time",
        hint="Allow more time, send smaller batches, or scale the endpoint.",
    )


def _error_of(failure: Failure, model: str, number: int) -> ModelyardError:
    if failure.is_input:
        return InputRefusedError(failure.message, hint=failure.hint, field=failure.field)
    if failure.code == ModelFailedError.code:
        return ModelFailedError(f"model {model}:{number} failed: {failure.message}", hint=failure.hint)
    return InternalError(f"model {model}:{number}: {failure.code}: {failure.message}", hint=failure.hint)
