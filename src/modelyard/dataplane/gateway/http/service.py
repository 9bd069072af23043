"""What the gateway answers itself: from an admitted request to the bytes of its answer. Knows HTTP, but no socket."""

import logging
import random
import time
import zlib
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import unquote

import httptools
import orjson

from modelyard.dataplane.captures import SpoolWriter, WireCapture
from modelyard.dataplane.errors import (
    EndpointNotReadyError,
    MethodNotAllowedError,
    RequestInvalidError,
    RouteNotFoundError,
    UnsupportedMediaTypeError,
)
from modelyard.dataplane.gateway.access import PROJECT_HEADER, Access, project_of
from modelyard.dataplane.gateway.config import Limits, is_loopback
from modelyard.dataplane.gateway.dialect import AnswerContext, Dialect, Operation, Target
from modelyard.dataplane.gateway.fleet import Endpoint, Fleet
from modelyard.dataplane.gateway.http.exchange import Exchange
from modelyard.dataplane.gateway.http.responses import JSON, error_body, error_headers, render, status_of
from modelyard.dataplane.gateway.metrics import CONTENT_TYPE, Metrics, VariantFigures
from modelyard.dataplane.gateway.pool import VariantPool
from modelyard.dataplane.gateway.requests import PendingRequest, Served
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import InternalError, ModelyardError, OverloadedError, TooLargeError
from modelyard.kit.ids import new_id
from modelyard.types.routing import RoutingTable

METRICS_PATH = "/metrics"

_OPEN_OPERATIONS = (Operation.SERVER_LIVE, Operation.SERVER_READY)
_CACHED_ROUTES = 4096
_IDS_PER_PREFIX = 1 << 24
_PREFIX_SECONDS = 1.0
_HEAD = b"HTTP/1.1 200 OK\r\n%bx-modelyard-variant: %b\r\nx-modelyard-model: %b:%d\r\nx-modelyard-inference-id: "
_ANSWER = b"%b%b\r\ncontent-type: %b\r\n%bcontent-length: %d\r\n\r\n%b"
_logger = logging.getLogger(__name__)


class Route(NamedTuple):
    """A path that the gateway owns. `dialect` None and `target` set: /metrics; `target` None: no such path."""

    target: Target | None
    dialect: Dialect | None


class _View(NamedTuple):
    """What is the same for all answers of a variant until the next tick."""

    figures: VariantFigures
    head: bytes
    context: AnswerContext


class InferenceService:
    """Admits, parses, routes, answers and records inference requests.

    Attributes:
        buffered_bytes: inference bodies held now.
        date_line: the Date header, renewed by `tick`.
        now: `time.monotonic()` of the last tick; good enough for time-outs of seconds.
    """

    def __init__(self, dialects: Sequence[Dialect], limits: Limits, spool: SpoolWriter) -> None:
        self.limits = limits
        self.access = Access()
        self.metrics = Metrics()
        self.fleet = Fleet(limits, self._fleet_changed)
        self.max_request_bytes, self.max_buffered_bytes = limits.max_request_bytes, limits.max_buffered_bytes
        self.buffered_bytes = 0
        self.connections = 0
        self.has_table = False
        self.date_line = b""
        self.now = 0.0
        self._dialects = tuple(dialects)
        self._prefixes = tuple(prefix for dialect in dialects for prefix in dialect.prefixes)
        self._spool = spool
        self._routes: dict[bytes, Route | None] = {}
        self._views: dict[Served, _View] = {}
        self._id_prefix, self._id_count, self._id_until = "", _IDS_PER_PREFIX, 0.0
        self.tick()

    def follow(self, table: RoutingTable) -> None:
        """Change to a new routing table."""
        self.access.follow(table.tokens)
        self.fleet.follow(table)
        self.has_table = True

    def tick(self) -> None:
        """Let time act; call it 20 times a second."""
        self.now = time.monotonic()
        date_line = f"date: {formatdate(usegmt=True)}\r\n".encode()
        if date_line != self.date_line:
            self.date_line = date_line
            self._views.clear()  # their heads have the date in them
        self.fleet.sweep()
        self._spool.flush()

    def route(self, url: bytes) -> Route | None:
        """Who answers a request target: the gateway (a Route), or the application behind it (None)."""
        try:
            return self._routes[url]
        except KeyError:
            route = self._find_route(url)
        if len(self._routes) >= _CACHED_ROUTES:
            self._routes.clear()
        self._routes[url] = route
        return route

    def admit(self, exchange: Exchange) -> None:
        """Check what the headers tell, before the body is read.

        Raises:
            ModelyardError: the request is refused.
        """
        target, fields = exchange.target, exchange.fields
        if target is None:
            raise RouteNotFoundError("the data plane has no such path", hint="See the reference of the serving API.")
        methods = (b"POST",) if target.operation is Operation.INFER else (b"GET", b"HEAD")
        if exchange.method not in methods:
            allowed = b", ".join(methods).decode()
            raise MethodNotAllowedError(exchange.method.decode("ascii", "replace"), "this path", allowed)
        if target.operation not in _OPEN_OPERATIONS and not self._is_local_metrics(exchange):
            exchange.caller = self.access.authenticate(fields.get(b"authorization"))
        size = int(fields.get(b"content-length", b"0"))
        if size > self.max_request_bytes:
            raise self._too_large(size)

    def admit_again(self, exchange: Exchange) -> None:
        """Admit a request whose head was admitted before on its connection: tokens may have changed since.

        Its size is checked as its body is taken.
        """
        try:
            exchange.caller = self.access.authenticate(exchange.fields.get(b"authorization"))
        except ModelyardError as error:
            exchange.error = error

    def refuse_size(self, exchange: Exchange) -> None:
        """A body has become too large for the limit of one request, or for that of all."""
        if exchange.received_bytes > self.max_request_bytes:
            exchange.connection.refuse(self._too_large(exchange.received_bytes))
        else:
            exchange.error = OverloadedError(
                "the gateway holds as much unanswered input as it may", hint="Send it again, or send smaller batches."
            )
            exchange.release()

    def complete(self, exchange: Exchange) -> None:
        """The whole request is here: answer it, or start to."""
        if exchange.error is not None:
            self.failed(exchange, exchange.error)
            return
        try:
            assert exchange.target is not None  # noqa: S101 - `admit` refused it otherwise
            if exchange.target.operation is Operation.INFER:
                self._infer(exchange, exchange.target)
            else:
                self._describe(exchange, exchange.target)
        except ModelyardError as error:
            self.failed(exchange, error)
        except Exception:
            _logger.exception("a request could not be handled")
            self.failed(exchange, InternalError("the gateway failed on this request", hint="See the gateway's log."))

    def answered(
        self, exchange: Exchange, request: PendingRequest, outputs: Sequence[OutputRows], served: Served
    ) -> None:
        """Write an answer. A fault in writing one answer must not touch the others of its batch."""
        endpoint, call = exchange.endpoint, exchange.call
        assert endpoint is not None and call is not None  # noqa: S101, PT018 - set before it was submitted
        inference_id = self._new_id()
        view = self._views.get(served) or self._view(endpoint, served)
        try:
            reply = call.reply(outputs, inference_id, view.context)
        except Exception:
            _logger.exception("an answer of %s:%s could not be written", served.model, served.number)
            self.failed(exchange, InternalError("the model's answer could not be written", hint="See the log."))
            return
        seconds = time.monotonic() - request.arrived_at
        view.figures.answered(seconds, call.rows)
        share = endpoint.capture_share
        if share >= 1.0 or (share > 0.0 and random.random() < share):  # noqa: S311 - a sample, not a secret
            self._capture(exchange, request, outputs, served, inference_id, seconds)
        more, content = reply.headers, reply.body
        if exchange.is_last or exchange.connection.is_closing_soon:
            more += b"connection: close\r\n"
        exchange.respond(_ANSWER % (view.head, inference_id.encode(), reply.content_type, more, len(content), content))

    def failed(self, exchange: Exchange, error: ModelyardError, request: PendingRequest | None = None) -> None:
        """Write an error."""
        self._figures_of(exchange, request).failed(error.code)
        extra = exchange.dialect.error_fields(error.message) if exchange.dialect else None
        lines = b"".join(b"%b: %b\r\n" % header for header in error_headers(error))
        self._respond(exchange, status_of(error), error_body(error, extra), headers=lines)

    def _find_route(self, url: bytes) -> Route | None:
        try:
            path = unquote((httptools.parse_url(url).path or b"/").decode("ascii"), errors="strict")
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            return None
        if path == METRICS_PATH:
            return Route(Target(Operation.SERVER_METADATA), None)
        for dialect in self._dialects:
            target = dialect.target(path)
            if target is not None:
                return Route(target, dialect)
        owner = next((d for d in self._dialects if path.startswith(d.prefixes)), None)
        return Route(None, owner) if owner else None

    def _infer(self, exchange: Exchange, target: Target) -> None:
        assert exchange.caller is not None and exchange.dialect is not None  # noqa: S101, PT018 - `admit` saw to it
        endpoint = self._endpoint(exchange, target)
        exchange.endpoint = endpoint
        if exchange.caller.rate is not None:
            exchange.caller.rate.take()
        pool = endpoint.choose(target.version)
        body = exchange.body
        encoding = exchange.fields.get(b"content-encoding")
        if encoding is not None:
            body = _decompressed(body, encoding.strip().lower(), self.max_request_bytes)
        call = exchange.dialect.parse(body, exchange.fields, pool.signature)
        exchange.call = call
        now = time.monotonic()
        timeout = call.timeout_seconds or self.limits.deadline_seconds
        deadline = now + min(timeout, self.limits.max_deadline_seconds)
        exchange.request = PendingRequest(call, exchange, now, deadline, exchange.caller.token_id)
        try:
            pool.submit(exchange.request)
        except EndpointNotReadyError as error:
            raise endpoint.not_ready() if endpoint.reason else error from None

    def _endpoint(self, exchange: Exchange, target: Target) -> Endpoint:
        assert exchange.caller is not None  # noqa: S101 - `admit` saw to it
        return self.fleet.find(project_of(exchange.caller, exchange.fields.get(PROJECT_HEADER)), target.endpoint)

    def _describe(self, exchange: Exchange, target: Target) -> None:
        dialect, operation = exchange.dialect, target.operation
        if dialect is None:
            pools = [(e.project, e.name, pool) for e in self.fleet for pool in e.pools.values()]
            body = self.metrics.render(pools, self.connections, self._spool.written, self._spool.dropped)
            self._respond(exchange, 200, body, content_type=CONTENT_TYPE)
        elif operation is Operation.SERVER_LIVE:
            self._respond(exchange, 200, b'{"live":true}')
        elif operation is Operation.SERVER_READY:
            if not self.has_table:
                raise EndpointNotReadyError("the gateway has no routing table yet", hint="Control writes it at start.")
            self._respond(exchange, 200, b'{"ready":true}')
        elif operation is Operation.SERVER_METADATA:
            self._respond(exchange, 200, orjson.dumps(dialect.describe_server()))
        else:
            self._describe_endpoint(exchange, dialect, target)

    def _describe_endpoint(self, exchange: Exchange, dialect: Dialect, target: Target) -> None:
        endpoint = self._endpoint(exchange, target)
        pool = endpoint.primary(target.version)
        if target.operation is Operation.ENDPOINT_READY:
            if not (pool.is_live if target.version else endpoint.is_ready):
                raise endpoint.not_ready()
            self._respond(exchange, 200, orjson.dumps({"name": endpoint.name, "ready": True}))
            return
        versions = [str(each.number) for each in endpoint.pools.values()]
        self._respond(exchange, 200, orjson.dumps(dialect.describe_endpoint(endpoint.name, versions, pool.signature)))

    def _respond(
        self, exchange: Exchange, status: int, body: bytes, *, content_type: bytes = JSON, headers: bytes = b""
    ) -> None:
        is_close = exchange.is_last or exchange.connection.is_closing_soon
        payload = render(
            status, body, content_type=content_type, headers=headers, date=self.date_line, is_close=is_close
        )
        exchange.respond(payload[: len(payload) - len(body)] if exchange.method == b"HEAD" else payload)

    def _capture(
        self,
        exchange: Exchange,
        request: PendingRequest,
        outputs: Sequence[OutputRows],
        served: Served,
        inference_id: str,
        seconds: float,
    ) -> None:
        assert exchange.endpoint is not None and exchange.caller is not None  # noqa: S101, PT018 - as in `answered`
        record = WireCapture(
            inference_id,
            time.time_ns() - int(seconds * 1e9),
            exchange.endpoint.project,
            exchange.endpoint.name,
            served.name,
            served.model,
            served.number,
            request.call.rows,
            int(seconds * 1e6),
            int((request.sent_at - request.arrived_at) * 1e6),
            exchange.caller.token_id,
            request.call.inputs,
            tuple([rows.to_wire() for rows in outputs]),
        )
        self._spool.append(record)

    def _view(self, endpoint: Endpoint, served: Served) -> _View:
        head = _HEAD % (self.date_line, served.name.encode(), served.model.encode(), served.number)
        context = AnswerContext(endpoint.name, served.model, str(served.number), served.signature)
        view = _View(self.metrics.of(endpoint.project, endpoint.name, served.name), head, context)
        self._views[served] = view
        return view

    def _figures_of(self, exchange: Exchange, request: PendingRequest | None) -> VariantFigures:
        endpoint = exchange.endpoint
        if endpoint is None or request is None:
            return self.metrics.refused
        return self.metrics.of(endpoint.project, endpoint.name, "")

    def _fleet_changed(self, fleet: Fleet) -> None:
        pools: Iterable[tuple[Endpoint, VariantPool]] = [(e, pool) for e in fleet for pool in e.pools.values()]
        present = {pool for _, pool in pools}
        self._views = {served: view for served, view in self._views.items() if served in present}
        keys = {(e.project, e.name, name) for e, pool in pools for name in (pool.name, "")}
        self.metrics.forget_all_but(keys)

    def _is_local_metrics(self, exchange: Exchange) -> bool:
        """/metrics needs no token from this machine, unless a proxy on this machine speaks for somebody else."""
        is_forwarded = b"x-forwarded-for" in exchange.fields or b"forwarded" in exchange.fields
        return exchange.dialect is None and not is_forwarded and is_loopback(exchange.connection.peer_host)

    def _too_large(self, size: int) -> TooLargeError:
        return TooLargeError(
            f"the request has {size} bytes, the limit is {self.max_request_bytes}",
            hint="Send fewer rows in a request, or raise max_request_bytes.",
        )

    def _new_id(self) -> str:
        """`inf-` and 26 characters, sortable by the second; 0.2 us where `new_id` takes 5."""
        self._id_count += 1
        if self._id_count >= _IDS_PER_PREFIX or self.now >= self._id_until:
            self._id_prefix, self._id_count = new_id("inf")[:-6], 0
            self._id_until = self.now + _PREFIX_SECONDS
        return f"{self._id_prefix}{self._id_count:06x}"


def _decompressed(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body without its Content-Encoding.

    Raises:
        UnsupportedMediaTypeError: another encoding than gzip and deflate.
        RequestInvalidError: damaged.
        TooLargeError: it would be over the limit.
    """
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"deflate"):
        raise UnsupportedMediaTypeError("this Content-Encoding is not supported", hint="Use gzip, deflate or none.")
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds out which of the two headers there is
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestInvalidError(f"the compressed body is damaged: {error}", hint="Send it again.") from None
    if len(content) > limit:
        raise TooLargeError(f"the request unpacks to more than {limit} bytes", hint="Send fewer rows in a request.")
    if not stream.eof:
        raise RequestInvalidError("the compressed body is cut off", hint="Send it again.")
    return content
