"""Wires the export of telemetry: the settings name a collector, and control and gateway have the figures."""

from modelyard.control.predictions.gateway import GatewayCaller
from modelyard.control.telemetry.exporting import OtlpExport
from modelyard.control.telemetry.figures import ControlFigures
from modelyard.errors import UnavailableError
from modelyard.settings import Settings


def open_export(settings: Settings, figures: ControlFigures) -> OtlpExport | None:
    """The export, if a collector is named.

    Raises:
        OtlpUnavailableError: one is, and the libraries are not installed.
    """
    if not settings.otlp_endpoint:
        return None
    pairs = (pair.partition("=") for pair in settings.otlp_headers.get_secret_value().split(",") if "=" in pair)
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    gateway = GatewayCaller(settings.layout.run / "gateway.json", settings.tls_certificate)

    def of_gateway() -> str:
        try:
            return gateway.figures()
        except UnavailableError:
            return ""

    sources = (lambda: figures.render().decode(), of_gateway)
    return OtlpExport(settings.otlp_endpoint, headers, settings.otlp_trace_share, sources)
