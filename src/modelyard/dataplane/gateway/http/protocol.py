"""HTTP/1.1 connections: inference is answered right here, everything else by uvicorn's own ASGI path.

A subclass of uvicorn's protocol, so that parsing, flow control, TLS and the ASGI side stay uvicorn's. Added are: turns
(pipelined requests are answered in their order, whoever answers them), limits, time-outs, clients that close their half
early, and refusal of everything that two servers could read differently. Measured: answering in the protocol costs
9 us a request, an ASGI application 26.

Source: RFC 9112 (HTTP/1.1); sections 6 and 11 for message length and request smuggling.
"""

import asyncio
import fcntl
import sys
import termios
from collections import deque
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from modelyard.dataplane.errors import RequestInvalidError, RequestTimeoutError
from modelyard.dataplane.gateway.http.exchange import Exchange
from modelyard.dataplane.gateway.http.heads import (
    MAX_HEAD_BYTES,
    MAX_HEADER_BYTES,
    forget_repeated,
    has_body,
    head_too_large,
    problem_of,
)
from modelyard.dataplane.gateway.http.repeats import KnownHead, learn, request_line
from modelyard.dataplane.gateway.http.service import InferenceService
from modelyard.dataplane.gateway.http.streams import is_handshake, stream_protocol
from modelyard.errors import ModelyardError, OverloadedError

_MAX_TURNS = 64
_READ_THOUGH_REFUSED_BYTES = 64 << 10  # reading a refused body keeps the connection; worth it only for small ones
_LINGER_SECONDS = 2.0
_HALF_CLOSED_SECONDS = 1.0
_MAX_LESSONS = 32  # a client whose heads differ each time is not worth learning from
_IDLE, _HEAD, _BODY = range(3)


class _ApplicationTurn:
    """A request that the ASGI application answers when its turn comes."""

    __slots__ = ("application", "cycle")

    def __init__(self, cycle: RequestResponseCycle, application: Any) -> None:
        self.cycle = cycle
        self.application = application

    def abandon(self) -> None:
        """The client has gone."""
        if not self.cycle.response_complete:
            self.cycle.disconnected = True
        self.cycle.message_event.set()


class GatewayProtocol(HttpToolsProtocol):
    """One client connection."""

    def __init__(
        self,
        service: InferenceService,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.peer_host = ""
        self._service = service
        self._turns: deque[Exchange | _ApplicationTurn] = deque()
        self._receiving: Exchange | None = None
        self._opening: Exchange | None = None
        self._is_application = False
        self._phase = _IDLE
        self._continued_head_bytes = 0
        self._is_head_too_large = False
        self._takes_nothing_more = False
        self._is_ending = False
        self._lingers = False
        self._is_body_after_upgrade = self._is_replaying = False
        self._phase_since = self._progress_at = service.now
        self._is_write_paused = False
        self._unsent_bytes = 0
        self._known: dict[bytes, KnownHead] = {}  # by request line: a client may call many endpoints in turn
        self._read: Exchange | None = None
        self._lessons = _MAX_LESSONS

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.peer_host = self.client[0] if self.client else ""
        self._service.connections = len(self.connections)
        if len(self.connections) > self._service.limits.max_connections:
            self.refuse(OverloadedError("the gateway has too many connections", hint="Close idle ones."))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol: whatever the client still waited for is cancelled."""
        turns, self._turns, self._receiving = self._turns, deque(), None
        for turn in turns:
            turn.abandon()
        super().connection_lost(exc)
        self._service.connections = len(self.connections)

    def eof_received(self) -> bool:  # type: ignore[override]
        """See asyncio.Protocol: a client may close its half after its last request and wait for the answers.

        One that has gone for good looks just the same. So its requests get a second more: those in a queue lose their
        place then, and an application that is still answering is told that the client has gone.
        """
        self._takes_nothing_more = True
        if self._receiving is not None:  # it will never be whole
            self._turns.remove(self._receiving)
            self._receiving.abandon()
            self._receiving = None
        elif self._is_application and self._phase == _BODY:
            return False
        if not self._turns or self.transport.get_extra_info("sslcontext") is not None:
            return False
        self._is_ending = True
        for turn in self._turns:
            if isinstance(turn, Exchange) and turn.request is not None:
                turn.request.deadline = min(turn.request.deadline, self._service.now + _HALF_CLOSED_SECONDS)
            elif isinstance(turn, _ApplicationTurn):
                self.loop.call_later(_HALF_CLOSED_SECONDS, self.transport.close)
        return True

    def pause_writing(self) -> None:
        """See asyncio.Protocol: a client that does not read its answers gets no further requests read."""
        super().pause_writing()
        self._is_write_paused = True
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        self._is_write_paused = False
        self._resume_reading()
        if self._turns:
            self.advance()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._takes_nothing_more:
            return
        was_idle, was_head = self._phase == _IDLE, self._phase == _HEAD
        if was_idle and (known := self._known.get(request_line(data))) and (body_start := known.body_start(data)):
            self._repeat(known, data, body_start)
            return
        if self._phase == _BODY:
            self._phase_since = self._service.now if self._is_application else self._phase_since
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._opening is not None:
                self._open_stream(self._opening, data[upgrade.args[0] :])
                return
            self._ignore_upgrade()
            self.data_received(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            reason = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
            self.refuse(RequestInvalidError(f"this is no valid HTTP/1.1 request: {reason}", hint="Check the client."))
            return
        if was_head and self._phase == _HEAD:
            self._continued_head_bytes += len(data)
            if self._continued_head_bytes > MAX_HEAD_BYTES:
                self.refuse(head_too_large())
        if was_idle and self._read is not None and self._phase == _IDLE and self._lessons:
            self._learn(data, self._read)
        self._read = None

    # Parser

    def on_message_begin(self) -> None:
        """See httptools: a request's first byte."""
        if self._is_replaying:
            return
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._receiving, self._is_application = None, False
        self._phase, self._phase_since = _HEAD, self._service.now
        self._continued_head_bytes, self._is_head_too_large = 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if self._phase == _BODY or self._is_replaying:
            return  # a trailer, which nothing here reads
        if len(name) + len(value) > MAX_HEADER_BYTES:
            self._is_head_too_large = True
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """See httptools: decide who answers."""
        if self._is_replaying:
            return
        self._phase, self._phase_since = _BODY, self._service.now
        if self._takes_nothing_more:
            return
        fields = dict(self.headers)
        is_version_1_1, method = self.parser.get_http_version() == "1.1", self.parser.get_method()
        problem = (
            head_too_large()
            if self._is_head_too_large
            else problem_of(method, self.headers, fields, is_version_1_1=is_version_1_1)
        )
        if problem is not None:
            self.refuse(problem)
            return
        if len(fields) != len(self.headers):
            forget_repeated(self.headers, fields)
        is_upgrade = b"upgrade" in fields and self.parser.should_upgrade()
        self._is_body_after_upgrade = is_upgrade and has_body(fields)
        route = self._service.route(self.url)
        if route is None or self._service.leaves(route, fields):
            self._begin_application()
            return
        exchange = Exchange(self._service, self, route.target, route.dialect, method, fields, self.url)
        exchange.is_last = not (is_version_1_1 and self.parser.should_keep_alive())
        exchange.takes_chunks = is_version_1_1
        self._turns.append(exchange)
        self._receiving = exchange
        if not is_version_1_1:
            self.expect_100_continue = False  # RFC 9110 10.1.1: an older client does not wait for it
        self._admit(exchange)
        if is_upgrade and is_handshake(exchange) and len(self._turns) == 1 and not self._is_body_after_upgrade:
            self._turns.clear()
            self._receiving, self._opening = None, exchange

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if self._receiving is not None:
            self._receiving.take(body)
        elif self._is_application:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._is_body_after_upgrade:
            return  # the parser thinks that another protocol follows: see _ignore_upgrade
        self._phase, self._phase_since = _IDLE, self._service.now
        exchange = self._receiving
        if exchange is not None:
            self._receiving, self._read = None, exchange
            if exchange.is_last:
                self._takes_nothing_more = True
            if len(self._turns) > _MAX_TURNS:
                self.flow.pause_reading()
            self._service.complete(exchange)
        elif self._is_application:
            super().on_message_complete()
            if not self.cycle.keep_alive:
                self._takes_nothing_more = True

    def _learn(self, data: bytes, exchange: Exchange) -> None:
        self._lessons -= 1
        known = learn(data, exchange)
        if known is not None:
            self._known[request_line(data)] = known

    def _repeat(self, known: KnownHead, data: bytes, body_start: int) -> None:
        """A whole request whose head was read before: what the parser would do, without it."""
        exchange = Exchange(self._service, self, known.target, known.dialect, known.method, known.fields, b"")
        self._turns.append(exchange)
        self._receiving = exchange
        self._service.admit_again(exchange, known)
        exchange.take(data[body_start:])
        if self._receiving is exchange:  # else it was refused
            self.on_message_complete()
        self._read = None
        if known.epoch != self._service.epoch:
            self._service.remember(exchange, known)

    # Turns

    @property
    def is_closing_soon(self) -> bool:
        """See exchange.Connection."""
        return self._is_ending

    def advance(self) -> None:
        """See exchange.Connection."""
        turns = self._turns
        while turns:
            turn = turns[0]
            if isinstance(turn, _ApplicationTurn):
                self._start_application(turn)
                return
            if not self._write(turn):
                break
            turns.popleft()
            if self.transport.is_closing():
                return
            self.server_state.total_requests += 1
            if turn.is_last:
                self._end()
                return
        if self.flow.read_paused and not self._is_write_paused and len(turns) <= _MAX_TURNS:
            self._resume_reading()
        if turns:
            return
        if self._phase == _IDLE:
            self._phase_since = self._service.now
        if self._is_ending:
            self._end()

    def refuse(self, error: ModelyardError) -> None:
        """See exchange.Connection."""
        self._takes_nothing_more = self._lingers = True
        if self._is_application and self._phase == _BODY and not self.cycle.response_complete:
            self.transport.close()  # the application is already at work on the first part of it
            return
        exchange = self._receiving
        if exchange is None:
            exchange = Exchange(self._service, self, None, None, b"", {}, b"")
            self._turns.append(exchange)
        self._receiving = None
        exchange.is_last = True
        self._service.fail(exchange, error)

    def shutdown(self) -> None:
        """See uvicorn: finish what is under way and close."""
        self._is_ending = True
        for turn in self._turns:
            if isinstance(turn, _ApplicationTurn):
                turn.cycle.keep_alive = False
        if not self._turns:
            self.transport.close()

    def sweep(self) -> None:
        """Close what has been waiting for its client for too long; called about once a second."""
        limits, now = self._service.limits, self._service.now
        waited = now - self._phase_since
        unsent = self._unsent()
        if not unsent or unsent < self._unsent_bytes:
            self._progress_at = now
        self._unsent_bytes = unsent
        if now - self._progress_at > limits.receive_seconds:
            self.transport.abort()
        elif self._takes_nothing_more:
            return
        elif self._phase == _HEAD and waited > limits.header_seconds:
            self.refuse(_too_slow("its headers", limits.header_seconds))
        elif self._phase == _BODY and waited > limits.receive_seconds and not self.flow.read_paused:
            self.refuse(_too_slow("its body", limits.receive_seconds))
        elif self._phase == _IDLE and not self._turns and waited > limits.idle_seconds:
            self.transport.close()

    def on_response_complete(self) -> None:
        """See uvicorn: the application has answered."""
        self.server_state.total_requests += 1
        if self._turns:
            self._turns.popleft()
        if not self.transport.is_closing():
            self.advance()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """See uvicorn: called for every request of the application; it starts when its turn comes."""
        turn = _ApplicationTurn(cycle, app)
        self._turns.append(turn)
        if len(self._turns) == 1:
            self._start_application(turn)
        else:
            self.flow.pause_reading()

    def _start_application(self, turn: _ApplicationTurn) -> None:
        if turn.application is not None:
            application, turn.application = turn.application, None
            super()._start_asgi_task(turn.cycle, application)

    def _begin_application(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        self.cycle = None  # type: ignore[assignment] # the turns decide when it starts, not the cycle before it
        self._is_application = True
        super().on_headers_complete()

    def _admit(self, exchange: Exchange) -> None:
        try:
            self._service.admit(exchange)
        except ModelyardError as error:
            if (
                self.expect_100_continue
                or int(exchange.fields.get(b"content-length", b"0")) > _READ_THOUGH_REFUSED_BYTES
            ):
                self.refuse(error)
            else:
                exchange.error = error
            return
        if self.expect_100_continue:
            exchange.wants_continue = True
            if self._turns[0] is exchange:
                self._continue(exchange)

    def _write(self, exchange: Exchange) -> bool:
        """Write what is known of an answer; True if that was all of it.

        Of an answer in parts, as many as the client takes now: the transport says when it takes more.
        """
        transport, stream = self.transport, exchange.stream
        if stream is not None:
            while not self._is_write_paused and not transport.is_closing() and stream.write_next(transport):
                pass
            return stream.is_written
        if exchange.payload is None:
            self._continue(exchange)
            return False
        if not transport.is_closing():
            transport.write(exchange.payload)
        return True

    def _continue(self, exchange: Exchange) -> None:
        if exchange.wants_continue and exchange is self._receiving:
            exchange.wants_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _unsent(self) -> int:
        """Bytes that the client has not taken yet; the kernel's part counts, or a slow reader would look like none."""
        buffered = self.transport.get_write_buffer_size()
        if not buffered:
            return 0
        queued = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4)
        return buffered + int.from_bytes(queued, sys.byteorder)

    def _resume_reading(self) -> None:
        self.flow.resume_reading()
        if self._phase != _IDLE:
            self._phase_since = self._service.now  # the time in which nobody read is not the client's

    def _end(self) -> None:
        """Close once everything is written.

        A client that is still sending would get a reset and lose the answer: it is given time to read it first
        (RFC 9112 9.6).
        """
        self._takes_nothing_more = True
        if self._lingers and self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

    def _open_stream(self, exchange: Exchange, rest: bytes) -> None:
        """Hand the connection over to the WebSocket protocol, which sees the handshake once more."""
        self.connections.discard(self)
        head = b"".join(b"%b: %b\r\n" % line for line in self.headers)
        protocol = stream_protocol(self._service, exchange, self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(b"GET %b HTTP/1.1\r\n%b\r\n%b" % (self.url, head, rest))

    def _ignore_upgrade(self) -> None:
        """Go on with HTTP/1.1 after a request that wished for another protocol, as RFC 9110 7.8 allows.

        The parser stops behind the head of such a request and never reads its body. Java's client wishes for HTTP/2
        with every first request, so the body is read all the same: by a new parser that was shown the same length.
        """
        self.parser = httptools.HttpRequestParser(self)
        if self._is_body_after_upgrade:
            lengths = [(n, v) for n, v in self.headers if n in (b"content-length", b"transfer-encoding")]
            head = b"".join(b"%b: %b\r\n" % line for line in lengths)
            self._is_replaying = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + head + b"\r\n")
            self._is_replaying = self._is_body_after_upgrade = False


def _too_slow(what: str, seconds: float) -> RequestTimeoutError:
    return RequestTimeoutError(f"the request did not send {what} within {seconds:g} s", hint="Send it again, faster.")
