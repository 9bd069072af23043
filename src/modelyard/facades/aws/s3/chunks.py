"""Bodies that are signed chunk by chunk, under the caller's key: checked here, and passed on without these signatures.

A store elsewhere does not know the caller's key, and no store knows a temporary one. A chunk goes on only once it is
proven, and the last one only once the end is: what was changed on its way is never stored.

Source: "Transferring payload in multiple chunks" and "with trailing headers" (S3 API Reference).
"""

import hashlib
import hmac
import re
from typing import Any

from starlette.types import Receive

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.signatures import Signature

PLAIN = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
"""What x-amz-content-sha256 says of such bodies."""

_HEAD = re.compile(rb"(?P<size>[0-9a-fA-F]{1,8});chunk-signature=(?P<signature>[0-9a-f]{64})")
_NOTHING = hashlib.sha256(b"").hexdigest()
_MOST_CHUNK_BYTES = 16 << 20
_MOST_LINE_BYTES = 8 << 10


class SignedChunks:
    """The body as the store is to get it, message by message: an ASGI `receive`.

    Args:
        receive: the body as it comes.
        signature: of the head; each chunk's is over the one before it.
        secret: of the access key.
        length: of the whole content, as the client has signed it.
        has_trailer: whether headers come after the body; they are passed on, in the framing that they need.
    """

    def __init__(self, receive: Receive, signature: Signature, secret: str, length: int, *, has_trailer: bool) -> None:
        self._receive = receive
        self._last = signature.value
        date = signature.timestamp[:8]
        self._scope = f"{signature.timestamp}\n{date}/{signature.region}/{signature.service}/aws4_request"
        key = f"AWS4{secret}".encode()
        for part in (date, signature.region, signature.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key
        self._left = length
        self._has_trailer = has_trailer
        self._buffer = bytearray()
        self._is_over = False
        self._held: bytes | None = None
        self._is_done = False

    async def __call__(self) -> Any:
        """See ASGI.

        Raises:
            AwsError: a chunk is not what the caller has signed, or the body is cut off.
        """
        if self._is_done:
            return await self._receive()
        while True:
            chunk = await self._chunk()
            if not chunk:
                return await self._end()
            before, self._held = self._held, chunk
            if before is not None:
                return {"type": "http.request", "body": self._framed(before), "more_body": True}

    async def _chunk(self) -> bytes:
        head = _HEAD.fullmatch(await self._line())
        if head is None:
            raise _incomplete("a chunk has no size and signature")
        size = int(head["size"], 16)
        if size > _MOST_CHUNK_BYTES:
            raise AwsError("InvalidChunkSizeError", f"A chunk may have {_MOST_CHUNK_BYTES >> 20} MiB at most.")
        chunk = await self._take(size)
        self._prove("PAYLOAD", f"{_NOTHING}\n{hashlib.sha256(chunk).hexdigest()}", head["signature"].decode())
        self._left -= size
        if size and await self._take(2) != b"\r\n":
            raise _incomplete("a chunk is longer than it says")
        return chunk

    async def _end(self) -> Any:
        """After the empty chunk: what was held back, and the trailer."""
        if self._left:
            raise _incomplete("it has not as many bytes as x-amz-decoded-content-length says")
        held = self._framed(self._held) if self._held is not None else b""
        tail = await self._trailer() if self._has_trailer else b""
        self._is_done = True
        return {"type": "http.request", "body": held + tail, "more_body": False}

    async def _trailer(self) -> bytes:
        lines: list[bytes] = []
        while line := await self._line():
            lines.append(line)
        signatures = [line for line in lines if line.lower().startswith(b"x-amz-trailer-signature:")]
        kept = [line for line in lines if line not in signatures]
        signed = b"".join(line + b"\n" for line in kept)
        value = signatures[0].partition(b":")[2].strip().decode("latin-1") if signatures else ""
        self._prove("TRAILER", hashlib.sha256(signed).hexdigest(), value)
        return b"0\r\n" + b"".join(line + b"\r\n" for line in kept) + b"\r\n"

    def _framed(self, chunk: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._has_trailer else chunk

    def _prove(self, what: str, digests: str, claimed: str) -> None:
        before = f"{self._last}\n"
        text = f"AWS4-HMAC-SHA256-{what}\n{self._scope}\n{before}{digests}"
        expected = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), claimed.encode()):
            raise AwsError(
                "SignatureDoesNotMatch", "A chunk of the body is not what the access key has signed.", status=403
            )
        self._last = expected

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MOST_LINE_BYTES:
                raise _incomplete("a line is too long")
            await self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _more(self) -> None:
        if self._is_over:
            raise _incomplete("it ends before its last chunk")
        message = await self._receive()
        if message["type"] != "http.request":
            raise _incomplete("the client has left")
        self._buffer += message.get("body", b"")
        self._is_over = not message.get("more_body", False)


def _incomplete(words: str) -> AwsError:
    return AwsError("IncompleteBody", f"The body that is signed chunk by chunk cannot be read: {words}.")
