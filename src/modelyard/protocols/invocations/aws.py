"""What AWS's clients of the SageMaker runtime send and expect beside the body: headers and errors.

Source: SageMaker runtime API reference, InvokeEndpoint and InvokeEndpointWithResponseStream.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from msgspec.structs import replace

from modelyard import errors
from modelyard.dataplane import errors as own
from modelyard.dataplane.gateway.dialect import AnswerContext, Headers, Refusal, Reply
from modelyard.dataplane.gateway.signing import is_signed
from modelyard.kit.foreign_names import own_name
from modelyard.types.tensors import CapturedBodies

ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
TARGET_MODEL = b"x-amzn-sagemaker-target-model"
TARGET_VARIANT = b"x-amzn-sagemaker-target-variant"
INFERENCE_ID = b"x-amzn-sagemaker-inference-id"
MODEL_ERROR_STATUS = 424
_OK = range(200, 300)
_PARTS = {
    TARGET_MODEL: "is not a multi-model endpoint and does not support target model header",
    b"x-amzn-sagemaker-target-container-hostname": "has one container and does not support target container header",
    b"x-amzn-sagemaker-inference-component": "has no inference components and does not support their header",
}
"""What a request may name that is a part of an endpoint, and what is said where there are none."""

# The first that fits counts. Source: the "Errors" sections of the API reference, and Query API common errors.
_CODES: tuple[tuple[type[errors.ModelyardError], int, str], ...] = (
    (own.AccessKeyUnknownError, 403, "UnrecognizedClientException"),
    (own.SignatureInvalidError, 403, "InvalidSignatureException"),
    (errors.UnauthenticatedError, 403, "MissingAuthenticationTokenException"),
    (errors.PermissionDeniedError, 403, "AccessDeniedException"),
    (errors.OverloadedError, 429, "ThrottlingException"),
    (own.EndpointNotFoundError, 400, "ValidationError"),
    (own.VariantNotFoundError, 400, "ValidationError"),
    (own.RouteNotFoundError, 404, "UnknownOperationException"),
    (own.EndpointStoppedError, 400, "ValidationError"),
    (errors.TooLargeError, 413, "ValidationError"),
    (own.EndpointNotReadyError, 503, "ServiceUnavailable"),
    (errors.TemporaryError, 503, "ServiceUnavailable"),
    (own.MethodNotAllowedError, 405, "ValidationError"),
    (own.RequestInvalidError, 400, "ValidationError"),
)
_INTERNAL = 500, "InternalFailure"


def variant_of(headers: Headers) -> str:
    """The variant that TargetVariant names; empty: by weight."""
    sent = headers.get(TARGET_VARIANT)
    return own_name(sent.decode("latin-1")) if sent else ""


def check_undivided(endpoint: str, headers: Headers) -> None:
    """Nothing if a request names no part of the endpoint, which has none.

    Raises:
        RequestInvalidError: it does, in AWS's words.
    """
    for name, words in _PARTS.items():
        if headers.get(name):
            raise own.RequestInvalidError(f"Endpoint {endpoint} {words}", hint=f"Leave {name.decode()} out.")


def refusal(error: errors.ModelyardError, headers: Headers) -> Refusal | None:
    """An error as AWS's clients read it; None for everybody else."""
    if not is_signed(headers.get(b"authorization")):
        return None
    words = f"{error.message}. {error.hint}" if error.hint else error.message
    if isinstance(error, own.VariantNotFoundError) and TARGET_VARIANT in headers:
        words = f"Variant {decoded(headers, TARGET_VARIANT)} not found for Request."  # by the caller's name for it
    if isinstance(error, own.ModelFailedError | own.DeadlineExceededError):
        return model_error(500, error.message)
    found = next(((status, code) for kind, status, code in _CODES if isinstance(error, kind)), None)
    if found is None and isinstance(error, errors.InvalidInputError):
        # A built-in algorithm's container says no to such a body; the platform passes its word on.
        return model_error(_container_status(error), words)
    status, code = found or _INTERNAL
    return Refusal(status, orjson.dumps({"Message": words, "message": words}), _typed(code))


def model_error(status: int, message: str) -> Refusal:
    """ModelError: the container answered with `status` and these words."""
    told = f'Received {"server" if status >= 500 else "client"} error ({status}) from primary with message "{message}".'  # noqa: PLR2004
    body = {"Message": told, "OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": ""}
    return Refusal(MODEL_ERROR_STATUS, orjson.dumps(body), _typed("ModelError"))


def with_names(reply: Reply, inference_id: str, context: AnswerContext) -> Reply:
    """The reply with the headers that say who answered, for AWS's clients."""
    return replace(reply, headers=reply.headers + answer_headers(inference_id, context))


def answer_headers(inference_id: str, context: AnswerContext) -> bytes:
    """Header lines of an answer."""
    return f"x-amzn-requestid: {inference_id}\r\nx-amzn-invoked-production-variant: {context.variant}\r\n".encode()


def captured(body: bytes, headers: Headers, reply: Reply) -> CapturedBodies | None:
    """What a capture keeps of a signed request; None for all others, and for what the model refused."""
    if reply.status not in _OK or not is_signed(headers.get(b"authorization")) or b"content-encoding" in headers:
        return None
    return CapturedBodies(
        request_type=decoded(headers, b"content-type"),
        request=body,
        answer_type=reply.content_type.decode("latin-1"),
        answer=reply.body,
        event_id=decoded(headers, INFERENCE_ID),
        attributes=decoded(headers, ATTRIBUTES),
    )


def attribute_line(attributes: str) -> bytes:
    """The custom attributes of an answer as a header line; none if they are empty or no header's value."""
    is_value = attributes.isascii() and attributes.isprintable()
    return b"%b: %b\r\n" % (ATTRIBUTES, attributes.encode()) if attributes and is_value else b""


def decoded(headers: Headers, name: bytes) -> str:
    """A header's value as text; empty if it was not sent."""
    return headers.get(name, b"").decode("latin-1")


def stream_error(error_body: bytes) -> Mapping[str, Any]:
    """What a stream says of an error after its answer has begun."""
    told = orjson.loads(error_body)
    return {"Message": told.get("message", ""), "ErrorCode": told.get("code", "")}


def _typed(code: str) -> bytes:
    return f"x-amzn-errortype: {code}\r\n".encode()


def _container_status(error: errors.InvalidInputError) -> int:
    if isinstance(error, own.UnsupportedMediaTypeError):
        return 415
    return 406 if isinstance(error, own.NotAcceptableError) else 400
