"""The paths of the OpenAI API, as a dialect of the gateway. Its "model" is an endpoint here, named in the body."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modelyard.dataplane.gateway.dialect import (
    EndpointView,
    Headers,
    InferenceCall,
    Operation,
    PlainDialect,
    Target,
)
from modelyard.errors import (
    InvalidInputError,
    ModelyardError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    TemporaryError,
    UnauthenticatedError,
)
from modelyard.protocols.openai.completions import parse_chat, parse_completion
from modelyard.protocols.openai.embeddings import parse_embeddings
from modelyard.protocols.openai.models import model_fields
from modelyard.protocols.openai.requests import fields_of, model_of
from modelyard.protocols.openai.texts import is_embedder, is_generator
from modelyard.types.signatures import Signature

_TYPES: tuple[tuple[type[ModelyardError], str], ...] = (
    (UnauthenticatedError, "authentication_error"),
    (PermissionDeniedError, "permission_error"),
    (NotFoundError, "not_found_error"),
    (InvalidInputError, "invalid_request_error"),
    (OverloadedError, "rate_limit_error"),
    (TemporaryError, "server_error"),
)
_MODELS = "/v1/models"

Parse = Callable[[dict[str, Any], Signature], InferenceCall]


class OpenAI(PlainDialect):
    """One path that takes requests. All of them are made by `openai_dialects`."""

    prefixes: tuple[str, ...] = ("/v1/",)

    def __init__(self, path: str, parse: Parse) -> None:
        self._path = path
        self._parse = parse

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        if path == self._path:
            return Target(Operation.INFER_NAMED)
        return Target(Operation.ENDPOINTS) if path == _MODELS else None

    def locate(self, body: bytes) -> Target:
        """See Dialect."""
        return Target(Operation.INFER, model_of(fields_of(body)))

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect."""
        del headers
        return self._parse(fields_of(body), signature)

    def describe_endpoints(self, endpoints: Sequence[EndpointView]) -> Mapping[str, object]:
        """See Dialect: those that any path of this API can call."""
        names = [each.name for each in endpoints if is_embedder(each.signature) or is_generator(each.signature)]
        return {"object": "list", "data": [model_fields(name) for name in names]}

    def error_fields(self, error: ModelyardError) -> Mapping[str, object]:
        """See Dialect."""
        kind = next((name for family, name in _TYPES if isinstance(error, family)), "server_error")
        message = f"{error.message}. {error.hint}" if error.hint else error.message
        return {"error": {"message": message, "type": kind, "param": error.field, "code": error.code}}


def openai_dialects() -> tuple[OpenAI, ...]:
    """All paths of the API that endpoints answer."""
    return (
        OpenAI("/v1/chat/completions", parse_chat),
        OpenAI("/v1/completions", parse_completion),
        OpenAI("/v1/embeddings", parse_embeddings),
    )
