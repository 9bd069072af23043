"""What is recognised without the parser is what the parser would have read, and nothing else is recognised."""

from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dataplane.gateway.dialect import Operation, Target
from modelyard.dataplane.gateway.http.repeats import KnownHead, learn

HEAD = (
    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: here:8000\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nAuthorization: Bearer x-12\r\n\r\n"
)


class Parsed:
    """Everything that the parser says about some bytes; `messages` that are whole, as (url, headers, body)."""

    def __init__(self, data: bytes) -> None:
        self.messages: list[tuple[bytes, dict[bytes, bytes], bytes]] = []
        self.is_last = False
        self.takes_chunks = True
        self.target, self.dialect, self.error = Target(Operation.INFER), None, None
        self.is_broken = False
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.is_broken = True
        self.fields = self.messages[-1][1] if self.messages else {}

    def on_message_begin(self) -> None:
        self.url, self.headers, self.body = b"", {}, b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.method = self.parser.get_method()
        self.is_last = not self.parser.should_keep_alive()
        self.takes_chunks = self.parser.get_http_version() == "1.1"

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages.append((self.url, self.headers, self.body))


def request(body: bytes) -> bytes:
    return HEAD % len(body) + body


def learned(data: bytes) -> KnownHead | None:
    exchange: Any = Parsed(data)
    return learn(data, exchange) if exchange.messages else None


KNOWN = learned(request(b"[1, 2]"))
assert KNOWN is not None


def fields_of(data: bytes, start: int) -> dict[bytes, bytes]:
    return {**KNOWN.fields, b"content-length": b"%d" % (len(data) - start)}


@given(st.binary(max_size=2000))
def test_the_same_head_with_any_body_is_recognised(body: bytes):
    data = request(body)
    start = KNOWN.body_start(data)
    assert [(fields_of(data, start), data[start:])] == [(fields, text) for _, fields, text in Parsed(data).messages]


mutations = st.lists(
    st.tuples(
        st.integers(0, 220),
        st.integers(0, 4),
        st.sampled_from([b"", b"\r\n", b"0", b"9", b" ", b"X: y\r\n"]) | st.binary(max_size=3),
    ),
    max_size=3,
)


@given(st.binary(max_size=30), mutations)
def test_whatever_else_is_recognised_the_parser_reads_just_so(body: bytes, changes: list[tuple[int, int, bytes]]):
    data = request(body)
    for position, removed, added in changes:
        data = data[:position] + added + data[position + removed :]
    start = KNOWN.body_start(data)
    if not start:
        return
    parsed = Parsed(data)
    assert not parsed.is_broken
    assert len(parsed.messages) == 1
    url, fields, read = parsed.messages[0]
    assert (url, read, fields_of(data, start)) == (b"/v2/models/m/infer", data[start:], fields)


@pytest.mark.parametrize(
    "data",
    [
        request(b"a")[:-1],  # cut off
        request(b"a") + b"b",  # more than it says
        request(b"a") + request(b"a"),  # two at once
        request(b"").replace(b"Content-Length: 0\r\n", b""),  # no length
        request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        request(b"a").replace(b"Host", b"Connection: close\r\nHost"),
        request(b"a").replace(b"Host", b"Expect: 100-continue\r\nHost"),
    ],
)
def test_only_a_whole_plain_request_teaches_a_head(data: bytes):
    assert learned(data) is None


def test_a_length_that_is_no_plain_number_is_left_to_the_parser():
    for digits in (b"+1", b"-1", b"0x1", b"1_0", b" 1", b"1 ", "\u0661".encode(), b"", b"1" * 20):
        assert KNOWN.body_start(KNOWN.before + digits + KNOWN.after + b"a") == 0


def test_nothing_but_the_right_number_stands_where_the_length_does():
    for size in range(120):
        body = b"x" * size
        for text in (b"", *(bytes([byte]) for byte in range(256)), b"%d" % (size + 1), b"0%d" % size):
            start = KNOWN.body_start(KNOWN.before + text + KNOWN.after + body)
            assert bool(start) == (text == b"%d" % size)
