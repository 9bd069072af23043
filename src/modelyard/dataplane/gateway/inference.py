"""Inference, whatever protocol it came by: who may call, which variant answers, what is counted and captured.

HTTP, gRPC and WebSocket share this, so that no rule of admission or record-keeping exists twice.
"""

import logging
import random
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelyard.dataplane.captures import SpoolWriter, WireCapture
from modelyard.dataplane.errors import EndpointNotReadyError
from modelyard.dataplane.gateway.access import Access, project_of
from modelyard.dataplane.gateway.access import Caller as TokenHolder
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply, StreamCall
from modelyard.dataplane.gateway.fleet import Endpoint, Fleet
from modelyard.dataplane.gateway.masking import Mask
from modelyard.dataplane.gateway.pools.mirroring import mirror
from modelyard.dataplane.gateway.pools.pool import VariantPool
from modelyard.dataplane.gateway.rates import RateLevels
from modelyard.dataplane.gateway.reports.metrics import Metrics, VariantFigures
from modelyard.dataplane.gateway.reports.traffic import TrafficMeters, VersionKey, VersionMeter
from modelyard.dataplane.gateway.requests import Caller, PendingRequest, Served, StreamReader, StreamRequest
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import InternalError, TooLargeError
from modelyard.kit.ids import new_id
from modelyard.kit.traces import parse_traceparent
from modelyard.types.routing import RoutingTable
from modelyard.types.tensors import CapturedBodies

_IDS_PER_PREFIX = 1 << 24
_PREFIX_SECONDS = 1.0
_FAILED = 400
_logger = logging.getLogger(__name__)


class View(NamedTuple):
    """What is the same for all answers of a variant. `label` is it in words: `digits:2`."""

    figures: VariantFigures
    traffic: VersionMeter
    variant: str
    label: str
    headers: bytes
    context: AnswerContext


class Answer(NamedTuple):
    """A formatted answer, its id, and who gave it."""

    reply: Reply
    inference_id: str
    view: View


class Inference:
    """The part of a gateway that all protocols share.

    Args:
        limits: what is taken on.
        spool: receives captures.
        levels: how far tokens have used up their rates, if other gateways are to know; else this one alone does.

    Attributes:
        buffered_bytes: inference bodies held now.
        has_table: a routing table has been read.
        epoch: grows when a token or an endpoint may not be any more what it was.
        now: `time.monotonic()` of the last tick; good enough for time-outs of seconds.
    """

    def __init__(
        self, limits: Limits, spool: SpoolWriter, levels: RateLevels | None = None, mask: Mask | None = None
    ) -> None:
        self.limits = limits
        self.access = Access(levels)
        self.metrics = Metrics()
        self.traffic = TrafficMeters()
        self.fleet = Fleet(limits, self._fleet_changed)
        self.spool = spool
        self._mask = mask or Mask(b"")
        self.has_table = False
        self.epoch = 0
        self.buffered_bytes = 0
        self.now = 0.0
        self._views: dict[Served, View] = {}
        self._id_prefix, self._id_count, self._id_until = "", _IDS_PER_PREFIX, 0.0

    def follow(self, table: RoutingTable) -> None:
        """Change to a new routing table."""
        self.epoch += 1  # first: whatever fails below, nothing that was known holds any more
        self.access.follow(table.tokens)
        self.fleet.follow(table)
        self.has_table = True

    def tick(self) -> None:
        """Let time act; call it 20 times a second."""
        self.now = time.monotonic()
        self.epoch += self.access.has_ended()
        self.fleet.sweep()
        self.spool.flush()

    def served(self) -> set[VersionKey]:
        """Every version that the routing table names."""
        return {
            VersionKey(endpoint.project, endpoint.name, pool.model, pool.number)
            for endpoint in self.fleet
            for pool in endpoint.pools.values()
        }

    def find(self, holder: TokenHolder, project: bytes | None, name: str) -> Endpoint:
        """The endpoint that a request is about; `project` is what its X-Modelyard-Project says.

        Raises:
            PermissionDeniedError: the token is for another project.
            EndpointNotFoundError: there is none.
        """
        return self.fleet.find(project_of(holder, project), name)

    def submit(
        self, call: InferenceCall, endpoint: Endpoint, pool: VariantPool, caller: Caller, holder: TokenHolder
    ) -> PendingRequest:
        """Put a call into the queue of `pool`, in the line of `holder`; `caller` hears of its end.

        Raises:
            OverloadedError: too many wait already.
            EndpointNotReadyError: there is no replica.
        """
        now = time.monotonic()
        timeout = call.timeout_seconds or self.limits.deadline_seconds
        deadline = now + min(timeout, self.limits.max_deadline_seconds)
        request = PendingRequest(call, caller, now, deadline, holder.token_id)
        _enqueue(request, endpoint, pool)
        return request

    def submit_stream(
        self, call: StreamCall, endpoint: Endpoint, pool: VariantPool, reader: StreamReader, holder: TokenHolder
    ) -> StreamRequest:
        """The same for a call that is answered in parts: its time-out is for each of them.

        Raises:
            OverloadedError: too many wait already, or are under way.
            EndpointNotReadyError: there is no replica.
        """
        longest = self.limits.max_deadline_seconds
        patience = min(call.timeout_seconds or self.limits.deadline_seconds, longest)
        request = StreamRequest(call, reader, time.monotonic(), patience, longest, holder.token_id)
        _enqueue(request, endpoint, pool)
        return request

    def answer(
        self,
        endpoint: Endpoint,
        holder: TokenHolder,
        request: PendingRequest,
        outputs: Sequence[OutputRows],
        served: Served,
        received_bytes: int,
    ) -> tuple[Reply, str, View]:
        """Write, count and capture an answer: the fields of an Answer, as a plain tuple for the hot path.

        `received_bytes` is the size of the request's body as it was sent.

        Raises:
            InternalError: it could not be written; a fault in one answer must not touch the others of its batch.
        """
        inference_id = self.new_id()
        view = self._views.get(served) or self.view(endpoint, served)
        call = request.call
        try:
            reply = call.reply(outputs, inference_id, view.context)
        except Exception as error:
            _logger.exception("an answer of %s:%s could not be written", served.model, served.number)
            raise InternalError("the model's answer could not be written", hint="See the gateway's log.") from error
        seconds = time.monotonic() - request.arrived_at
        if reply.status < _FAILED:
            view.figures.answered(seconds, call.rows)
        else:
            view.figures.failed(f"model_status_{reply.model_status or reply.status}")
        view.traffic.answered(call.rows, received_bytes, len(reply.body))
        if endpoint.shadow is not None and random.random() < endpoint.shadow_share:  # noqa: S311 - a sample
            mirror(call, outputs, served, endpoint.shadow, self.limits.deadline_seconds)
        if endpoint.capture_share > 0.0 and is_sampled(endpoint.capture_share):
            bodies = None if endpoint.personal_columns else call.bodies(reply)
            self.capture(endpoint, holder, request, outputs, served, inference_id, seconds, bodies)
        return reply, inference_id, view

    def failed(self, code: str, endpoint: Endpoint | None, request: PendingRequest | None) -> None:
        """Count an error: of the endpoint if the request got that far, else of the gateway."""
        if endpoint is None or request is None:
            self.metrics.refused.failed(code)
        else:
            self.metrics.of(endpoint.project, endpoint.name, "").failed(code)

    def too_large(self, size: int) -> TooLargeError:
        """The error for a request over the limit."""
        return TooLargeError(
            f"the request has {size} bytes, the limit is {self.limits.max_request_bytes}",
            hint="Send fewer rows in a request, or raise max_request_bytes.",
        )

    def new_id(self) -> str:
        """`inf-` and 26 characters, sortable by the second; 0.2 us where `kit.ids.new_id` takes 5."""
        self._id_count += 1
        if self._id_count >= _IDS_PER_PREFIX or self.now >= self._id_until:
            self._id_prefix, self._id_count = new_id("inf")[:-6], 0
            self._id_until = self.now + _PREFIX_SECONDS
        return f"{self._id_prefix}{self._id_count:06x}"

    def capture(
        self,
        endpoint: Endpoint,
        holder: TokenHolder,
        request: PendingRequest,
        outputs: Sequence[OutputRows],
        served: Served,
        inference_id: str,
        seconds: float,
        bodies: CapturedBodies | None = None,
    ) -> None:
        """Record an answer."""
        record = WireCapture(
            inference_id,
            time.time_ns() - int(seconds * 1e9),
            endpoint.project,
            endpoint.name,
            served.name,
            served.model,
            served.number,
            request.call.rows,
            int(seconds * 1e6),
            int((request.sent_at - request.arrived_at) * 1e6),
            holder.token_id,
            request.call.inputs,
            tuple([rows.to_wire() for rows in outputs]),
            request.model_us,
            traceparent=_traceparent(request.caller),
            bodies=bodies,
        )
        if endpoint.personal_columns:
            try:
                record = self._mask.apply(record, endpoint.personal_columns, served.signature)
            except Exception:
                _logger.exception("a capture of endpoint '%s' could not be masked, so it is not kept", endpoint.name)
                self.spool.refuse()
                return
        self.spool.append(record)

    def view(self, endpoint: Endpoint, served: Served) -> View:
        """What is the same for all answers of a variant."""
        known = self._views.get(served)
        if known is not None:
            return known
        label = f"{served.model}:{served.number}"
        headers = f"x-modelyard-variant: {served.name}\r\nx-modelyard-model: {label}\r\n"
        context = AnswerContext(
            endpoint.name,
            served.model,
            str(served.number),
            served.signature,
            served.title or served.name,
            served.answers,
        )
        figures = self.metrics.of(endpoint.project, endpoint.name, served.name)
        traffic = self.traffic.of(VersionKey(endpoint.project, endpoint.name, served.model, served.number))
        view = View(figures, traffic, served.name, label, headers.encode(), context)
        self._views[served] = view
        return view

    def _fleet_changed(self, fleet: Fleet) -> None:
        pools: Iterable[tuple[Endpoint, VariantPool]] = [(e, pool) for e in fleet for pool in e.pools.values()]
        present = {pool for _, pool in pools}
        self._views = {served: view for served, view in self._views.items() if served in present}
        self.metrics.forget_all_but((endpoint.project, endpoint.name, pool.name) for endpoint, pool in pools)


def is_sampled(share: float) -> bool:
    """Whether this answer is one of the share that is recorded."""
    return share >= 1.0 or random.random() < share  # noqa: S311 - a sample, not a secret


def _traceparent(caller: Caller) -> str:
    sent = caller.traceparent
    parent = parse_traceparent(sent) if sent else None
    return "" if parent is None else parent.header


def _enqueue(request: PendingRequest, endpoint: Endpoint, pool: VariantPool) -> None:
    try:
        pool.submit(request)
    except EndpointNotReadyError as error:
        raise endpoint.not_ready() if endpoint.reason else error from None
