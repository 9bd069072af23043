"""Uploads whose chunks are signed one by one, as AWS's SDKs for Java and .NET send them; boto3 does not.

Source: "Transferring payload in multiple chunks" and "with trailing headers" (S3 API Reference).
"""

import base64
import hashlib
import hmac
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import httpx

_NOTHING = hashlib.sha256(b"").hexdigest()
_CHUNK_BYTES = 64 << 10


def put_in_chunks(
    url: str,
    key: Sequence[str],
    path: str,
    content: bytes,
    *,
    has_trailer: bool = False,
    change: bytes = b"",
) -> httpx.Response:
    """Store an object.

    Args:
        url: of the platform.
        key: id and secret, perhaps a session token.
        path: bucket and key.
        content: of the object.
        has_trailer: whether its CRC32 comes after it.
        change: that the body begins with after it was signed, in place of what was signed.
    """
    sent = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if has_trailer else "")
    headers = {
        "content-encoding": "aws-chunked",
        "host": urlsplit(url).netloc,
        "x-amz-content-sha256": kind,
        "x-amz-date": sent,
        "x-amz-decoded-content-length": str(len(content)),
    }
    if has_trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    if key[2:]:
        headers["x-amz-security-token"] = key[2]
    names = sorted(headers)
    target = quote(f"/{path}")
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = f"PUT\n{target}\n\n{lines}\n{';'.join(names)}\n{kind}"
    signer = _Signer(key[1], sent)
    seed = signer.sign("", hashlib.sha256(canonical.encode()).hexdigest())
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key[0]}/{signer.scope}, SignedHeaders={';'.join(names)}, Signature={seed}"
    )
    body = signer.body(content, change, seed, has_trailer=has_trailer)
    return httpx.put(f"{url}{target}", content=body, headers=headers, timeout=60)


class _Signer:
    def __init__(self, secret: str, sent: str) -> None:
        self.scope = f"{sent[:8]}/us-east-1/s3/aws4_request"
        self._sent = sent
        self._key = f"AWS4{secret}".encode()
        for part in self.scope.split("/"):
            self._key = hmac.digest(self._key, part.encode(), "sha256")

    def sign(self, what: str, *lines: str) -> str:
        """Of a head, "-PAYLOAD" or "-TRAILER"."""
        text = "\n".join((f"AWS4-HMAC-SHA256{what}", self._sent, self.scope, *lines))
        return hmac.digest(self._key, text.encode(), "sha256").hex()

    def body(self, content: bytes, change: bytes, seed: str, *, has_trailer: bool) -> bytes:
        """In its framing."""
        framed, last = b"", seed
        starts = range(0, len(content), _CHUNK_BYTES)
        for chunk in (*(content[start : start + _CHUNK_BYTES] for start in starts), b""):
            last = self.sign("-PAYLOAD", last, _NOTHING, hashlib.sha256(chunk).hexdigest())
            framed += b"%x;chunk-signature=%b\r\n%b" % (len(chunk), last.encode(), chunk)
            framed += b"" if has_trailer and not chunk else b"\r\n"
        if has_trailer:
            checksum = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
            trailer = f"x-amz-checksum-crc32:{checksum}"
            last = self.sign("-TRAILER", last, hashlib.sha256(f"{trailer}\n".encode()).hexdigest())
            framed += f"{trailer}\r\nx-amz-trailer-signature:{last}\r\n\r\n".encode()
        if change:
            start = framed.index(b"\r\n") + 2
            framed = framed[:start] + change + framed[start + len(change) :]
        return framed
