"""OTLP from outside: real SDK messages, protobuf and JSON, become feedback and captures; the rest is left alone."""

import gzip
import json
from dataclasses import replace

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.rest.pages import PageQuery
from modelyard.control.telemetry import otlp
from modelyard.control.telemetry.errors import OtlpInvalidError
from modelyard.control.telemetry.receiving import TelemetryReceiver
from modelyard.dataplane.gateway.masking import Mask
from modelyard.types.endpoints import CaptureRules, Masking

SPAN_ID = bytes(range(8))
START = 1_767_225_600 * 10**9


@pytest.fixture
def receiver(world) -> TelemetryReceiver:
    return TelemetryReceiver(world.endpoints, world.feedback, world.ingest, Mask(b"key"))


def attributes(item, **values) -> None:
    for name, value in values.items():
        attribute = item.attributes.add()
        attribute.key = f"modelyard.{name.replace('_', '.')}"
        if isinstance(value, list):
            for each in value:
                attribute.value.array_value.values.add().int_value = each
        elif isinstance(value, int):
            attribute.value.int_value = value
        else:
            attribute.value.string_value = value


def logs(*items: dict) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for each in items:
        attributes(records.add(), **each)
    return request


def spans(**values) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.name, span.span_id, span.trace_id = "predict", SPAN_ID, bytes(16)
    span.start_time_unix_nano, span.end_time_unix_nano = START, START + 7_000_000
    attributes(span, **values)
    return request


INFERENCE = {
    "endpoint": "points",
    "model": "points:1",
    "inputs": json.dumps({"numeric": [[0.5, None]]}),
    "outputs": json.dumps({"label": [1], "probabilities": [[0.1, 0.9]]}),
}


def test_spans_become_captures_once(world, receiver):
    body = spans(**INFERENCE).SerializeToString()
    for _ in range(2):  # an exporter that heard no answer sends again
        items = otlp.spans(gzip.compress(body), otlp.PROTOBUF, "gzip")
        assert receiver.take("default", items, body, "token-1") == []
    (shown,) = world.captures.list(BatchFilter(project="default", endpoint="points"), PageQuery()).items
    assert (shown.id, shown.variant, shown.model, shown.latency_ms) == (
        "inf-otlp-0001020304050607",
        "external",
        "points",
        7,
    )
    assert (shown.inputs, shown.outputs["label"]) == ({"numeric": [[0.5, None]]}, [1])


def test_json_and_protobuf_say_the_same(world):
    request = spans(**INFERENCE)
    text = json_format.MessageToDict(request)
    span = text["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["spanId"], span["traceId"] = SPAN_ID.hex(), "00" * 16  # the protocol's own rule for ids in JSON
    from_json = otlp.spans(json.dumps(text).encode(), "application/json; charset=utf-8", "")
    assert from_json == otlp.spans(request.SerializeToString(), otlp.PROTOBUF, "")


def test_log_records_and_events_become_feedback(world, receiver):
    request = logs(
        {"endpoint": "points", "inference_id": "a", "truth": [1, 0]},
        {"endpoint": "points", "inference_id": "b", "truth": "cat"},
        {"something": "else"},
    )
    body = request.SerializeToString()
    assert receiver.take("default", otlp.log_records(body, otlp.PROTOBUF, ""), body, "t") == []
    trace = spans(something="else")
    event = trace.resource_spans[0].scope_spans[0].spans[0].events.add()
    attributes(event, endpoint="points", inference_id="c", truth=3)
    body = trace.SerializeToString()
    assert receiver.take("default", otlp.spans(body, otlp.PROTOBUF, ""), body, "t") == []
    assert world.feedback.truths("default", "points", ["a", "b", "c"]) == {"a": [1, 0], "b": ["cat"], "c": [3]}


def test_what_cannot_be_taken_is_a_partial_success_with_reasons(world, receiver):
    request = logs(
        {"endpoint": "nobody", "inference_id": "a", "truth": 1},
        {"endpoint": "points", "truth": 1},
        {"endpoint": "points"},
        {"endpoint": "points", "model": "points", "outputs": "{}"},
        {"endpoint": "points", "model": "points:1", "outputs": "no json"},
        {"endpoint": "points", "model": "points:1", "outputs": '{"label": [1, 2], "probabilities": [[0, 1]]}'},
        {"endpoint": "points", "inference_id": "good", "truth": 1},
    )
    body = request.SerializeToString()
    faults = receiver.take("default", otlp.log_records(body, otlp.PROTOBUF, ""), body, "t")
    assert len(faults) == 6
    assert world.feedback.truths("default", "points", ["good"]) == {"good": [1]}
    answer = ExportLogsServiceResponse.FromString(otlp.answer("logs", len(faults), faults[0], otlp.PROTOBUF))
    assert answer.partial_success.rejected_log_records == 6
    assert "nobody" in answer.partial_success.error_message
    assert otlp.answer("trace", 0, "", otlp.JSON) == b"{}"


@pytest.mark.parametrize(
    ("body", "kind", "encoding"),
    [
        (b"\xff\xff", otlp.PROTOBUF, ""),
        (b"{", otlp.JSON, ""),
        (b"\xff", otlp.JSON, ""),
        (b"", "text/plain", ""),
        (b"", otlp.PROTOBUF, "br"),
        (b"no gzip", otlp.PROTOBUF, "gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], otlp.PROTOBUF, "gzip"),
    ],
)
def test_bodies_of_another_kind_are_refused(body, kind, encoding):
    with pytest.raises(OtlpInvalidError):
        otlp.log_records(body, kind, encoding)


def test_personal_columns_are_masked_here_too(world, receiver):
    known = world.endpoints.known["points"]
    world.endpoints.known["points"] = replace(known, capture=CaptureRules(personal_columns={"x": Masking.DROP}))
    body = spans(**INFERENCE).SerializeToString()
    receiver.take("default", otlp.spans(body, otlp.PROTOBUF, ""), body, "t")
    (shown,) = world.captures.list(BatchFilter(project="default", endpoint="points"), PageQuery()).items
    assert (shown.inputs, shown.masked) == ({"numeric": [[None, None]]}, ("x",))
