"""Errors of telemetry."""

from modelyard.errors import InvalidInputError, InvalidStateError


class OtlpInvalidError(InvalidInputError):
    """A body that is no OTLP export request, or of an unknown media type or encoding."""

    code = "otlp_invalid"


class OtlpUnavailableError(InvalidStateError):
    """The libraries for OpenTelemetry are not installed."""

    code = "otlp_unavailable"
