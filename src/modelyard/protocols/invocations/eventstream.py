"""`application/vnd.amazon.eventstream`: messages with headers and checksums, one for each part of an answer.

Source: Amazon Transcribe Developer Guide, "Event stream encoding"; SageMaker runtime API, ResponseStream.
"""

import struct
import zlib
from collections.abc import Mapping

MEDIA_TYPE = b"application/vnd.amazon.eventstream"
_STRING = 7  # the type of a header's value
_FRAME_BYTES = 16  # two lengths and two checksums


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message."""
    head = b"".join(
        struct.pack(f">B{len(name)}sBH", len(name), name.encode(), _STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", _FRAME_BYTES + len(head) + len(payload), len(head))
    content = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return content + struct.pack(">I", zlib.crc32(content))


def payload_part(content: bytes) -> bytes:
    """A part of the answer."""
    headers = {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    return message(headers, content)


def exception(kind: str, payload: bytes) -> bytes:
    """An error after which nothing follows."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, payload)
