"""A variant's queue and the replicas that pull from it: batching, retry, deadlines, drain."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence

from modelyard.dataplane.errors import (
    DeadlineExceededError,
    EndpointNotReadyError,
    InputRefusedError,
    ModelFailedError,
    ReplicaFailedError,
)
from modelyard.dataplane.frames import Answer, Ended, Failure
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.pools.batching import BatchSizer
from modelyard.dataplane.gateway.pools.demand import DemandMeter
from modelyard.dataplane.gateway.pools.lines import Lines
from modelyard.dataplane.gateway.pools.queueing import FairQueue
from modelyard.dataplane.gateway.pools.replica import ReplicaLink
from modelyard.dataplane.gateway.requests import Batch, PendingRequest, StreamRequest
from modelyard.dataplane.tensors import OutputRows, WireTensor, split_rows, whole
from modelyard.errors import InternalError, ModelyardError, OverloadedError
from modelyard.runtimes.base import Ending
from modelyard.types.planning import Outcomes
from modelyard.types.routing import RouteReplica, RouteVariant

MAX_ATTEMPTS = 2

_logger = logging.getLogger(__name__)


class VariantPool:
    """One queue from which the variant's idle replicas pull.

    A batch is what waits when a replica is idle, so batches grow with load and no replica ever waits for one to fill.
    The next one is sent ahead of a replica's answer where that pays. Requests that arrive in one turn of the event loop
    are sent together at its end. How much of what waits makes one batch follows from what batches took (BatchSizer);
    idle replicas share it.

    Attributes:
        batches, batched_requests, nan_rows: figures for /metrics.
        compared, differing: copied requests, and those that were answered otherwise than the caller's.
        demand: what it was asked for and what its batches took, for whoever scales it.

    `reroute` offers requests to the endpoint's other variants while this one has no replica, and returns those that
    none could take. `lines` are the gateway's connections to model hosts.
    """

    def __init__(
        self,
        variant: RouteVariant,
        endpoint: str,
        limits: Limits,
        reroute: Callable[["VariantPool", list[PendingRequest]], list[PendingRequest]],
        lines: Lines,
    ) -> None:
        self.name, self.model, self.number = variant.name, variant.model, variant.number
        self.signature = variant.signature
        self.is_pure = variant.is_pure
        self.answers, self.title = variant.answers, variant.title
        self.endpoint = endpoint
        self.replicas: list[ReplicaLink] = []
        self._reroute = reroute
        self._lines = lines
        self.batches = self.batched_requests = self.nan_rows = 0
        self.compared = self.differing = 0
        self._answered = self._failed = 0
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
    def outcomes(self) -> Outcomes:
        """What became of its requests."""
        return Outcomes(
            answered=self._answered,
            failed=self._failed,
            nan_rows=self.nan_rows,
            compared=self.compared,
            differing=self.differing,
        )

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
        own = (self.name, self.model, self.number, self.is_pure, self.answers, self.title)
        asked = (variant.name, variant.model, variant.number, variant.is_pure, variant.answers, variant.title)
        return own == asked and self.signature == variant.signature

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
        if request.call.is_stream:
            self._check_streams()
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
                self.replicas.append(ReplicaLink(replica, self.signature, self, self._lines))
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
                self._let_down(request, self._not_ready() if self.is_waking else _too_late())
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
            if self.is_pure and request.attempts < MAX_ATTEMPTS and not _is_begun(request):
                again.append(request)
            else:
                self._let_down(request, self._replica_failed(replica))
        self._queue.push_back(again)
        if self._queue and self._down_since is not None:
            self._rescue(time.monotonic())
        self._flush_soon()

    def batch_answered(self, replica: ReplicaLink, batch: Batch, outputs: list[WireTensor], answer: Answer) -> None:
        """See ReplicaOwner."""
        rows, now = sum(batch.rows), time.monotonic()
        self._answered += len(batch.requests)
        self._sizer.observe(rows, answer.service_us)
        occupied = now - max(batch.sent_at, replica.free_at) - answer.others_us / 1e6
        replica.free_at = now
        self.demand.served(len(batch.rows), rows, max(occupied, answer.service_us / 1e6))
        if self._queue:
            self._flush()  # first of all, so that the replica works while these answers are written
        shares = self._shares(replica, batch, outputs)
        if shares is None:
            return
        for request, own in zip(batch.requests, shares, strict=True):
            request.model_us = answer.service_us
            try:
                request.answer(own, self)
            except Exception:  # the others of the batch are in no list any more: nobody else would answer them
                _logger.exception("an answer of %s:%s could not be passed on", self.model, self.number)
                request.caller.failed(request, _not_passed_on())

    def part_answered(self, replica: ReplicaLink, batch: Batch, outputs: list[WireTensor], service_us: int) -> None:
        """See ReplicaOwner."""
        replica.free_at = time.monotonic()
        self.demand.streamed(0, 0, service_us / 1e6)
        shares = self._shares(replica, batch, outputs)
        if batch.stream is not None and shares is not None:
            batch.stream.part(next(iter(shares)), self)

    def stream_ended(self, replica: ReplicaLink, batch: Batch, ended: Ended) -> None:
        """See ReplicaOwner."""
        replica.free_at = time.monotonic()
        self.nan_rows += ended.nan_rows
        self.demand.streamed(1, batch.rows[0], ended.service_us / 1e6)
        if batch.stream is not None:
            ending = Ending(
                finish_reason=ended.finish_reason,
                prompt_tokens=ended.prompt_tokens,
                completion_tokens=ended.completion_tokens,
            )
            batch.stream.end(ending, self)
        if self._queue:  # a request that is tried again waits for a replica that holds nothing else
            self._flush_soon()

    def batch_failed(self, batch: Batch, failure: Failure) -> None:
        """See ReplicaOwner: a failed batch of several is tried again one by one, so that each gets its own answer."""
        alive = [request for request in batch.requests if not request.is_done]
        if len(batch.requests) > 1 and self.is_pure:
            for request in alive:
                request.attempts = MAX_ATTEMPTS - 1
            self._queue.push_back(alive)
        else:
            for request in alive:
                error = _error_of(failure, self.model, self.number)
                request.fail(error) if failure.is_input else self._let_down(request, error)
        self._flush_soon()

    def nan_answered(self, rows: int) -> None:
        """See ReplicaOwner."""
        self.nan_rows += rows

    def _shares(
        self, replica: ReplicaLink, batch: Batch, outputs: list[WireTensor]
    ) -> Iterable[Sequence[OutputRows]] | None:
        """The outputs that belong to each request of a batch; None if they are damaged, and the batch has failed."""
        try:
            ordered = self._in_order(outputs)
            if not self._has_batches:
                return ([whole(tensor) for tensor in ordered],)
            return zip(*[split_rows(tensor, batch.rows) for tensor in ordered], strict=True)
        except ValueError as error:
            _logger.warning("replica %s answered a damaged batch: %s", replica.replica.id, error)
            self.batch_failed(batch, Failure(0, ModelFailedError.code, f"the model's output {error}"))
            return None

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        while self._queue:
            link, idle = self._idle_replica()
            if link is None or self._is_better_held(link):
                return
            share = -(-self._queue.rows // idle)
            batch = self._next_batch(link, min(self._sizer.rows(), share))
            if batch is None:
                return
            link.send(batch)
            self.batches += 1
            self.batched_requests += len(batch.requests)

    def _is_better_held(self, link: ReplicaLink) -> bool:
        """True if what waits is not worth a batch of its own behind the one that every replica is at."""
        is_at_work, queue = len(link.in_flight) > link.streams, self._queue
        if not is_at_work or len(queue) >= min(self._limits.max_batch_requests, self._limits.max_queue):
            return False  # it could not become larger
        return self._sizer.is_better_held(queue.rows) and not queue.first().call.is_stream

    def _idle_replica(self) -> tuple[ReplicaLink | None, int]:
        """The ready replica with the fewest batches, if that is fewer than the limit, and how many have so few."""
        best, fewest, count = None, self._limits.batches_in_flight, 0
        for link in self.replicas:
            held = len(link.in_flight) - link.streams
            if not link.is_ready or link.has_isolated_batch or held > fewest:
                continue
            if held < fewest:
                best, fewest, count = link, held, 1
            elif best is not None:
                count += 1
                best = link if link.streams < best.streams else best
        return (None, 0) if best is not None and best.is_held_up else (best, count)

    def _next_batch(self, link: ReplicaLink, max_rows: int) -> Batch | None:
        """The next requests that fit together; None if none is left, or the next must wait for an empty replica."""
        now, rows = time.monotonic(), 0
        chosen: list[PendingRequest] = []
        queue, limit = self._queue, self._limits.max_batch_requests
        while queue and len(chosen) < limit:
            request = queue.first()
            if request.is_done or request.deadline <= now:
                self._let_down(queue.pop(), _too_late())
                continue
            if request.call.is_stream:
                return Batch([queue.pop()], now) if not chosen else Batch(chosen, now)
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
                    self._let_down(request, _too_late())
            waited = now - batch.due_since
            if waited > self._limits.max_deadline_seconds or (
                waited > self._limits.deadline_seconds and all(r.is_done for r in batch.requests)
            ):
                link.reset(f"it did not answer a batch for {waited:.0f} s")
                return

    def _rescue(self, now: float) -> None:
        """No replica takes requests: another variant may; else they are held for a while, then they fail."""
        waiting = self._reroute(self, [request for request in self._queue.clear() if not request.is_done])
        for request in waiting:
            if self._is_held_too_long(request, now):
                retried = request.attempts and self.replicas
                self._let_down(request, self._replica_failed(self.replicas[0]) if retried else self._not_ready())
            elif not request.attempts:
                self._queue.push(request)
        self._queue.push_back(request for request in waiting if request.attempts and not request.is_done)

    def _let_down(self, request: PendingRequest, error: ModelyardError) -> None:
        """Fail a request that should have been answered; nobody is let down who does not wait any more."""
        self._failed += not request.is_done
        request.fail(error)

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

    def _check_streams(self) -> None:
        """Refuse a stream when the replicas have as many as they may: each makes all others slower."""
        limit = self._limits.streams_in_flight * max(1, self.ready_replicas)
        if sum(link.streams for link in self.replicas) >= limit:
            raise OverloadedError(
                f"endpoint '{self.endpoint}' has {limit} streams under way, which is its limit",
                hint="Send it again after the time in Retry-After, or scale the endpoint.",
                retry_after_seconds=1.0,
            )

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


def _is_begun(request: PendingRequest) -> bool:
    """True if its caller has a part of an answer, which another replica would not go on with."""
    return isinstance(request, StreamRequest) and request.parts > 0


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError(
        "no answer came within the request's time",
        hint="Allow more time, send smaller batches, or scale the endpoint.",
    )


def _not_passed_on() -> InternalError:
    return InternalError("the model's answer could not be passed on", hint="See the gateway's log.")


def _error_of(failure: Failure, model: str, number: int) -> ModelyardError:
    if failure.is_input:
        return InputRefusedError(failure.message, hint=failure.hint, field=failure.field)
    if failure.code == ModelFailedError.code:
        return ModelFailedError(f"model {model}:{number} failed: {failure.message}", hint=failure.hint)
    return InternalError(f"model {model}:{number}: {failure.code}: {failure.message}", hint=failure.hint)
