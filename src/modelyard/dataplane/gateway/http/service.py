"""What the gateway answers over HTTP itself: from an admitted request to the bytes of its answer. Knows no socket."""

import asyncio
import logging
import zlib
from collections.abc import Sequence
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import unquote

import httptools
import orjson

from modelyard.dataplane.captures import SpoolWriter
from modelyard.dataplane.errors import (
    EndpointNotReadyError,
    MethodNotAllowedError,
    RequestInvalidError,
    RouteNotFoundError,
    UnsupportedMediaTypeError,
)
from modelyard.dataplane.gateway.access import PROJECT_HEADER, project_of
from modelyard.dataplane.gateway.config import Limits, is_loopback
from modelyard.dataplane.gateway.decoder import Decoder
from modelyard.dataplane.gateway.dialect import (
    Dialect,
    EndpointView,
    Headers,
    InferenceCall,
    Operation,
    StreamCall,
    Target,
    UndecodedError,
    VersionView,
)
from modelyard.dataplane.gateway.fleet import Endpoint
from modelyard.dataplane.gateway.http.exchange import Connection, Exchange
from modelyard.dataplane.gateway.http.parts import HttpStream
from modelyard.dataplane.gateway.http.repeats import KnownHead
from modelyard.dataplane.gateway.http.responses import JSON, error_body, error_headers, render, status_of
from modelyard.dataplane.gateway.inference import Inference
from modelyard.dataplane.gateway.masking import Mask
from modelyard.dataplane.gateway.parts import StreamedAnswer
from modelyard.dataplane.gateway.pools.pool import VariantPool
from modelyard.dataplane.gateway.rates import RateLevels
from modelyard.dataplane.gateway.reports.exposition import CONTENT_TYPE, exposition
from modelyard.dataplane.gateway.reports.metrics import Snapshot
from modelyard.dataplane.gateway.reports.siblings import Siblings
from modelyard.dataplane.gateway.requests import PendingRequest, Served, StreamRequest
from modelyard.dataplane.gateway.signing import is_signed
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import InternalError, ModelyardError, OverloadedError, TooLargeError
from modelyard.runtimes.base import Ending

METRICS_PATH = "/metrics"

_OPEN_OPERATIONS = (Operation.SERVER_LIVE, Operation.SERVER_READY, Operation.PAGE)
_SIGNED = (Operation.INFER, Operation.ENDPOINT_READY)
_OK = 200
_INFER = Operation.INFER  # looking a member up costs the hot path more than a name of our own
_POSTED, _READ = (b"POST",), (b"GET", b"HEAD")
_CACHED_ROUTES = 4096
_HEAD = b"HTTP/1.1 200 OK\r\n%b%bx-modelyard-inference-id: "
_ANSWER = b"%b%b\r\ncontent-type: %b\r\n%bcontent-length: %d\r\n\r\n%b"
_logger = logging.getLogger(__name__)


class Route(NamedTuple):
    """A path that the gateway owns. `dialect` None and `target` set: /metrics; `target` None: no such path."""

    target: Target | None
    dialect: Dialect | None


class InferenceService(Inference):
    """Admits, parses, routes, answers and records inference requests that come over HTTP.

    Args:
        dialects: the wire formats.
        limits: what is taken on.
        spool: receives captures.
        siblings: the other gateways at the same port; None: there are none.
        levels: see Inference.

    Attributes:
        date_line: the Date header, renewed by `tick`.
    """

    def __init__(
        self,
        dialects: Sequence[Dialect],
        limits: Limits,
        spool: SpoolWriter,
        siblings: Siblings | None = None,
        levels: RateLevels | None = None,
        mask: Mask | None = None,
    ) -> None:
        super().__init__(limits, spool, levels, mask)
        self._siblings = siblings
        self.max_request_bytes, self.max_buffered_bytes = limits.max_request_bytes, limits.max_buffered_bytes
        self.connections = 0
        self.date_line = b""
        self._heads: dict[Served, bytes] = {}  # of answers, until the next second
        self.decoder = Decoder(limits.max_request_bytes)
        self._dialects = tuple(dialects)
        self._routes: dict[bytes, Route | None] = {}
        self._due: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.tick()

    def tick(self) -> None:
        """See Inference."""
        super().tick()
        if self._siblings is not None and self._siblings.is_due(self.now):
            self._siblings.tell(self._snapshot())
        date_line = f"date: {formatdate(usegmt=True)}\r\n".encode()
        if date_line != self.date_line:
            self.date_line = date_line
            self._heads.clear()

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

    def leaves(self, route: Route, fields: Headers) -> bool:
        """Whether control answers after all: a signed request for an endpoint that may be made of several.

        Or for an AWS service that has paths beside those of the data plane, as Polly's /v1/voices.
        """
        target, dialect = route
        if target is not None and (dialect is None or not dialect.composes or target.operation is not _INFER):
            return False
        authorization = fields.get(b"authorization", b"")
        if not is_signed(authorization):
            return False
        if target is None or dialect is None:
            return True
        try:
            holder = self.access.signer(self.access.claim(authorization, fields), fields)
            project = project_of(holder, fields.get(PROJECT_HEADER))
        except ModelyardError:  # `admit` says what is wrong
            return False
        if self.fleet.has(project, target.endpoint):
            return False
        return not self.fleet.is_ready(project, dialect.part(target, fields))  # until then control holds the request

    def admit(self, exchange: Exchange) -> None:
        """Check what the headers tell, before the body is read.

        Raises:
            ModelyardError: the request is refused.
        """
        target, fields = exchange.target, exchange.fields
        if target is None:
            raise RouteNotFoundError("the data plane has no such path", hint="See the reference of the serving API.")
        operation = target.operation
        is_inference = operation is _INFER or operation is Operation.INFER_NAMED
        methods = _POSTED if is_inference else _READ
        if exchange.method not in methods:
            allowed = b", ".join(methods).decode()
            raise MethodNotAllowedError(exchange.method.decode("ascii", "replace"), "this path", allowed)
        if is_inference or (operation not in _OPEN_OPERATIONS and not self._is_local_metrics(exchange)):
            self._identify(exchange)
        size = int(fields.get(b"content-length", b"0"))
        if size > self.max_request_bytes:
            raise self.too_large(size)

    def admit_again(self, exchange: Exchange, known: KnownHead) -> None:
        """Admit a request whose head was admitted before on its connection: tokens may have changed since.

        Its size is checked as its body is taken.
        """
        if known.epoch == self.epoch:
            exchange.caller, exchange.endpoint = known.caller, known.endpoint
            return
        try:
            self._identify(exchange)
        except ModelyardError as error:
            exchange.error = error

    def remember(self, exchange: Exchange, known: KnownHead) -> None:
        """Keep what the request with this head came to until that may be another: 1 us less for the next one."""
        is_told_by_head = exchange.target is not None and exchange.target.operation is _INFER
        if is_told_by_head and exchange.caller is not None and exchange.endpoint is not None:
            known.caller, known.endpoint, known.epoch = exchange.caller, exchange.endpoint, self.epoch

    def _identify(self, exchange: Exchange) -> None:
        """Who sent a request, by its token; of one that was signed, who says so: `complete` has it proven."""
        authorization = exchange.fields.get(b"authorization")
        if is_signed(authorization) and exchange.target is not None and exchange.target.operation in _SIGNED:
            assert authorization is not None  # noqa: S101 - it is signed
            exchange.claim = self.access.claim(authorization, exchange.fields)
        else:
            exchange.caller = self.access.authenticate(authorization)

    def refuse_size(self, exchange: Exchange) -> None:
        """A body has become too large for the limit of one request, or for that of all."""
        if exchange.received_bytes > self.max_request_bytes:
            exchange.connection.refuse(self.too_large(exchange.received_bytes))
        else:
            exchange.error = OverloadedError(
                "the gateway holds as much unanswered input as it may", hint="Send it again, or send smaller batches."
            )
            exchange.release()

    def complete(self, exchange: Exchange) -> None:
        """The whole request is here: answer it, or start to."""
        if exchange.error is not None:
            self.fail(exchange, exchange.error)
            return
        try:
            assert exchange.target is not None  # noqa: S101 - `admit` refused it otherwise
            if exchange.claim is not None:
                exchange.caller = self.access.prove(
                    exchange.claim, exchange.method, exchange.url, exchange.fields, exchange.body
                )
            if exchange.target.operation is _INFER:
                self._infer(exchange, exchange.target)
            else:
                self._describe(exchange, exchange.target)
        except ModelyardError as error:
            self.fail(exchange, error)
        except Exception:
            _logger.exception("a request could not be handled")
            self.fail(exchange, InternalError("the gateway failed on this request", hint="See the gateway's log."))

    def write_soon(self, connection: Connection) -> None:
        """Let a connection write its answers at the end of this turn of the event loop.

        All answers of a batch go out in one burst then. Written one by one as they are made, each would wake a client
        that has just fallen asleep again: a third of all CPU time at 64 connections.
        """
        if not self._due:
            asyncio.get_running_loop().call_soon(self._write_due)
        self._due.append(connection)

    def _write_due(self) -> None:
        due, self._due = self._due, []
        for connection in due:
            connection.advance()

    def answered(
        self, exchange: Exchange, request: PendingRequest, outputs: Sequence[OutputRows], served: Served
    ) -> None:
        """Write an answer."""
        endpoint, holder = exchange.endpoint, exchange.caller
        assert endpoint is not None and holder is not None  # noqa: S101, PT018 - set before it was submitted
        try:
            reply, inference_id, view = self.answer(endpoint, holder, request, outputs, served, exchange.received_bytes)
        except InternalError as error:
            self.fail(exchange, error, request)
            return
        if reply.status != _OK:
            lines = b"%bx-modelyard-inference-id: %b\r\n%b" % (view.headers, inference_id.encode(), reply.headers)
            self._respond(exchange, reply.status, reply.body, content_type=reply.content_type, headers=lines)
            return
        head = self._heads.get(served)
        if head is None:
            head = self._heads[served] = _HEAD % (self.date_line, view.headers)
        more, content = reply.headers, reply.body
        if exchange.is_last or exchange.connection.is_closing_soon:
            more += b"connection: close\r\n"
        exchange.respond(_ANSWER % (head, inference_id.encode(), reply.content_type, more, len(content), content))

    def part(self, exchange: Exchange, request: StreamRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """Write a part of an answer."""
        try:
            stream = exchange.stream or self._begin_stream(exchange, request, served)
            stream.part(outputs)
            exchange.written()
        except InternalError as error:
            request.cancel()
            self.fail(exchange, error, request)

    def ended(self, exchange: Exchange, request: StreamRequest, ending: Ending, served: Served) -> None:
        """Write the end of an answer in parts."""
        try:
            stream = exchange.stream or self._begin_stream(exchange, request, served)
            stream.end(ending)
            exchange.written()
        except InternalError as error:
            self.fail(exchange, error, request)

    def fail(self, exchange: Exchange, error: ModelyardError, request: PendingRequest | None = None) -> None:
        """Write an error."""
        self.failed(error.code, exchange.endpoint, request)
        extra = exchange.dialect.error_fields(error) if exchange.dialect else None
        if exchange.stream is not None:  # the status is out already
            exchange.stream.fail(error_body(error, extra))
            exchange.written()
            return
        refusal = exchange.dialect.refusal(error, exchange.fields) if exchange.dialect else None
        if refusal is not None:
            self._respond(exchange, refusal.status, refusal.body, headers=refusal.headers)
            return
        lines = b"".join(b"%b: %b\r\n" % header for header in error_headers(error))
        self._respond(exchange, status_of(error), error_body(error, extra), headers=lines)

    def _snapshot(self) -> Snapshot:
        pools = [(each.project, each.name, pool) for each in self.fleet for pool in each.pools.values()]
        return self.metrics.snapshot(pools, self.connections, self.spool.written, self.spool.dropped)

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
        return Route(None, owner) if owner and not any(each.leaves(path) for each in self._dialects) else None

    def _infer(self, exchange: Exchange, target: Target) -> None:
        assert exchange.dialect is not None and exchange.caller is not None  # noqa: S101, PT018 - `admit` saw to it
        endpoint = exchange.endpoint  # known already if the head is
        if endpoint is None:
            endpoint = exchange.endpoint = self._endpoint(exchange, target)
        exchange.caller.count_call()
        pool = endpoint.choose(exchange.dialect.version(target, exchange.fields))
        body = exchange.body
        if b"content-encoding" in exchange.fields:
            body = self._decompressed(exchange)
        try:
            call = exchange.dialect.parse(body, exchange.fields, pool.signature)
        except UndecodedError as undecoded:
            self._start_decoding(exchange, endpoint, pool, undecoded)
            return
        self._submit(exchange, call, endpoint, pool)

    def _decompressed(self, exchange: Exchange) -> bytes:
        encoding = exchange.fields.get(b"content-encoding", b"")
        return _decompressed(exchange.body, encoding.strip().lower(), self.max_request_bytes)

    def _submit(self, exchange: Exchange, call: InferenceCall, endpoint: Endpoint, pool: VariantPool) -> None:
        assert exchange.caller is not None  # noqa: S101 - `admit` saw to it
        if isinstance(call, StreamCall):
            exchange.request = self.submit_stream(call, endpoint, pool, exchange, exchange.caller)
        else:
            exchange.request = self.submit(call, endpoint, pool, exchange, exchange.caller)

    def _begin_stream(self, exchange: Exchange, request: StreamRequest, served: Served) -> HttpStream:
        endpoint, holder = exchange.endpoint, exchange.caller
        assert endpoint is not None and holder is not None  # noqa: S101, PT018 - set before it was submitted
        answer = StreamedAnswer(self, endpoint, holder, request, served, exchange.received_bytes)
        exchange.is_last = exchange.is_last or exchange.connection.is_closing_soon or not exchange.takes_chunks
        lines = (
            _HEAD % (self.date_line, answer.view.headers) + answer.inference_id.encode() + b"\r\n",
            b"content-type: %b\r\n" % answer.writer.content_type + answer.writer.headers,
            b"connection: close\r\n" if exchange.is_last else b"",
            b"transfer-encoding: chunked\r\n\r\n" if exchange.takes_chunks else b"\r\n",
        )
        exchange.stream = HttpStream(answer, request, b"".join(lines), is_chunked=exchange.takes_chunks)
        return exchange.stream

    def _start_decoding(
        self, exchange: Exchange, endpoint: Endpoint, pool: VariantPool, undecoded: UndecodedError
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._decode(exchange, endpoint, pool, undecoded))
        self._tasks.add(task)  # the loop itself keeps no strong reference
        task.add_done_callback(self._tasks.discard)
        exchange.decoding = task

    async def _decode(
        self, exchange: Exchange, endpoint: Endpoint, pool: VariantPool, undecoded: UndecodedError
    ) -> None:
        """Have a body decoded outside this process, then go on with it as with any other."""
        assert exchange.caller is not None  # noqa: S101 - `admit` saw to it
        try:
            call = undecoded.finish(await self.decoder.decode(undecoded.job, self.limits.deadline_seconds))
            self._submit(exchange, call, endpoint, pool)
        except ModelyardError as error:
            self.fail(exchange, error)
        except Exception:
            _logger.exception("a decoded request could not be handled")
            self.fail(exchange, InternalError("the gateway failed on this request", hint="See the gateway's log."))
        finally:
            exchange.decoding = None

    def _endpoint(self, exchange: Exchange, target: Target) -> Endpoint:
        assert exchange.caller is not None  # noqa: S101 - `admit` saw to it
        name, sent = target.endpoint, exchange.fields.get(PROJECT_HEADER)
        if exchange.dialect is not None:
            if self.fleet.has(project_of(exchange.caller, sent), name):
                exchange.dialect.check_whole(target, exchange.fields)
            else:
                name = exchange.dialect.part(target, exchange.fields) or name
        return self.find(exchange.caller, sent, name)

    def _endpoints(self, exchange: Exchange) -> list[Endpoint]:
        assert exchange.caller is not None  # noqa: S101 - `admit` saw to it
        project = project_of(exchange.caller, exchange.fields.get(PROJECT_HEADER))
        return [endpoint for endpoint in self.fleet if endpoint.project == project and not endpoint.is_stopped]

    def _describe(self, exchange: Exchange, target: Target) -> None:
        dialect, operation = exchange.dialect, target.operation
        if dialect is None:
            own = self._snapshot()
            snapshot = own if self._siblings is None else self._siblings.sum(own)
            self._respond(exchange, 200, exposition(snapshot), content_type=CONTENT_TYPE)
        elif operation is Operation.SERVER_LIVE:
            self._respond(exchange, 200, b'{"live":true}')
        elif operation is Operation.SERVER_READY:
            if not self.has_table:
                raise EndpointNotReadyError("the gateway has no routing table yet", hint="Control writes it at start.")
            self._respond(exchange, 200, b'{"ready":true}')
        elif operation is Operation.SERVER_METADATA:
            self._respond(exchange, 200, orjson.dumps(dialect.describe_server()))
        elif operation is Operation.INFER_NAMED:
            self._infer(exchange, dialect.locate(self._decompressed(exchange)))
        elif operation is Operation.ENDPOINTS:
            views = [view_of(each, each.primary()) for each in self._endpoints(exchange) if each.pools]
            self._respond(exchange, 200, orjson.dumps(dialect.describe_endpoints(views)))
        elif operation is Operation.STREAM:
            raise RequestInvalidError("this path is a WebSocket", hint="Open it with a WebSocket client (ws://).")
        elif operation is Operation.PAGE:
            page = dialect.page(target)
            self._respond(exchange, 200, page.body, content_type=page.content_type, headers=page.headers)
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
        view = view_of(endpoint, pool)
        self._respond(exchange, 200, orjson.dumps(dialect.describe_endpoint(target, view)))

    def _respond(
        self, exchange: Exchange, status: int, body: bytes, *, content_type: bytes = JSON, headers: bytes = b""
    ) -> None:
        is_close = exchange.is_last or exchange.connection.is_closing_soon
        payload = render(
            status, body, content_type=content_type, headers=headers, date=self.date_line, is_close=is_close
        )
        exchange.respond(payload[: len(payload) - len(body)] if exchange.method == b"HEAD" else payload)

    def _is_local_metrics(self, exchange: Exchange) -> bool:
        """/metrics needs no token from this machine, unless a proxy on this machine speaks for somebody else."""
        is_forwarded = b"x-forwarded-for" in exchange.fields or b"forwarded" in exchange.fields
        return exchange.dialect is None and not is_forwarded and is_loopback(exchange.connection.peer_host)


def view_of(endpoint: Endpoint, pool: VariantPool) -> EndpointView:
    """An endpoint as dialects describe it; `pool` serves the version that was asked about."""
    versions = [VersionView(str(each.number), each.is_live) for each in endpoint.pools.values()]
    return EndpointView(endpoint.name, str(pool.number), versions, pool.signature)


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
