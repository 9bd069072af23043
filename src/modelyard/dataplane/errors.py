"""Errors of the data plane: what a caller of a model meets."""

from modelyard.errors import (
    ConflictError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    TemporaryError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)


class WorkerUnavailableError(UnavailableError):
    """A worker does not answer on its socket, or left in the middle."""

    code = "worker_unavailable"


class InputRefusedError(InvalidInputError):
    """The model says that it cannot answer these inputs."""

    code = "input_refused"


class ModelFailedError(InternalError):
    """The model raised an error on a request that fits its signature."""

    code = "model_failed"


class RoutingTableInvalidError(InternalError):
    """The routing table cannot be read; the one before stays in force."""

    code = "routing_table_invalid"


class CaptureDamagedError(InternalError):
    """A capture segment is no capture segment, or is damaged in the middle."""

    code = "capture_damaged"


class RouteNotFoundError(NotFoundError):
    """No such path on the data plane."""

    code = "route_not_found"


class EndpointNotFoundError(NotFoundError):
    """No endpoint of that name in the caller's project."""

    code = "endpoint_not_found"


class VariantNotFoundError(NotFoundError):
    """The endpoint serves no such version or variant."""

    code = "variant_not_found"


class EndpointNotReadyError(UnavailableError):
    """The endpoint exists and no replica of it takes requests now."""

    code = "endpoint_not_ready"


class EndpointStoppedError(ConflictError):
    """The endpoint was stopped: no request brings it back, its owner must start it."""

    code = "endpoint_stopped"


class ReplicaFailedError(UnavailableError):
    """The replica ended while it held this request, and the request could not be tried elsewhere."""

    code = "replica_failed"


class ControlUnavailableError(UnavailableError):
    """The control process does not answer; models are served all the same."""

    code = "control_unavailable"


class DeadlineExceededError(TemporaryError):
    """The answer did not come within the request's time."""

    code = "deadline_exceeded"


class JsonInvalidError(InvalidInputError):
    """The body is no JSON, or JSON of another form than the protocol's."""

    code = "invalid_json"


class CsvInvalidError(InvalidInputError):
    """The body is no CSV table that fits the model's columns."""

    code = "invalid_csv"


class UnsupportedMediaTypeError(InvalidInputError):
    """A Content-Type or Content-Encoding that this path does not take."""

    code = "unsupported_media_type"


class NotAcceptableError(InvalidInputError):
    """An Accept header that names nothing this path can send."""

    code = "not_acceptable"


class MethodNotAllowedError(InvalidInputError):
    """The path exists, the method does not; `allowed` is the Allow header."""

    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"{method} is not possible on {path}", hint=f"Use {allowed}.")
        self.allowed = allowed


class RequestInvalidError(InvalidInputError):
    """A request that breaks HTTP, or that two servers could read differently."""

    code = "invalid_request"


class HeadersTooLargeError(TooLargeError):
    """The request line and headers are over the limit."""

    code = "headers_too_large"


class RequestTimeoutError(TemporaryError):
    """The client took too long to send its request."""

    code = "request_timeout"


class BodyInvalidError(InvalidInputError):
    """A body that is not what its Content-Type says: npy, Parquet, an image."""

    code = "invalid_body"


class AccessKeyUnknownError(UnauthenticatedError):
    """The access key of a signed request does not exist, or was revoked."""

    code = "access_key_unknown"


class SignatureInvalidError(UnauthenticatedError):
    """A signed request whose signature does not fit it: another secret, another time, or it was changed."""

    code = "signature_invalid"


class ModelNotSuitableError(InvalidInputError):
    """The endpoint's model cannot do what was asked: embed, complete, chat, or follow a parameter."""

    code = "model_not_suitable"
