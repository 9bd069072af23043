"""Export to a collector: a real OTLP receiver over HTTP, and silence without one."""

import gzip
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import structlog
from msgspec.structs import replace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from modelyard.control.telemetry import exporting
from modelyard.control.telemetry.exporting import OtlpExport
from modelyard.control.telemetry.figures import ControlFigures
from modelyard.runtimes.tensors import to_raw
from modelyard.types.tensors import CaptureRecord

REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@pytest.fixture
def received() -> dict[str, list]:
    return {path: [] for path in REQUESTS}


@pytest.fixture
def collector(received) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received[self.path].append((REQUESTS[self.path].FromString(body), dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    level = logging.getLogger("opentelemetry").level
    yield
    structlog.reset_defaults()
    logging.getLogger("opentelemetry").setLevel(level)


def record(number: int) -> CaptureRecord:
    return CaptureRecord(
        id=f"inf-{number:05d}", at_ns=10**18, project="default", endpoint="e", variant="main", model="m", number=2,
        rows=3, latency_us=900, queue_us=200, principal="token-1", model_us=500,
        inputs=(), outputs=(to_raw("label", np.zeros(3, dtype=np.int64)),),
    )  # fmt: skip


def test_traces_metrics_and_logs_arrive_in_the_forms_of_the_protocol(collector, received):
    figures = ControlFigures()
    figures.request_done("GET", "/x", 200, 0.003)
    figures.round_done("captures.ingest", 0.1, is_good=True)
    export = OtlpExport(collector, {"x-key": "abc"}, 1.0, [lambda: figures.render().decode(), lambda: ""])
    export.inferences([record(1)])
    export.tee_logs()
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("duty failed", duty="captures.ingest")
    assert export.export_metrics()
    export.close()
    ((traces, headers),) = received["/v1/traces"]
    assert headers["x-key"] == "abc"
    spans = {span.name: span for span in traces.resource_spans[0].scope_spans[0].spans}
    whole = spans["inference"]
    assert whole.end_time_unix_nano - whole.start_time_unix_nano == 900_000
    assert {each.key: each.value for each in whole.attributes}["modelyard.model"].string_value == "m:2"
    assert spans["queue"].parent_span_id == spans["model"].parent_span_id == whole.span_id
    assert spans["model"].end_time_unix_nano - spans["model"].start_time_unix_nano == 500_000
    ((sent, _),) = received["/v1/metrics"]
    metrics = {metric.name: metric for metric in sent.resource_metrics[0].scope_metrics[0].metrics}
    assert metrics["modelyard_control_duty_rounds"].sum.is_monotonic
    histogram = metrics["modelyard_control_request_seconds"].histogram.data_points[0]
    assert (histogram.count, sum(histogram.bucket_counts), histogram.bucket_counts[1]) == (1, 1, 1)
    ((logs, _),) = received["/v1/logs"]
    (line,) = logs.resource_logs[0].scope_logs[0].log_records
    attributes = {each.key: each.value.string_value for each in line.attributes}
    assert (line.body.string_value, attributes["duty"]) == ("duty failed", "captures.ingest")
    assert "ZeroDivisionError" in attributes["exception.stacktrace"]


def test_a_share_of_the_inferences_is_traced(collector, received):
    export = OtlpExport(collector, {}, 0.1, [])
    export.inferences([record(number) for number in range(600)])
    export.close()
    spans = [span.name for span in spans_of(received)]
    assert 30 < spans.count("inference") < 95  # 60 expected, standard deviation 7.3


def spans_of(received):
    return [
        span
        for sent, _ in received["/v1/traces"]
        for resource in sent.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.mark.parametrize(("share", "exported"), [(1.0, 1), (1e-9, 1), (0.0, 0)])
def test_the_callers_trace_is_continued_as_far_as_it_is_sampled(collector, received, share, exported):
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    export = OtlpExport(collector, {}, share, [])
    export.inferences([replace(record(1), traceparent=f"00-{trace}-{parent}-{flags}") for flags in ("01", "00")])
    export.close()
    whole = [span for span in spans_of(received) if span.name == "inference"]
    assert [(span.trace_id.hex(), span.parent_span_id.hex()) for span in whole] == [(trace, parent)] * exported
    parts = [span for span in spans_of(received) if span.name != "inference"]
    assert {(span.trace_id, span.parent_span_id) for span in parts} == {(span.trace_id, span.span_id) for span in whole}


def test_without_a_collector_it_is_silent_and_bounded(capsys, caplog, monkeypatch):
    monkeypatch.setattr(exporting, "_TIMEOUT_SECONDS", 1)
    export = OtlpExport("http://127.0.0.1:9", {}, 1.0, [lambda: ""])
    export.inferences([record(number) for number in range(3000)])
    assert not export.export_metrics()
    shown = capsys.readouterr()
    assert (shown.out, shown.err, caplog.text) == ("", "", "")
    export.close()
    shown = capsys.readouterr()
    assert (shown.out, shown.err, caplog.text) == ("", "", "")
