"""Sends traces, metrics and logs to an OpenTelemetry collector, if one is named; bounded, and silent if none answers.

Traces are made of captured inferences as control takes them over, so the gateway pays nothing for them. Metrics are
what Prometheus would read from control and gateway. The libraries are the extra `otlp`.
"""

import hashlib
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from prometheus_client.parser import text_string_to_metric_families

from modelyard import __version__
from modelyard.control.telemetry.conversion import metrics_data
from modelyard.control.telemetry.errors import OtlpUnavailableError
from modelyard.kit.traces import TraceParent, parse_traceparent
from modelyard.types.tensors import CaptureRecord

EXPORT_SECONDS = 15.0
_QUEUE = 2048
_TIMEOUT_SECONDS = 5
_SEVERITIES = {"debug": 5, "info": 9, "warning": 13, "error": 17, "exception": 17, "critical": 21}

TextSource = Callable[[], str]
"""Prometheus' text of a process; empty if it does not answer."""


class OtlpExport:
    """One collector. Safe from any thread; what it cannot get rid of is dropped.

    Args:
        endpoint: base address of the collector ("http://127.0.0.1:4318").
        headers: sent with each request.
        trace_share: share of the captured inferences that become traces.
        sources: where metrics come from.

    Raises:
        OtlpUnavailableError: the libraries are not installed.
    """

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], trace_share: float, sources: Sequence[TextSource]
    ) -> None:
        self._share = trace_share
        self._sources = sources
        self._started_ns = time.time_ns()
        base = endpoint.rstrip("/")
        where: dict[str, Any] = {"headers": dict(headers), "timeout": _TIMEOUT_SECONDS}
        try:
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415
            from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError as error:
            raise OtlpUnavailableError(
                "OpenTelemetry is not installed", hint="pip install 'modelyard[otlp]'"
            ) from error
        # The libraries say in the log, again and again, that nobody answers; nobody has asked.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._resource = Resource.create({"service.name": "modelyard", "service.version": __version__})
        self._traces = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._traces.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces", **where), max_queue_size=_QUEUE)
        )
        self._logs = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(f"{base}/v1/logs", **where), max_queue_size=_QUEUE)
        )
        self._metrics = OTLPMetricExporter(f"{base}/v1/metrics", **where)
        self._tracer = self._traces.get_tracer("modelyard.inference", __version__)
        self._logger = self._logs.get_logger("modelyard.control", __version__)

    def inferences(self, records: Sequence[CaptureRecord]) -> None:
        """Make traces of a share of these; chosen by id, so that the same inference is chosen everywhere.

        An inference whose caller named its trace continues that, and is exported if and only if the caller samples it.
        """
        for record in records:
            parent = parse_traceparent(record.traceparent)
            is_wanted = _place(record.id) < self._share if parent is None else parent.is_sampled and self._share > 0
            if is_wanted:
                self._trace(record, parent)

    def export_metrics(self) -> bool:
        """Send the figures as they are now; False if the collector did not take them."""
        families = [family for text in (source() for source in self._sources) for family in _families(text)]
        result = self._metrics.export(
            metrics_data(families, self._resource, self._started_ns, time.time_ns()), timeout_millis=5000
        )
        return bool(result.name == "SUCCESS")

    def tee_logs(self) -> None:
        """From now on every log line of this process goes to the collector too."""
        *before, last = structlog.get_config()["processors"]
        structlog.configure(processors=[*before, self._log_line, last])

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._traces.force_flush(_TIMEOUT_SECONDS * 1000)
        self._logs.force_flush(_TIMEOUT_SECONDS * 1000)
        self._traces.shutdown()
        self._logs.shutdown()
        self._metrics.shutdown()

    def _trace(self, record: CaptureRecord, parent: TraceParent | None) -> None:
        """One span for the whole, and one for each part of its time."""
        from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415 - an extra

        end = record.at_ns + record.latency_us * 1000
        attributes: dict[str, Any] = {
            "modelyard.inference.id": record.id,
            "modelyard.project": record.project,
            "modelyard.endpoint": record.endpoint,
            "modelyard.variant": record.variant,
            "modelyard.model": f"{record.model}:{record.number}",
            "modelyard.rows": record.rows,
        }
        whole = self._tracer.start_span(
            "inference",
            context=None if parent is None else _remote(parent),
            start_time=record.at_ns,
            kind=SpanKind.SERVER,
            attributes=attributes,
        )
        context = set_span_in_context(whole)
        sent = record.at_ns + record.queue_us * 1000
        parts = (("queue", record.at_ns, sent), ("model", max(sent, end - record.model_us * 1000), end))
        for name, start, stop in parts:
            self._tracer.start_span(name, context=context, start_time=start).end(stop)
        whole.end(end)

    def _log_line(self, _logger: Any, method: str, event: Any) -> Any:
        from opentelemetry._logs import LogRecord, SeverityNumber  # noqa: PLC0415 - an extra

        if not isinstance(event, dict):
            return event
        attributes = {name: str(value) for name, value in event.items() if name not in ("event", "exc_info")}
        if event.get("exc_info"):
            attributes["exception.stacktrace"] = traceback.format_exc()
        self._logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_text=method.upper(),
                severity_number=SeverityNumber(_SEVERITIES.get(method, 9)),
                body=str(event.get("event", "")),
                attributes=attributes,
            )
        )
        return event


def _remote(parent: TraceParent) -> Any:
    """The context of a span in another process."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context  # noqa: PLC0415

    span = SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(span))


def _place(id: str) -> float:
    """The same number in [0, 1) for the same id."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=6).digest(), "big") / 2**48


def _families(text: str) -> list[Any]:
    return list(text_string_to_metric_families(text))
