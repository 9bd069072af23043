"""Calls of models that read and write whole bodies: inference containers and script handlers."""

import struct
from collections.abc import Sequence

import numpy as np
import orjson

from modelyard.dataplane.gateway.dialect import (
    AnswerContext,
    Headers,
    InferenceCall,
    Reply,
    StreamCall,
    StreamWriter,
)
from modelyard.dataplane.tensors import OutputRows, WireTensor, strings_of
from modelyard.protocols.invocations import aws
from modelyard.protocols.invocations.eventstream import MEDIA_TYPE, exception, payload_part
from modelyard.runtimes.base import Ending
from modelyard.types.serving.bodies import ACCEPT, ATTRIBUTES, BODY, CONTENT_TYPE, TARGET
from modelyard.types.signatures import DataType
from modelyard.types.tensors import CapturedBodies

_LENGTH = struct.Struct("<I")
_OK = range(200, 300)
_SHOWN_BYTES = 2048
_CONTENT_HEADER = b"x-amzn-sagemaker-content-type: %b\r\n"


def body_inputs(body: bytes, headers: Headers) -> tuple[WireTensor, ...]:
    """The inputs of BODY_SIGNATURE."""
    return (
        WireTensor(BODY, DataType.UINT8, (1, len(body)), body),
        _text(CONTENT_TYPE, headers.get(b"content-type", b"")),
        _text(ACCEPT, headers.get(b"accept", b"")),
        _text(ATTRIBUTES, headers.get(aws.ATTRIBUTES, b"")),
        _text(TARGET, headers.get(aws.TARGET_MODEL, b"")),
    )


class BodyCall(InferenceCall):
    """A body for the model, whose answer is the model's."""

    __slots__ = ("_body", "_headers")

    def __init__(self, body: bytes, headers: Headers) -> None:
        self.inputs = body_inputs(body, headers)
        self._body, self._headers = body, headers
        self.rows = 1
        self.timeout_seconds = None

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall: a failure that the model answered with is a ModelError."""
        body, content_type, attributes, status = _answer(outputs)
        if status not in _OK:
            refused = aws.model_error(status, body[:_SHOWN_BYTES].decode(errors="replace"))
            return Reply(b"application/json", refused.body, refused.headers, refused.status, status)
        lines = aws.answer_headers(inference_id, context) + aws.attribute_line(attributes)
        return Reply(content_type, body, lines)

    def bodies(self, reply: Reply) -> CapturedBodies | None:
        """See InferenceCall."""
        return aws.captured(self._body, self._headers, reply)


class EventStreamCall(StreamCall):
    """The same, its answer in parts as events. `call` writes each of them: a body call, or one of tensors."""

    __slots__ = ("_call",)

    def __init__(self, call: InferenceCall) -> None:
        self.inputs = call.inputs
        self.rows = call.rows
        self.timeout_seconds = call.timeout_seconds
        self._call = call

    def writer(self, inference_id: str, context: AnswerContext) -> "EventWriter":
        """See StreamCall."""
        return EventWriter(self._call, inference_id, context)


class EventWriter(StreamWriter):
    """Writes PayloadPart events."""

    content_type = MEDIA_TYPE

    def __init__(self, call: InferenceCall, inference_id: str, context: AnswerContext) -> None:
        self._call = call
        self._id, self._context = inference_id, context
        self._has_failed = False
        self.headers = aws.answer_headers(inference_id, context) + _CONTENT_HEADER % b"application/octet-stream"

    def part(self, outputs: Sequence[OutputRows]) -> bytes:
        """See StreamWriter: a status of failure ends the answer."""
        if self._has_failed:
            return b""
        reply = self._call.reply(outputs, self._id, self._context)
        if reply.status in _OK:
            return payload_part(reply.body) if reply.body else b""
        self._has_failed = True
        told = orjson.loads(reply.body)
        failure = {"Message": told["Message"], "ErrorCode": "StreamBroken"}
        return exception("ModelStreamError", orjson.dumps(failure))

    def end(self, ending: Ending) -> bytes:
        """See StreamWriter: the end of the connection's answer says it."""
        del ending
        return b""

    def failure(self, error_body: bytes) -> bytes:
        """See StreamWriter."""
        return exception("InternalStreamFailure", orjson.dumps(aws.stream_error(error_body)))


def _answer(outputs: Sequence[OutputRows]) -> tuple[bytes, bytes, str, int]:
    """Body, content type, attributes and status, in the order of BODY_SIGNATURE."""
    body, content_type, attributes, status = outputs
    (kind,), (told,) = strings_of(content_type), strings_of(attributes)
    number = int(np.frombuffer(status.data, np.int32)[0])
    return bytes(body.data), kind.encode("latin-1", "replace"), told, number


def _text(name: str, value: bytes) -> WireTensor:
    content = value.decode("latin-1").encode()
    return WireTensor(name, DataType.BYTES, (1,), _LENGTH.pack(len(content)) + content)
