"""Requests and answers with the keys that the platform's own store has: see control.buckets.keys."""

import hashlib
import re
from dataclasses import replace
from urllib.parse import parse_qsl, quote, unquote, urlencode

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from modelyard.control.buckets.keys import EMPTY, named
from modelyard.facades.aws.s3.bodies import after, gathered
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.verification import UNSIGNED

_COPY_SOURCE = b"x-amz-copy-source"
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_EMPTY = re.compile(rb"(?:(?<=[>/])|(?<=%2F))" + re.escape(EMPTY).encode() + rb"(?=/|%2F)")  # a whole part
_TOKEN = re.compile(rb"(<(?:Next)?ContinuationToken>[^<]*<)")
_MOST_KEYS_BYTES = 4 << 20
_OF_BODY = (b"content-length", b"content-md5", b"x-amz-checksum-", b"x-amz-sdk-checksum", b"x-amz-content-sha256")
_OK = range(200, 300)
_IN_QUERY = ("prefix", "marker", "key-marker", "start-after")


def with_named_parts(scope: Scope, request: WireRequest) -> tuple[Scope, WireRequest]:
    """A request whose keys, in path, query and the source of a copy, are those of the store.

    Raises:
        KeyReservedError: see `named`.
    """
    headers = [
        (name, _of_source(value.decode("latin-1")).encode("latin-1") if name == _COPY_SOURCE else value)
        for name, value in scope["headers"]
    ]
    changed = replace(
        request,
        raw_path=_of_path(request.raw_path),
        raw_query=_of_query(request.raw_query),
        headers=Headers(raw=headers),
    )
    return {**scope, "headers": headers}, changed


def _of_path(path: str) -> str:
    """`bucket/key`, perhaps behind a slash, as a URL has it: its slashes may be encoded too."""
    decoded = unquote(path, "latin-1")  # each byte is a character
    before = "/" if decoded.startswith("/") else ""
    bucket, slash, key = decoded.removeprefix("/").partition("/")
    changed = f"{before}{bucket}{slash}{named(key)}"
    return path if changed == decoded else quote(changed, encoding="latin-1")


def _of_source(source: str) -> str:
    path, version, number = source.partition("?versionId=")
    return f"{_of_path(path)}{version}{number}"


def _of_query(query: str) -> str:
    """As it was, unless a key in it has an empty part: clients have signed its bytes for us alone."""
    pairs = parse_qsl(query, keep_blank_values=True)
    changed = [(name, named(text) if name in _IN_QUERY else text) for name, text in pairs]
    return query if changed == pairs else urlencode(changed, quote_via=quote)


async def deletion_with_named_parts(
    scope: Scope, request: WireRequest, body: Receive
) -> tuple[Scope, WireRequest, Receive]:
    """DeleteObjects, whose keys are in its body. The store cannot check another body than the client has signed.

    Raises:
        AwsError: the body is not what the client has signed, is too long, or in chunks that have keys with empty parts.
        KeyReservedError: see `named`.
    """
    message = await gathered(body, _MOST_KEYS_BYTES)
    content, signed = message["body"], request.headers.get("x-amz-content-sha256", UNSIGNED)
    if message.get("more_body"):
        raise AwsError("MalformedXML", f"The request has more than {_MOST_KEYS_BYTES} bytes. Name fewer keys in it.")
    changed = _KEY.sub(_named_match, content)
    if changed == content:
        return scope, request, after(message, body)
    if signed.startswith("STREAMING-"):
        raise AwsError("InvalidRequest", "Keys with empty parts are not deleted in chunks. Send the body in one piece.")
    if signed != UNSIGNED and hashlib.sha256(content).hexdigest() != signed:
        told = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise AwsError("XAmzContentSHA256Mismatch", told)
    headers = [pair for pair in scope["headers"] if not pair[0].startswith(_OF_BODY)]
    headers += [
        (b"content-length", str(len(changed)).encode()),
        (b"x-amz-content-sha256", hashlib.sha256(changed).hexdigest().encode()),
    ]
    told_anew = replace(request, headers=Headers(raw=headers))
    return {**scope, "headers": headers}, told_anew, after({**message, "body": changed}, body)


def _named_match(found: re.Match[bytes]) -> bytes:
    return f"<Key>{named(found[1].decode('latin-1'))}</Key>".encode("latin-1")


class PlainKeys:
    """Passes an answer on; one in XML with the keys as clients know them.

    Args:
        send: the client's.
        is_object: the answer is an object, which may be XML itself, unless it is an error.
    """

    def __init__(self, send: Send, *, is_object: bool) -> None:
        self._send = send
        self._is_object = is_object
        self._start: Message | None = None
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        """See ASGI."""
        if message["type"] == "http.response.start" and self._has_keys(message):
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            await self._finish(self._start, _told(b"".join(self._parts)))

    async def _finish(self, start: Message, content: bytes) -> None:
        kept = [pair for pair in start["headers"] if pair[0].lower() not in (b"content-length", b"transfer-encoding")]
        await self._send({**start, "headers": [*kept, (b"content-length", str(len(content)).encode())]})
        await self._send({"type": "http.response.body", "body": content, "more_body": False})

    def _has_keys(self, start: Message) -> bool:
        headers = {name.lower(): value for name, value in start["headers"]}
        is_xml = b"xml" in headers.get(b"content-type", b"") and b"content-encoding" not in headers
        return is_xml and not (self._is_object and start["status"] in _OK)


def _told(content: bytes) -> bytes:
    """An answer with the keys that clients know. Tokens come back to the store as it has written them."""
    parts = _TOKEN.split(content)
    parts[::2] = [_EMPTY.sub(b"", part) for part in parts[::2]]
    return b"".join(parts)
