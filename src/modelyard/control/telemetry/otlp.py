"""The wire form of OTLP over HTTP: protobuf or JSON in, the same out. Knows nothing of what is sent.

Source: OpenTelemetry Protocol Specification 1.x, "OTLP/HTTP". In its JSON form trace and span ids are hex, where
protobuf's own JSON has base64. The libraries are the extra `otlp`, imported when a request comes.
"""

import base64
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.control.telemetry.errors import OtlpInvalidError, OtlpUnavailableError

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_MAXIMUM_BYTES = 64 << 20
_ID_BYTES = (8, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A span, an event of a span, or a log record: its name, attributes (as plain values) and times in nanoseconds."""

    name: str
    id: str
    attributes: Mapping[str, Any]
    start_ns: int
    end_ns: int


def spans(body: bytes, content_type: str, encoding: str) -> list[Item]:
    """Spans and their events.

    Raises:
        OtlpInvalidError: it is no export request for traces.
        OtlpUnavailableError: the libraries are not installed.
    """
    request = _parsed("trace", "ExportTraceServiceRequest", body, content_type, encoding)
    found = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
    return [item for span in found for item in _span_items(span)]


def log_records(body: bytes, content_type: str, encoding: str) -> list[Item]:
    """Log records. Raises as `spans`."""
    request = _parsed("logs", "ExportLogsServiceRequest", body, content_type, encoding)
    found = [record for each in request.resource_logs for scope in each.scope_logs for record in scope.log_records]
    return [
        Item(
            name=record.event_name,
            id=_hex(record.span_id),
            attributes=_plain(record.attributes),
            start_ns=record.time_unix_nano or record.observed_time_unix_nano,
            end_ns=record.time_unix_nano or record.observed_time_unix_nano,
        )
        for record in found
    ]


def answer(signal: str, rejected: int, message: str, content_type: str) -> bytes:
    """The export response; with a partial success if some were rejected."""
    module, response = _service(signal), {"trace": "ExportTraceServiceResponse", "logs": "ExportLogsServiceResponse"}
    made = getattr(module, response[signal])()
    if rejected or message:
        name = "rejected_spans" if signal == "trace" else "rejected_log_records"
        setattr(made.partial_success, name, rejected)
        made.partial_success.error_message = message
    if _kind(content_type) == PROTOBUF:
        return bytes(made.SerializeToString())
    from google.protobuf import json_format  # noqa: PLC0415 - an extra

    return str(json_format.MessageToJson(made, indent=None)).encode()


def _parsed(signal: str, name: str, body: bytes, content_type: str, encoding: str) -> Any:
    request = getattr(_service(signal), name)()
    from google.protobuf import json_format, message  # noqa: PLC0415 - an extra, known to be there now

    content = _decompressed(body, encoding)
    try:
        if _kind(content_type) == PROTOBUF:
            request.ParseFromString(content)
        else:
            json_format.Parse(content.decode(), request, ignore_unknown_fields=True)
    except (message.Error, json_format.Error, ValueError, RecursionError) as error:
        raise _invalid(error) from error
    return request


def _kind(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        raise OtlpInvalidError(f"'{content_type[:80]}' is no media type of OTLP", hint=f"Send {PROTOBUF} or {JSON}.")
    return kind


def _service(signal: str) -> Any:
    try:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415 - an extra
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415
    except ImportError as error:
        raise OtlpUnavailableError("OpenTelemetry is not installed", hint="pip install 'modelyard[otlp]'") from error
    return trace_service_pb2 if signal == "trace" else logs_service_pb2


def _decompressed(body: bytes, encoding: str) -> bytes:
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() != "gzip":
        raise OtlpInvalidError(f"'{encoding[:40]}' is no encoding of OTLP", hint="Send gzip, or none.")
    unpacking = zlib.decompressobj(31)
    try:
        content = unpacking.decompress(body, _MAXIMUM_BYTES)
    except zlib.error as error:
        raise _invalid(error) from error
    if not unpacking.eof:
        raise OtlpInvalidError("the body is cut off or unpacks to too much", hint="Send fewer items in a request.")
    return content


def _span_items(span: Any) -> Iterator[Item]:
    span_id = _hex(span.span_id)
    yield Item(
        name=span.name,
        id=span_id,
        attributes=_plain(span.attributes),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
    )
    for event in span.events:
        at = event.time_unix_nano
        yield Item(name=event.name, id=span_id, attributes=_plain(event.attributes), start_ns=at, end_ns=at)


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _plain(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def _hex(id: bytes) -> str:
    """An id as hex: from protobuf its bytes, from JSON the hex digits that were taken for base64."""
    return id.hex() if len(id) in _ID_BYTES or not id else base64.b64encode(id).decode()


def _invalid(error: Exception) -> OtlpInvalidError:
    return OtlpInvalidError(f"the body is no OTLP export request: {error}", hint="Use an OpenTelemetry SDK's exporter.")
