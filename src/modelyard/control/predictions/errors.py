"""Errors of inference that passes through the Operations API."""

from modelyard.errors import UnavailableError


class InferenceRefusedError(UnavailableError):
    """The gateway did not answer what this API passed on to it; the message says why."""

    code = "inference_refused"
